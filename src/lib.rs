//! Lakewire: a lakehouse server that speaks SQL over the Postgres wire protocol.
//!
//! The floors, from the ground up; a module uses those below it and none above (`tests/tidy` holds this):
//! 0 `error` `clock` `fault` `config` `model` — 1 `catalog`, `sql` — 2 `formats`, `lake`, `sources` — 3 `flow`, `query` —
//! 4 `session` — 5 `server` — 6 `main.rs`. docs/architecture.md tells the life of an event and of a statement.

pub mod clock;
pub mod config;
pub mod error;
pub mod fault;
pub mod model;

pub mod catalog;
pub mod sql;

pub mod formats;
pub mod lake;
pub mod sources;

pub mod flow;
pub mod query;

pub mod session;

pub mod server;

#[cfg(test)]
mod fuzz;

// Some test data is shared with the benches, which know this crate by its name.
#[cfg(test)]
extern crate self as lakewire;
