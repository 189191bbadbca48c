//! What keeps a table cheap to open and its folder free of what nobody needs. Never part of a commit.
//!
//! 1. `Table::checkpoint_if_due` sums up the log (`checkpoint`).
//! 2. `Table::clean_log` removes the part of the log that a checkpoint stands for and nobody may still ask for (`log_cleanup`).
//! 3. `Table::vacuum` removes data files that no version which can still be read has (`vacuum`).
//! 4. `Lake::remove_leftovers` removes what interrupted writes left in the lake's own folder (`leftovers`).
//!
//! Each may be repeated, dropped half-way, and done by several servers at once. When to do which is for the caller to say.

mod checkpoint;
mod leftovers;
mod log_cleanup;
mod removal;
mod retention;
mod vacuum;

pub use checkpoint::Checkpointed;
pub use vacuum::{Spared, Vacuumed};
