//! The running side: jobs that move rows, exactly once.
//!
//! The life of a record: a lane of the shared reader (`feed`) fetches and decodes it; each job on that source finds it through its cursor
//! (`job`), runs its query over it (`compile`) and writes the result into files of its target (`assign`, `target`); an epoch ends with one
//! PUT (`manifest`) and is then published to the Delta logs (`job::epoch`). `supervisor` starts jobs, and tries again what may pass.
//!
//! The life of a row of a view: changes of what the view reads go through its dataflow (`engine`) in a tick, the answer's changes are published
//! for readers (`published`), and with the epoch what changed in the operators' state is saved (`saved`).
//!
//! Beside the jobs, `maintenance` keeps the tables cheap to open and the lake free of what nobody needs.

pub mod assign;
pub mod compile;
pub mod engine;
pub mod events;
pub mod expectations;
pub mod feed;
pub mod job;
pub mod maintenance;
pub mod manifest;
mod now;
pub mod published;
pub mod rejects;
pub mod saved;
mod slot;
pub mod supervisor;
pub mod target;

/// Data and queries for judging views, shared with the benches.
#[cfg(test)]
#[path = "../../tests/views/mod.rs"]
mod views;

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;

use crate::catalog::Catalog;
use crate::clock::Clock;
use crate::lake::Lake;

use events::EventLog;
use feed::Feeds;
use published::Views;

/// What every job needs.
pub struct FlowServices {
    pub lake: Lake,
    pub catalog: Catalog,
    pub clock: Clock,
    pub feeds: Feeds,
    pub events: EventLog,
    pub views: Views,
    /// Memory and object stores, shared with queries.
    pub runtime: Arc<RuntimeEnv>,
}
