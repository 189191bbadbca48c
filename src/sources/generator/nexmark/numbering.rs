//! From the number of an event to what it is, when it is, and which people and auctions there are by then.
//!
//! People and auctions count from 0 here; as ids they begin at 1000, where those who wrote the queries expect them.

use std::ops::Range;

use super::super::dice::Dice;
use super::{Market, Table};

pub const FIRST_ID: u64 = 1000;

/// Of so many events the first is a person, the next are auctions, the rest bids.
const ROUND: u64 = 50;
const PEOPLE: u64 = 1;
const AUCTIONS: u64 = 3;
const BIDS: u64 = 46;
/// Where the bids of a round begin.
const FIRST_BID: u64 = PEOPLE + AUCTIONS;

/// Only so many of the newest people place auctions and bids.
const ACTIVE_PEOPLE: u64 = 1000;
/// About so many auctions are open at any time.
pub const OPEN_AUCTIONS: u64 = 100;
/// So many of those that are named do not exist yet.
const LEAD: u64 = 10;
/// One in so many is hot for a while.
const HOT_EVERY: u64 = 100;

/// 2026-01-01T00:00:00Z in milliseconds since 1970.
const BEGIN_MILLIS: i64 = 1_767_225_600_000;
/// A thousand years, for years have four digits.
const MILLIS_UNTIL_TIME_REPEATS: u128 = 31_556_952_000_000;
/// So that no id and no sum of numbers overflows.
const NUMBERS: u64 = 1 << 56;

pub fn within_range(number: u64) -> u64 {
    number % NUMBERS
}

pub fn table_of(event: u64) -> Table {
    match event % ROUND {
        0..PEOPLE => Table::Person,
        PEOPLE..FIRST_BID => Table::Auction,
        _ => Table::Bid,
    }
}

/// The event that is row `row` of `table`.
pub fn event_of_row(table: Table, row: u64) -> u64 {
    let (row, places) = (within_range(row), places(table));
    let in_round = places.end - places.start;
    row / in_round * ROUND + places.start + row % in_round
}

/// Where the events of `table` stand in each round.
fn places(table: Table) -> Range<u64> {
    match table {
        Table::Person => 0..PEOPLE,
        Table::Auction => PEOPLE..FIRST_BID,
        Table::Bid => FIRST_BID..ROUND,
    }
}

/// In milliseconds since 1970.
pub fn date_time(market: &Market, event: u64) -> i64 {
    let since_begin = u128::from(event) * 1000 / u128::from(market.event_time_rate) % MILLIS_UNTIL_TIME_REPEATS;
    BEGIN_MILLIS + since_begin as i64
}

/// How many milliseconds, on average, an auction is open.
pub fn open_millis(market: &Market) -> u64 {
    OPEN_AUCTIONS * ROUND / AUCTIONS * 1000 / market.event_time_rate
}

/// The newest person at the time of an event: each round begins with one.
pub fn last_person(event: u64) -> u64 {
    event / ROUND
}

/// The newest auction at the time of an event that is no person: that one itself if it is an auction.
pub fn last_auction(event: u64) -> u64 {
    event / ROUND * AUCTIONS + (event % ROUND - PEOPLE).min(AUCTIONS - 1)
}

/// One of the people who are active at the time of an event, or about to come.
pub fn some_person(dice: &mut Dice, event: u64) -> u64 {
    let people = last_person(event) + 1;
    let active = people.min(ACTIVE_PEOPLE);
    people - active + dice.below(active + LEAD)
}

/// One of the auctions that are probably open at the time of an event, or about to come.
pub fn some_auction(dice: &mut Dice, event: u64) -> u64 {
    let newest = last_auction(event);
    let oldest = newest.saturating_sub(OPEN_AUCTIONS);
    oldest + dice.below(newest - oldest + 1 + LEAD)
}

/// The hot one among those up to `newest`.
pub fn hot(newest: u64) -> u64 {
    newest / HOT_EVERY * HOT_EVERY
}

const _: () = assert!(PEOPLE == 1 && PEOPLE + AUCTIONS + BIDS == ROUND);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_the_tables_are_the_events() {
        for table in Table::ALL {
            let events: Vec<_> = (0..1000).filter(|event| table_of(*event) == *table).collect();
            let rows: Vec<_> = (0..events.len() as u64).map(|row| event_of_row(*table, row)).collect();
            assert_eq!(rows, events);
        }
        assert_eq!((event_of_row(Table::Auction, 4), last_auction(52), last_auction(99), last_person(99)), (52, 4, 5, 1));
    }

    #[test]
    fn an_event_time_rate_may_be_anything() {
        let at = |event_time_rate, event| date_time(&Market { seed: 7, event_time_rate }, event) - BEGIN_MILLIS;
        assert_eq!((at(10_000, 25), at(3, 1), at(3, 3), at(1, 60)), (2, 333, 1000, 60_000));
        assert!(at(1, NUMBERS - 1) < MILLIS_UNTIL_TIME_REPEATS as i64);
    }
}
