//! The generator: records out of nothing, the same for the same seed, for trying things out and for tests that count.
//!
//! As a source:
//! ```sql
//! CREATE SOURCE events WITH (connector = 'generator', dataset = 'network', stream = 'events', seed = 7, rows = 100000, rate = 1000, partitions = 2);
//! ```
//! | option | default | meaning |
//! |---|---|---|
//! | `dataset` | `network` | `network` or `nexmark`; `network/mod.rs` and `nexmark/mod.rs` describe their fields |
//! | `stream` | `events` | of `network`: `events` or `management` |
//! | `table` | all, as events | of `nexmark`: `person`, `auction` or `bid` |
//! | `event_time_rate` | 10,000 | of `nexmark`: events per second of event time, up to 10,000,000 |
//! | `seed` | 7 | another seed, other records |
//! | `rows` | no end | how many records there are in all partitions |
//! | `rate` | as fast as it can | records per second in all partitions, up to 10,000,000; each reader has its own pace from where it begins |
//! | `partitions` | 1 | up to 64; `management` has one, for its records of a key are in order |
//!
//! As a program: `lakewire generate`, see `GenerateArgs`.

pub mod command;
pub mod connector;
pub mod network;
pub mod nexmark;
pub mod recipe;
pub mod record;
pub mod summary;

mod dice;
mod json_writer;
mod kinesis_writer;
mod pacer;
mod parcel;
mod reader;

#[cfg(test)]
mod tests;

pub use command::{GenerateArgs, run};
pub use connector::GeneratorConnector;
pub use recipe::{Dataset, DatasetName, Recipe, Stream};
pub use summary::Summary;
