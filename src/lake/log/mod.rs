//! The Delta log: `_delta_log/<version, 20 digits>.json`, one object per commit, and now and then a checkpoint that sums up all before it.
//!
//! Reading and writing the objects, no more: what they mean together is `Head` and `Snapshot`. Only a checkpoint is made here, of what is in the log, for
//! a snapshot does not know all that a checkpoint must keep.

pub mod action;
mod blame;
pub mod checkpoint;
mod checkpoint_schema;
pub mod checkpoint_writer;
pub mod listing;
pub mod tail;
mod upload;

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use super::file_keys::FileKey;
use crate::error::{Error, Result, SqlState};
use action::{Action, Add, Remove};
use blame::guarded;

/// The log of one table.
#[derive(Debug, Clone)]
pub struct Log {
    store: Arc<dyn ObjectStore>,
    /// `<table>/_delta_log`
    folder: Path,
}

/// The actions of one version.
#[derive(Debug, Clone)]
pub struct CommitFile {
    pub version: i64,
    pub actions: Vec<Action>,
}

impl Log {
    pub fn new(store: Arc<dyn ObjectStore>, table: &Path) -> Log {
        Log { store, folder: table.clone().join("_delta_log") }
    }

    pub async fn read(&self, version: i64) -> Result<Option<CommitFile>> {
        let Some(body) = self.body(version).await? else { return Ok(None) };
        let actions = self.within(version, || parse_lines(&body))?;
        Ok(Some(CommitFile { version, actions }))
    }

    /// Reads what stands in the commit of this version. Errors, and panics of libraries, are told with its name.
    pub fn within<T>(&self, version: i64, read: impl FnOnce() -> Result<T>) -> Result<T> {
        guarded(&self.commit_path(version), read)
    }

    /// A commit as it stands, a line per action.
    pub async fn body(&self, version: i64) -> Result<Option<Bytes>> {
        self.get(&self.commit_path(version)).await
    }

    pub async fn exists(&self, version: i64) -> Result<bool> {
        match self.store.head(&self.commit_path(version)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes a version, given as lines, if nobody has. Never overwrites. After an error read it back: it may even be there, by ourselves.
    pub async fn put(&self, version: i64, lines: Bytes) -> object_store::Result<()> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.store.put_opts(&self.commit_path(version), lines.into(), options).await.map(drop)
    }

    fn commit_path(&self, version: i64) -> Path {
        self.folder.clone().join(format!("{version:020}.json"))
    }

    async fn get(&self, path: &Path) -> Result<Option<Bytes>> {
        match self.store.get(path).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl CommitFile {
    /// The token of the commit, if Lakewire wrote it.
    pub fn commit_id(&self) -> Option<&str> {
        self.actions.iter().find_map(|action| action.commit_info.as_ref()?.lakewire_commit_id.as_deref())
    }

    /// Whether it only adds rows, and without having looked at those that are there: then it could as well stand before or after any other.
    pub fn is_blind_append(&self) -> bool {
        let info = self.actions.iter().find_map(|action| action.commit_info.as_ref());
        let operation = info.and_then(|info| info.operation.as_deref());
        let told = info.and_then(|info| info.is_blind_append);
        let removes = self.actions.iter().any(|action| action.remove.is_some());
        !removes && told.unwrap_or(matches!(operation, Some("WRITE" | "STREAMING UPDATE")))
    }

    /// The files that it adds. Of one that it names twice the last word counts.
    pub fn added(&self) -> Result<Vec<&Add>> {
        last_of_each(self.actions.iter().filter_map(|action| action.add.as_ref()), Add::key)
    }

    /// The files that it removes, each once.
    pub fn removed(&self) -> Result<Vec<&Remove>> {
        last_of_each(self.actions.iter().filter_map(|action| action.remove.as_ref()), Remove::key)
    }

    /// Whether rows come or go by it.
    pub fn changes_rows(&self) -> bool {
        self.actions.iter().any(Action::changes_rows)
    }

    /// Milliseconds since 1970.
    pub fn timestamp(&self) -> Option<i64> {
        self.actions.iter().find_map(|action| action.commit_info.as_ref()?.timestamp)
    }
}

pub fn to_lines(actions: &[Action]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for action in actions {
        serde_json::to_writer(&mut body, action)?;
        body.push(b'\n');
    }
    Ok(body)
}

fn last_of_each<'a, T: 'a>(files: impl DoubleEndedIterator<Item = &'a T>, key: impl Fn(&'a T) -> Result<FileKey>) -> Result<Vec<&'a T>> {
    let (mut seen, mut last) = (HashSet::new(), Vec::new());
    for file in files.rev() {
        if seen.insert(key(file)?) {
            last.push(file);
        }
    }
    last.reverse();
    Ok(last)
}

fn parse_lines(body: &[u8]) -> Result<Vec<Action>> {
    lines(body).map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Result<Action> {
    serde_json::from_slice(line).map_err(unreadable)
}

/// The lines of a commit, without empty ones.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::data("the table's log cannot be read").with_state(SqlState::DATA_CORRUPTED).with_cause(error)
}
