//! A new auction.

use super::super::dice::Lane;
use super::super::json_writer::ObjectWriter;
use super::Market;
use super::numbering::{FIRST_ID, date_time, hot, last_auction, last_person, open_millis, some_person};
use super::words::{padding, price, words};

const BYTES: usize = 500;
const FIRST_CATEGORY: u64 = 10;
const CATEGORIES: u64 = 5;
/// All but one in so many are sold by the hot seller.
const HOT_SELLER_RATIO: u64 = 4;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auction {
    pub id: u64,
    pub item_name: String,
    pub description: String,
    /// In cents.
    pub initial_bid: u64,
    /// In cents, at least the initial bid.
    pub reserve: u64,
    /// In milliseconds since 1970.
    pub date_time: i64,
    /// In milliseconds since 1970, after `date_time`.
    pub expires: i64,
    /// The id of a person.
    pub seller: u64,
    pub category: u64,
    pub extra: String,
}

impl Auction {
    pub(super) fn new(market: &Market, event: u64) -> Auction {
        let mut dice = market.dice(Lane::Auction, event);
        let (item_name, description) = (words(&mut dice, 20, ' '), words(&mut dice, 100, ' '));
        let initial_bid = price(&mut dice);
        let reserve = initial_bid + price(&mut dice);
        let date_time = date_time(market, event);
        let expires = date_time + 1 + dice.below((2 * open_millis(market)).max(1)) as i64;
        let seller = match dice.below(HOT_SELLER_RATIO) {
            0 => some_person(&mut dice, event),
            _ => hot(last_person(event)),
        };
        let category = FIRST_CATEGORY + dice.below(CATEGORIES);
        let extra = padding(&mut dice, 8 * 7 + item_name.len() + description.len(), BYTES);
        let (id, seller) = (FIRST_ID + last_auction(event), FIRST_ID + seller);
        Auction { id, item_name, description, initial_bid, reserve, date_time, expires, seller, category, extra }
    }

    pub(super) fn write(&self, object: &mut ObjectWriter<'_>) {
        object.whole("id", self.id);
        object.text("item_name", &self.item_name);
        object.text("description", &self.description);
        object.whole("initial_bid", self.initial_bid);
        object.whole("reserve", self.reserve);
        object.time("date_time", self.date_time);
        object.time("expires", self.expires);
        object.whole("seller", self.seller);
        object.whole("category", self.category);
        object.text("extra", &self.extra);
    }
}
