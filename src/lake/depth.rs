//! How deep somebody looks into a log: for its head alone, or for the files too. What reads a log, follows it and writes after it is the same.

use std::sync::Arc;

use super::head::Head;
use super::knowledge::Known;
use super::log::checkpoint::read_aside;
use super::log::listing::Checkpoint;
use super::log::{CommitFile, Log};
use super::snapshot::Snapshot;
use crate::error::Result;

/// What is known of a version, by somebody or by all: `Arc<Head>`, or `Arc<Snapshot>`, which is more.
pub(super) trait Depth: Clone + Send + Sync + 'static {
    fn head(&self) -> &Arc<Head>;

    /// The same as what everybody knows.
    fn known(self) -> Known;

    /// So deep a look into what everybody knows, if that is deep enough.
    fn of(known: &Known) -> Option<Self>;

    /// So deep a look into a snapshot, which is always deep enough.
    fn of_snapshot(snapshot: &Arc<Snapshot>) -> Self;

    fn of_checkpoint(log: &Log, checkpoint: &Checkpoint) -> impl Future<Output = Result<Self>> + Send;

    /// After one more commit.
    fn after(&self, commit: &CommitFile) -> Result<Self>;
}

impl Depth for Arc<Head> {
    fn head(&self) -> &Arc<Head> {
        self
    }

    fn known(self) -> Known {
        Known::Head(self)
    }

    fn of(known: &Known) -> Option<Arc<Head>> {
        Some(known.head().clone())
    }

    fn of_snapshot(snapshot: &Arc<Snapshot>) -> Arc<Head> {
        snapshot.head().clone()
    }

    async fn of_checkpoint(log: &Log, checkpoint: &Checkpoint) -> Result<Arc<Head>> {
        let objects = log.fetch_table_actions(checkpoint).await?;
        Ok(Arc::new(Head::of_checkpoint(checkpoint.version, &objects)?))
    }

    fn after(&self, commit: &CommitFile) -> Result<Arc<Head>> {
        Head::after(self, commit).map(Arc::new)
    }
}

impl Depth for Arc<Snapshot> {
    fn head(&self) -> &Arc<Head> {
        Snapshot::head(self)
    }

    fn known(self) -> Known {
        Known::Snapshot(self)
    }

    fn of(known: &Known) -> Option<Arc<Snapshot>> {
        match known {
            Known::Snapshot(snapshot) => Some(snapshot.clone()),
            // What does not exist has no files.
            Known::Head(head) if head.version().is_none() => Some(Arc::new(Snapshot::absent(head.clone()))),
            Known::Head(_) => None,
        }
    }

    fn of_snapshot(snapshot: &Arc<Snapshot>) -> Arc<Snapshot> {
        snapshot.clone()
    }

    async fn of_checkpoint(log: &Log, checkpoint: &Checkpoint) -> Result<Arc<Snapshot>> {
        let (version, files) = (checkpoint.version, log.fetch(checkpoint).await?);
        read_aside(move || Snapshot::of_checkpoint(version, files)).await.map(Arc::new)
    }

    fn after(&self, commit: &CommitFile) -> Result<Arc<Snapshot>> {
        Snapshot::after(self, commit).map(Arc::new)
    }
}
