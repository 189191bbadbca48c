//! TPC-H, small: the eight tables of a shop with the keys and values that the 22 queries ask for, and a life after the first day.
//!
//! (Our own generator after the description in the "TPC Benchmark H Standard Specification", revision 3, chapter 4.2; not comparable with anybody's
//! published results. Suppliers and customers go round the nations instead of being drawn, so that few of them are enough.)
//!
//! The queries are the specification's with its validation parameters, but for those that find nothing in so small a shop: each file says what it asks instead.
//! Where there is a LIMIT the order is complete, so that each answer is unique.

mod people;
mod queries;
mod refresh;
mod row;
mod shop;
mod table;
mod text;

use arrow::datatypes::SchemaRef;

use super::{Query, Step};

use refresh::Refreshes;
use shop::Shop;
use table::TABLES;

/// How much there is on the first day. Orders have 1 to 7 lines, parts 4 suppliers each, which need 4.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub suppliers: usize,
    pub customers: usize,
    pub parts: usize,
    pub orders: usize,
}

impl Scale {
    /// Enough for every query to find something: about 12,000 lines.
    pub const SMALL: Scale = Scale::thousandths(2);

    /// Of the specification's scale factor 1.
    pub const fn thousandths(factor: usize) -> Scale {
        Scale { suppliers: 10 * factor, customers: 150 * factor, parts: 200 * factor, orders: 1500 * factor }
    }
}

pub fn queries() -> &'static [Query] {
    queries::QUERIES
}

pub fn tables() -> Vec<(&'static str, SchemaRef)> {
    TABLES.iter().map(|table| (table.name, table.schema())).collect()
}

/// The rows of all tables.
pub fn initial(seed: u64, scale: Scale) -> Step {
    Shop::new(seed, scale).take_changes()
}

/// What happens after `initial` of the same seed and scale: orders come and go with their lines, rows are changed, customers come and go. Without end.
pub fn refreshes(seed: u64, scale: Scale) -> impl Iterator<Item = Step> {
    Refreshes::new(seed, scale)
}
