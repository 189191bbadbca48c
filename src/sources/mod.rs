//! Where records come from. A connector knows neither SQL nor the catalog: options go in, records come out.
//!
//! # The contract
//! - **Partitions.** A source has partitions; they come and go. `partitions` lists the ones that can be read now, given what is known:
//!   a partition whose predecessors (a split shard's parent) are not `Done` in `known` is not listed yet.
//! - **Order.** Within a partition records have a fixed order, and `Source::compare` orders any two positions of it. Between partitions there is none.
//! - **Repetition.** Reading from a position gives the same records, with the same offsets and bytes, each time, as long as the service keeps them.
//!   If it no longer has what comes next (expired retention), that is an error, never a silent gap.
//! - **Positions.** A position means "all before this is read". `Batch::next` is where to go on; the `offset` of a record is the position
//!   right after it, and reading from it gives the record that follows.
//! - **Back-pressure.** A reader fetches when it is asked and buffers at most one batch ahead. Nobody asks while there is no room.
//! - **Waiting.** `next` returns an empty batch after at most about a second without records, so that the caller can look around.
//! - **End.** A bounded source's, or a closed shard's, last batch says `ended`. After it the partition is `Done` and is not read again.
//! - **Errors.** `Kind::Unavailable` may pass: the caller asks again, with back-off, from the last position, by a new reader. Throttling is not an
//!   error: the reader waits by itself. Everything else needs a person.
//! - **Crash.** A source keeps nothing of its own: whoever reads remembers positions. Dropping a reader at any await is harmless.

pub mod generator;
pub mod kinesis;

use std::cmp::Ordering;

use async_trait::async_trait;

use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::options::Start;
use crate::model::{Options, PartitionId, Position, Positions};

pub use crate::formats::records::{Records, RecordsBuilder};

/// All connectors there are.
#[rustfmt::skip]
pub const CONNECTORS: &[&dyn Connector] = &[
    &generator::GeneratorConnector,
    &kinesis::Kinesis,
];

/// One kind of source: what stands behind `connector = '…'`.
#[async_trait]
pub trait Connector: Send + Sync {
    fn name(&self) -> &'static str;

    /// Takes all of this connector's options and checks them. Pure: no I/O, and secrets may be unresolved.
    fn validate(&self, options: &mut Options) -> Result<()>;

    /// Connects, and fails with a clear error where the stream does not exist or access is refused. `options` have their secrets.
    async fn open(&self, options: Options, clock: Clock) -> Result<Box<dyn Source>>;
}

/// An open source. Shared by all who read it.
#[async_trait]
pub trait Source: Send + Sync {
    /// The partitions that can be read now, in a stable order. Those that are `Done` in `known` may be left out.
    /// Called again every few seconds, and at once when a partition ends.
    async fn partitions(&self, known: &Positions) -> Result<Vec<Partition>>;

    /// Where a job that has no position in this partition begins. A partition that came out of a reshard, if a predecessor of it is in
    /// `known`, goes on where that one ended: at its beginning, or at the time that `start` says. Since `Start::Latest` says no time, a job
    /// that is to begin exactly then turns it into `Start::At` once and keeps it: on a stream that was resharded before the job began,
    /// `Latest` brings the records since that reshard.
    async fn start(&self, partition: &PartitionId, start: Start, known: &Positions) -> Result<Position>;

    /// Opens a reader that goes on after `from`.
    async fn read(&self, partition: &PartitionId, from: &Position) -> Result<Box<dyn PartitionReader>>;

    /// Orders two positions of one partition.
    fn compare(&self, left: &Position, right: &Position) -> Ordering;

    /// Where to begin for a look at the most recent records of a partition: a little way back. It may have had none since.
    async fn recent(&self, partition: &PartitionId) -> Result<Position>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub id: PartitionId,
}

#[async_trait]
pub trait PartitionReader: Send {
    /// The next records, at most a few MiB; see the contract above for waiting, order and errors.
    async fn next(&mut self) -> Result<Batch>;
}

/// What one call to `PartitionReader::next` brings.
pub struct Batch {
    pub records: Records,
    /// Where to go on after these records.
    pub next: Position,
    /// How far behind the end of the partition `next` is, where the service tells.
    pub behind: Behind,
    /// Nothing comes after this batch, ever.
    pub ended: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Behind {
    pub records: Option<u64>,
    pub milliseconds: Option<u64>,
}

/// Finds a connector by the name that a user wrote.
pub fn connector(name: &str) -> Result<&'static dyn Connector> {
    CONNECTORS.iter().copied().find(|connector| connector.name() == name).ok_or_else(|| {
        let names: Vec<_> = CONNECTORS.iter().map(|connector| connector.name()).collect();
        Error::invalid(format!("connector \"{name}\" does not exist")).with_hint(format!("the connectors are: {}", names.join(", ")))
    })
}
