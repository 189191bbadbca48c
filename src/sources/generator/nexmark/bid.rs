//! A bid for an auction.

use super::super::dice::{Dice, Lane};
use super::super::json_writer::ObjectWriter;
use super::Market;
use super::numbering::{FIRST_ID, date_time, hot, last_auction, last_person, some_auction, some_person};
use super::words::{padding, price, words};

const BYTES: usize = 100;
/// All but one in so many are for the hot auction, by the hot bidder, over a hot channel.
const HOT_AUCTION_RATIO: u64 = 2;
const HOT_BIDDER_RATIO: u64 = 4;
const HOT_CHANNEL_RATIO: u64 = 2;

const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const CHANNELS: u64 = 10_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bid {
    /// The id of an auction.
    pub auction: u64,
    /// The id of a person.
    pub bidder: u64,
    /// In cents.
    pub price: u64,
    pub channel: String,
    pub url: String,
    /// In milliseconds since 1970.
    pub date_time: i64,
    pub extra: String,
}

impl Bid {
    pub(super) fn new(market: &Market, event: u64) -> Bid {
        let mut dice = market.dice(Lane::Bid, event);
        let auction = match dice.below(HOT_AUCTION_RATIO) {
            0 => some_auction(&mut dice, event),
            _ => hot(last_auction(event)),
        };
        // Beside the hot seller, so that buyers and sellers are not the same.
        let bidder = match dice.below(HOT_BIDDER_RATIO) {
            0 => some_person(&mut dice, event),
            _ => hot(last_person(event)) + 1,
        };
        let price = price(&mut dice);
        let (channel, url) = channel(market, &mut dice);
        let extra = padding(&mut dice, 8 * 4, BYTES);
        Bid { auction: FIRST_ID + auction, bidder: FIRST_ID + bidder, price, channel, url, date_time: date_time(market, event), extra }
    }

    pub(super) fn write(&self, object: &mut ObjectWriter<'_>) {
        object.whole("auction", self.auction);
        object.whole("bidder", self.bidder);
        object.whole("price", self.price);
        object.text("channel", &self.channel);
        object.text("url", &self.url);
        object.time("date_time", self.date_time);
        object.text("extra", &self.extra);
    }
}

/// A channel and its url, which is always the same under one seed. Nine in ten of the cold ones name their `channel_id` in the url.
fn channel(market: &Market, dice: &mut Dice) -> (String, String) {
    let place = dice.below(HOT_CHANNEL_RATIO);
    if place > 0 {
        let hot = dice.below(HOT_CHANNELS.len() as u64);
        return (HOT_CHANNELS[hot as usize].to_string(), url(&mut market.dice(Lane::Channel, CHANNELS + hot)));
    }
    let number = dice.below(CHANNELS);
    let mut lasting = market.dice(Lane::Channel, number);
    let mut url = url(&mut lasting);
    if lasting.below(10) > 0 {
        url.push_str(&format!("&channel_id={}", (number as u32).reverse_bits() >> 1));
    }
    (format!("channel-{number}"), url)
}

fn url(dice: &mut Dice) -> String {
    let [a, b, c] = std::array::from_fn(|_| words(dice, 5, '_'));
    format!("https://www.nexmark.example/{a}/{b}/{c}/item.htm?query=1")
}
