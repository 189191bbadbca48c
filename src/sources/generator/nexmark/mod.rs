//! The dataset `nexmark`: an auction house, as stream processors are compared by it.
//!
//! (Tucker, Tufte, Papadimos and Maier, "NEXMark – A Benchmark for Queries over Data Streams", 2002; the proportions, the hot auctions and people,
//! the prices and sizes are those of the generator in Apache Beam that everybody took over.)
//!
//! # Events
//! Of 50 events 1 is a new person, then 3 are new auctions, then 46 are bids. Event *k* has a `date_time` of 2026-01-01T00:00:00Z + *k* / `event_time_rate`
//! seconds, in whole milliseconds, so times never fall. (After a thousand years time begins again.) No record is broken.
//!
//! | table | key | columns |
//! |---|---|---|
//! | `person` | `id` | `id` from 1000, `name`, `email_address`, `credit_card`, `city`, `state`, `date_time`, `extra` |
//! | `auction` | `id` | `id` from 1000, `item_name`, `description`, `initial_bid`, `reserve`, `date_time`, `expires`, `seller`, `category` (10 … 14), `extra` |
//! | `bid` | `auction` | `auction`, `bidder`, `price`, `channel`, `url`, `date_time`, `extra` |
//!
//! Prices are in cents, from 100 to 100,000,000, even on a logarithmic scale. `extra` pads a row to about 200 (person), 500 (auction), 100 (bid) bytes.
//! Half of the bids go to the newest auction whose number is a multiple of 100, the others to one of the last hundred or, rarely, to one that is still to come; three in four
//! bids are by the newest person whose number is 1 more than a multiple of 100, and three in four auctions by the newest of the multiples.
//!
//! # Records
//! With a table, record *k* is its row *k*. Without one, record *k* is event *k*: `event_type` (0 person, 1 auction, 2 bid), `date_time`, and an object
//! `person`, `auction` or `bid`. The tables of a seed and an `event_time_rate` are those of its events.

mod auction;
mod bid;
mod columns;
mod numbering;
mod person;
mod words;

pub use auction::Auction;
pub use bid::Bid;
pub use columns::{rows, schema};
pub use person::Person;

use super::dice::{Dice, Lane};
use super::json_writer::{ObjectWriter, write_whole};
use super::record::{Content, Record};

/// What determines every event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Market {
    pub seed: u64,
    /// Events per second of event time, not 0.
    pub event_time_rate: u64,
}

pub const EVENT_TIME_RATE_DEFAULT: u64 = 10_000;
pub const EVENT_TIME_RATE_MAX: u64 = 10_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Person,
    Auction,
    Bid,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Person(Person),
    Auction(Auction),
    Bid(Bid),
}

impl Market {
    /// Event `number`; they count from 0.
    pub fn event(&self, number: u64) -> Event {
        match numbering::table_of(number) {
            Table::Person => Event::Person(Person::new(self, number)),
            Table::Auction => Event::Auction(Auction::new(self, number)),
            Table::Bid => Event::Bid(Bid::new(self, number)),
        }
    }

    fn dice(&self, lane: Lane, number: u64) -> Dice {
        Dice::new(self.seed, lane, number)
    }
}

impl Table {
    pub const ALL: &'static [Table] = &[Table::Person, Table::Auction, Table::Bid];
    pub const WORDS: &'static [&'static str] = &["person", "auction", "bid"];

    pub fn from_word(word: &str) -> Option<Table> {
        Table::ALL.iter().copied().find(|table| table.as_str() == word)
    }

    pub fn as_str(self) -> &'static str {
        Table::WORDS[self as usize]
    }
}

impl Event {
    fn table(&self) -> Table {
        match self {
            Event::Person(_) => Table::Person,
            Event::Auction(_) => Table::Auction,
            Event::Bid(_) => Table::Bid,
        }
    }

    /// In milliseconds since 1970.
    pub fn date_time(&self) -> i64 {
        match self {
            Event::Person(person) => person.date_time,
            Event::Auction(auction) => auction.date_time,
            Event::Bid(bid) => bid.date_time,
        }
    }

    fn key(&self) -> u64 {
        match self {
            Event::Person(person) => person.id,
            Event::Auction(auction) => auction.id,
            Event::Bid(bid) => bid.auction,
        }
    }

    fn write(&self, object: &mut ObjectWriter<'_>) {
        match self {
            Event::Person(person) => person.write(object),
            Event::Auction(auction) => auction.write(object),
            Event::Bid(bid) => bid.write(object),
        }
    }
}

/// Row `number` of `table` or, without one, event `number`, into the empty buffers of `record`.
pub fn make(market: &Market, table: Option<Table>, number: u64, record: &mut Record) -> Content {
    let event = market.event(table.map_or(numbering::within_range(number), |table| numbering::event_of_row(table, number)));
    write_whole(&mut record.key, event.key());
    let mut object = ObjectWriter::new(&mut record.payload);
    match table {
        Some(_) => event.write(&mut object),
        None => {
            object.whole("event_type", event.table() as u64);
            object.time("date_time", event.date_time());
            object.object(event.table().as_str(), |nested| event.write(nested));
        }
    }
    object.end();
    Content::Row(event.table())
}
