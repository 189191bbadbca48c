//! A new person, who will sell or bid.

use super::super::dice::Lane;
use super::super::json_writer::ObjectWriter;
use super::Market;
use super::numbering::{FIRST_ID, date_time, last_person};
use super::words::{letters, padding};

const BYTES: usize = 200;

const FIRST_NAMES: &[&str] = &["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: &[&str] = &["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const CITIES: &[&str] = &["Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent", "Cheyenne"];
/// In small letters, as the published queries ask for them.
const STATES: &[&str] = &["az", "ca", "id", "or", "wa", "wy"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: u64,
    pub name: String,
    pub email_address: String,
    /// Four times four digits.
    pub credit_card: String,
    pub city: &'static str,
    pub state: &'static str,
    /// In milliseconds since 1970.
    pub date_time: i64,
    pub extra: String,
}

impl Person {
    pub(super) fn new(market: &Market, event: u64) -> Person {
        let mut dice = market.dice(Lane::Person, event);
        let name = format!("{} {}", dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES));
        let email_address = format!("{}@{}.example", letters(&mut dice, 7), letters(&mut dice, 5));
        let [a, b, c, d] = std::array::from_fn(|_| dice.below(10_000));
        let credit_card = format!("{a:04} {b:04} {c:04} {d:04}");
        let (city, state) = (dice.pick(CITIES), dice.pick(STATES));
        let bytes = 8 + name.len() + email_address.len() + credit_card.len() + city.len() + state.len() + 8;
        let extra = padding(&mut dice, bytes, BYTES);
        let id = FIRST_ID + last_person(event);
        Person { id, name, email_address, credit_card, city, state, date_time: date_time(market, event), extra }
    }

    pub(super) fn write(&self, object: &mut ObjectWriter<'_>) {
        object.whole("id", self.id);
        object.text("name", &self.name);
        object.text("email_address", &self.email_address);
        object.text("credit_card", &self.credit_card);
        object.text("city", self.city);
        object.text("state", self.state);
        object.time("date_time", self.date_time);
        object.text("extra", &self.extra);
    }
}
