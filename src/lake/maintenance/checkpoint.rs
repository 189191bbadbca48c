//! When a checkpoint is due, and having it written.

use chrono::DateTime;
use futures::{StreamExt, TryStreamExt};

use super::retention;
use crate::error::Result;
use crate::lake::following::COMMITS_IN_FLIGHT;
use crate::lake::log::listing::Listing;
use crate::lake::log::tail::LogTail;
use crate::lake::table::Table;

/// A log of so many commits is long enough to be summed up, once they weigh something beside the checkpoint.
const COMMITS_MIN: usize = 100;
/// So are fewer that are so large together.
const COMMIT_BYTES_MIN: u64 = 16 << 20;
/// The part of the checkpoint's size that the log after it must have.
const WEIGHT: u64 = 10;
/// More are never left to be read one by one.
const COMMITS_MAX: usize = 1000;
/// What one checkpoint takes in is held in memory, so a log that was never summed up takes several.
const COMMITS_AT_ONCE: usize = 10_000;
const BYTES_AT_ONCE: usize = 128 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpointed {
    pub version: i64,
    pub files: u64,
    pub bytes: u64,
}

impl Table {
    /// Writes a checkpoint if enough was committed since the last one. A table that we may not write gets none. `None`: nothing was done.
    pub async fn checkpoint_if_due(&self) -> Result<Option<Checkpointed>> {
        self.checkpoint_when(is_due).await
    }

    /// Writes a checkpoint of all that is committed.
    pub async fn checkpoint(&self) -> Result<Option<Checkpointed>> {
        self.checkpoint_when(|listing| !listing.commits.is_empty()).await
    }

    async fn checkpoint_when(&self, is_wanted: impl Fn(&Listing) -> bool) -> Result<Option<Checkpointed>> {
        let mut written = None;
        loop {
            let mut listing = self.log.list().await?;
            self.checkpoint_seen(listing.checkpoint.as_ref().map(|checkpoint| checkpoint.version));
            if !is_wanted(&listing) {
                return Ok(written);
            }
            let head = self.refresh_head().await?;
            let Some(metadata) = head.metadata().filter(|_| head.check_appendable().is_ok()) else { return Ok(written) };
            let newest = listing.commits.last().copied();
            listing.commits.truncate(COMMITS_AT_ONCE);
            let kept_from = retention::of_removed_files(metadata).and_then(|kept| self.place.clock().now().checked_sub_signed(kept));
            let made = self.sum_up(&listing, kept_from.unwrap_or(DateTime::UNIX_EPOCH).timestamp_millis()).await?;
            self.checkpoint_seen(Some(made.version));
            written = Some(made);
            if Some(made.version) >= newest {
                return Ok(written);
            }
        }
    }

    /// As many of the listed commits as are to be held at once.
    async fn sum_up(&self, listing: &Listing, expired_millis: i64) -> Result<Checkpointed> {
        let mut tail = LogTail::new(expired_millis);
        let mut version = listing.checkpoint.as_ref().map_or(-1, |checkpoint| checkpoint.version);
        let read = |commit: i64| async move { self.log.body(commit).await.map(|body| (commit, body)) };
        let mut bodies = futures::stream::iter(listing.commits.iter().copied()).map(read).buffered(COMMITS_IN_FLIGHT);
        let mut held = 0;
        while held < BYTES_AT_ONCE
            && let Some((commit, body)) = bodies.try_next().await?
        {
            let Some(body) = body.filter(|_| commit == version + 1) else { return Err(self.has_gap(version + 1)) };
            self.log.within(commit, || tail.add(&body))?;
            held += body.len();
            version = commit;
        }
        let written = self.log.write_checkpoint(version, listing.checkpoint.as_ref(), tail).await?;
        Ok(Checkpointed {
            version,
            files: written.num_of_add_files.unwrap_or_default() as u64,
            bytes: written.size_in_bytes.unwrap_or_default() as u64,
        })
    }
}

fn is_due(listing: &Listing) -> bool {
    let weight = listing.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.bytes / WEIGHT);
    let is_long = listing.commits.len() >= COMMITS_MIN || listing.commit_bytes >= COMMIT_BYTES_MIN;
    listing.commits.len() >= COMMITS_MAX || (is_long && listing.commit_bytes >= weight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::log::listing::Checkpoint;

    #[test]
    fn due_by_number_and_weight() {
        let due = |checkpoint_bytes: Option<u64>, commits: i64, commit_bytes: u64| {
            let checkpoint = |bytes| Checkpoint { version: 0, files: vec![], bytes, written: DateTime::UNIX_EPOCH };
            is_due(&Listing { checkpoint: checkpoint_bytes.map(checkpoint), commits: (1..=commits).collect(), commit_bytes })
        };
        assert!(!due(None, 99, 99_000));
        assert!(due(None, 100, 100_000));
        assert!(due(None, 2, COMMIT_BYTES_MIN));
        assert!(!due(Some(10_000_000), 100, 100_000) && due(Some(1_000_000), 100, 100_000));
        assert!(due(Some(100_000_000), 1000, 1_000_000));
        assert!(!due(Some(1 << 30), 5, COMMIT_BYTES_MIN));
    }
}
