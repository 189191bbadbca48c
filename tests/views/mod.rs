//! Data and queries for judging materialized views: what a view holds after any step must be what the query answers over the tables then.
//!
//! `nexmark` is an auction house, `tpch` a shop. Both have the same four doors: `tables`, `initial`, `refreshes`, `queries`. `State` is what the tables
//! hold, and asks DataFusion. A test of an engine is then:
//! ```ignore
//! let mut state = State::new(tpch::tables());
//! for step in std::iter::once(tpch::initial(7, Scale::SMALL)).chain(tpch::refreshes(7, Scale::SMALL).take(20)) {
//!     state.apply(&step);
//!     view.apply(&step);
//!     assert_same(&view.rows(), &state.answer(&query.written_out()).await, query.name);
//! }
//! ```
//! Compiled into the unit tests of `flow`, and into benches by path; so it says `lakewire`, not `crate`.

pub mod nexmark;
pub mod returns;
pub mod tpch;

mod random;
mod state;
mod windows;

#[cfg(test)]
mod tests;

pub use state::{State, assert_same};

use lakewire::model::Changes;

/// What happens at once: the changes of some tables. A table stands in it at most once.
pub type Step = Vec<(&'static str, Changes)>;

#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// `q1`
    pub name: &'static str,
    /// A plain SELECT. Its answer is unique but for the order of the rows.
    pub sql: &'static str,
}
