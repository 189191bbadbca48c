//! Following a table's log: to the newest version or to an old one, for its head or for its files too.
//!
//! # Readers and writers
//! Those who look for heads, those who read files and those who write go their own ways, and nobody waits for another's requests. What each of
//! them has read or written, `Knowledge` takes in. So a list of files, once it was read, grows with every commit, whoever makes it. Whoever reads
//! the list while others write reads on until it is as new as the head that is known: only then it can go on with that.

use std::sync::Arc;

use chrono::TimeDelta;
use futures::{StreamExt, TryStreamExt};

use super::depth::Depth;
use super::head::Head;
use super::knowledge::{Known, Seen};
use super::log::CommitFile;
use super::log::listing::Listing;
use super::snapshot::Snapshot;
use super::table::Table;
use crate::error::{Error, Result, SqlState};

/// How long nobody may have looked at the log before we ask whether what we know of it still stands.
const TRUST_SECONDS: i64 = 600;
/// How many commits are fetched at once when a log is read from its beginning.
pub(super) const COMMITS_IN_FLIGHT: usize = 16;

impl Table {
    /// The last head known. No I/O.
    pub fn head(&self) -> Option<Arc<Head>> {
        self.knowledge.newest_as()
    }

    /// The last snapshot known, if somebody has asked for the files before. No I/O.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.knowledge.newest_as()
    }

    /// The newest head: all that it takes to append. One small request when nothing is new; the first call reads the whole log, but for what it
    /// says of files. A table that does not exist has a head without version and columns.
    pub async fn refresh_head(&self) -> Result<Arc<Head>> {
        let _turn = self.looking.lock().await;
        self.follow().await
    }

    /// The newest snapshot, of a size that depends on the number of files. One small request when nothing is new; the first call reads the whole
    /// log, also if its head is known.
    pub async fn refresh(&self) -> Result<Arc<Snapshot>> {
        let _turn = self.reading.lock().await;
        self.follow().await
    }

    /// A head that was the newest at most so long ago. Those who look often share a request.
    pub async fn refresh_head_within(&self, age: TimeDelta) -> Result<Arc<Head>> {
        let _turn = self.looking.lock().await;
        match self.knowledge.newest().filter(|seen| self.place.clock().now() - seen.at < age) {
            Some(fresh) => Ok(fresh.known.head().clone()),
            None => self.follow().await,
        }
    }

    /// The snapshot of a version that was committed. Reads the log from the checkpoint before it, unless it is the newest that we know.
    ///
    /// Errors: `State` if the log does not reach back to it any more, or not up to it yet.
    pub async fn snapshot_at(&self, version: i64) -> Result<Arc<Snapshot>> {
        self.at(version).await
    }

    /// The same without the files.
    pub(super) async fn head_at(&self, version: i64) -> Result<Arc<Head>> {
        self.at(version).await
    }

    /// Brings what is known up to the end of the log, at least as deep as this.
    pub(super) async fn follow<D: Depth>(&self) -> Result<D> {
        let Some(known) = self.known_that_stands().await? else { return self.load().await };
        match D::of(&known) {
            Some(known) => self.read_on(known).await,
            None => self.read_on(D::of_snapshot(&self.read_up_to(known.head()).await?)).await,
        }
    }

    /// What is known if it is deep enough, and fresh enough to write after it: a conditional write finds out whether it still is the end. Only
    /// a log that was cleaned up while we slept would have room where there must be none.
    pub(super) async fn end_to_write_after<D: Depth>(&self) -> Result<D> {
        let fresh = self.knowledge.newest().filter(|seen| !self.is_stale(seen) && seen.known.head().version().is_some());
        match fresh.and_then(|seen| D::of(&seen.known)) {
            Some(known) => Ok(known),
            None => self.follow().await,
        }
    }

    /// Takes in the commit that follows `before`. What is wrong with that is told with its name.
    pub(super) fn take_in<D: Depth>(&self, before: &D, commit: &CommitFile) -> Result<D> {
        let now = self.place.clock().now();
        self.log.within(commit.version, || self.knowledge.take_in(before, commit, now))
    }

    pub(super) fn log_is_gone(&self, version: i64) -> Error {
        Error::state(format!("version {version} of the table is not in its log"))
            .with_detail(format!(
                "the log of {} begins later: what was before a checkpoint is cleaned up after a while",
                self.location_url()
            ))
            .with_hint("begin anew with the table as it is now")
    }

    pub(super) fn has_gap(&self, version: i64) -> Error {
        Error::data("the table's log has a gap")
            .with_state(SqlState::DATA_CORRUPTED)
            .with_detail(format!("version {version} of {} is missing", self.location_url()))
    }

    async fn at<D: Depth>(&self, version: i64) -> Result<D> {
        if let Some(known) = self.knowledge.newest_as::<D>().filter(|known| known.head().version() == Some(version)) {
            return Ok(known);
        }
        let read: D = self.read_listed(self.log.list_up_to(version).await?).await?;
        match read.head().version() == Some(version) {
            true => Ok(read),
            false => Err(self.log_is_gone(version)),
        }
    }

    /// What is known, unless nobody has looked for long and the log has become another one.
    async fn known_that_stands(&self) -> Result<Option<Known>> {
        let Some(seen) = self.knowledge.newest() else { return Ok(None) };
        if self.is_stale(&seen) && !self.still_stands(seen.known.head()).await? {
            self.knowledge.forget(&seen.known);
            return Ok(None);
        }
        Ok(Some(seen.known))
    }

    fn is_stale(&self, seen: &Seen) -> bool {
        self.place.clock().now() - seen.at > TimeDelta::seconds(TRUST_SECONDS)
    }

    /// Logs are cleaned from their old end: as long as the commit we know is there, so are all that followed it.
    async fn still_stands(&self, head: &Head) -> Result<bool> {
        match head.version() {
            Some(version) => self.log.exists(version).await,
            None => Ok(false),
        }
    }

    /// Reads the log from its newest checkpoint on.
    async fn load<D: Depth>(&self) -> Result<D> {
        let read: D = self.read_listed(self.list().await?).await?;
        match self.knowledge.learn(read.clone(), self.place.clock().now()) {
            true => Ok(read),
            false => self.read_on(read).await,
        }
    }

    /// Reads what a head does not know: the files, as of its version. A head that is behind the newest checkpoint is brought up first: it says
    /// more of the last commit than a checkpoint does.
    async fn read_up_to(&self, head: &Arc<Head>) -> Result<Arc<Snapshot>> {
        let mut listing = self.list().await?;
        let is_behind = listing.checkpoint.as_ref().is_some_and(|checkpoint| Some(checkpoint.version) > head.version());
        let head = if is_behind { self.read_on(head.clone()).await? } else { head.clone() };
        listing.commits.retain(|commit| Some(*commit) <= head.version());
        let read: Arc<Snapshot> = self.read_listed(listing).await?;
        if read.version() != head.version() || read.head().table_id() != head.table_id() {
            return Ok(read);
        }
        let read = Arc::new(Arc::unwrap_or_clone(read).with_head(head));
        self.knowledge.deepen(&read);
        Ok(read)
    }

    /// Reads commit after commit to the end of the log. Where that was cleaned up so far meanwhile, from its newest checkpoint on.
    async fn read_on<D: Depth>(&self, mut read: D) -> Result<D> {
        let (mut missed, mut has_begun_anew) = (None, false);
        loop {
            let next = read.head().next_version();
            match self.log.read(next).await? {
                Some(commit) => read = self.take_in(&read, &commit)?,
                None if self.knowledge.learn(read.clone(), self.place.clock().now()) => return Ok(read),
                None => match self.knowledge.newest() {
                    // It must be there, unless the log is not any more what we knew, or not any more what we read.
                    Some(seen) if missed == Some(next) => match self.still_stands(seen.known.head()).await? {
                        true if has_begun_anew => return Err(self.has_gap(next)),
                        true => (read, missed, has_begun_anew) = (self.read_listed(self.list().await?).await?, None, true),
                        false => self.knowledge.forget(&seen.known),
                    },
                    // Somebody was faster by a commit, which is yet to be read, or need not be; or knows the files of an older version, from which
                    // all go on.
                    Some(seen) => match D::of(&seen.known) {
                        Some(further) if further.head().version() > read.head().version() => return Ok(further),
                        Some(with_files) => read = with_files,
                        None => missed = Some(next),
                    },
                    None => {}
                },
            }
        }
    }

    async fn list(&self) -> Result<Listing> {
        let listing = self.log.list().await?;
        self.checkpoint_seen(listing.checkpoint.as_ref().map(|checkpoint| checkpoint.version));
        Ok(listing)
    }

    async fn read_listed<D: Depth>(&self, listing: Listing) -> Result<D> {
        let Listing { checkpoint, commits, .. } = listing;
        let mut read = match checkpoint {
            Some(checkpoint) => D::of_checkpoint(&self.log, &checkpoint).await?,
            None => D::of_snapshot(&Arc::new(Snapshot::absent(Arc::new(Head::absent())))),
        };
        let mut bodies = futures::stream::iter(commits).map(|version| self.log.read(version)).buffered(COMMITS_IN_FLIGHT);
        while let Some(commit) = bodies.try_next().await? {
            let next = read.head().next_version();
            match commit {
                Some(commit) if commit.version == next => read = self.log.within(commit.version, || read.after(&commit))?,
                _ => return Err(self.has_gap(next)),
            }
        }
        Ok(read)
    }
}
