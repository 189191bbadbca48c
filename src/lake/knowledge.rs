//! What this server knows of one table: one head for all, and the files once somebody has asked for them. Whoever reads or writes a commit adds
//! it here, for all. No I/O, so that nobody waits long for anybody.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::depth::Depth;
use super::head::Head;
use super::log::CommitFile;
use super::snapshot::Snapshot;
use crate::error::Result;

#[derive(Debug)]
pub(super) struct Knowledge {
    newest: RwLock<Option<Seen>>,
    /// The newest version, for those who follow the table.
    versions: watch::Sender<Option<i64>>,
}

#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub known: Known,
    /// When the log was last seen to end there.
    pub at: DateTime<Utc>,
}

#[derive(Debug, Clone)]
pub(super) enum Known {
    Head(Arc<Head>),
    Snapshot(Arc<Snapshot>),
}

impl Known {
    pub fn head(&self) -> &Arc<Head> {
        match self {
            Known::Head(head) => head,
            Known::Snapshot(snapshot) => snapshot.head(),
        }
    }
}

impl Knowledge {
    pub fn none() -> Knowledge {
        Knowledge { newest: RwLock::new(None), versions: watch::Sender::new(None) }
    }

    pub fn newest(&self) -> Option<Seen> {
        self.newest.read().clone()
    }

    /// So deep a look into it, if that is deep enough.
    pub fn newest_as<D: Depth>(&self) -> Option<D> {
        self.newest.read().as_ref().and_then(|seen| D::of(&seen.known))
    }

    pub fn versions(&self) -> watch::Receiver<Option<i64>> {
        self.versions.subscribe()
    }

    /// Learns what somebody has read up to the end of the log. Never goes back: false if more commits are known, or files that would be lost.
    pub fn learn(&self, read: impl Depth, now: DateTime<Utc>) -> bool {
        let mut newest = self.newest.write();
        let version = read.head().version();
        let before = newest.as_ref().map(|seen| &seen.known);
        let known = match (before, read.known()) {
            (Some(before), _) if before.head().version() > version => return false,
            (Some(before @ Known::Snapshot(_)), _) if before.head().version() == version => before.clone(),
            (Some(Known::Snapshot(_)), Known::Head(_)) => return false,
            (_, read) => read,
        };
        *newest = Some(Seen { known, at: now });
        self.versions.send_if_modified(|newest| std::mem::replace(newest, version) != version);
        true
    }

    /// Learns the files of the version that is the newest known, which need not be the end of the log. Of an older one there is nothing to learn.
    pub fn deepen(&self, read: &Arc<Snapshot>) {
        if let Some(Seen { known: known @ Known::Head(_), .. }) = &mut *self.newest.write()
            && known.head().version() == read.version()
            && known.head().table_id() == read.head().table_id()
        {
            *known = Known::Snapshot(read.clone());
        }
    }

    /// Takes in the commit that follows `before`, for the one who stands there and for all: files that are known go on with a head alone.
    /// Whoever was overtaken may come out further on.
    pub fn take_in<D: Depth>(&self, before: &D, commit: &CommitFile, now: DateTime<Utc>) -> Result<D> {
        let version = before.head().version();
        let known = self.newest().map(|seen| seen.known);
        if let Some(further) = known.as_ref().filter(|known| known.head().version() > version).and_then(D::of) {
            return Ok(further);
        }
        match known {
            Some(Known::Snapshot(snapshot)) if snapshot.version() == version => {
                let after = snapshot.after(commit)?;
                self.learn(after.clone(), now);
                Ok(D::of_snapshot(&after))
            }
            _ => {
                let after = before.after(commit)?;
                self.learn(after.clone(), now);
                Ok(after)
            }
        }
    }

    /// Forgets what does not stand any more, unless something else is known by now.
    pub fn forget(&self, gone: &Known) {
        let mut newest = self.newest.write();
        newest.take_if(|seen| Arc::ptr_eq(seen.known.head(), gone.head()));
    }
}
