//! A table as a stream of its own changes: the rows of added files minus those of removed files, commit by commit.
//!
//! No change data feed is needed, so this works for commits of any engine. Commits that only move rows (compaction) are skipped. A file that was
//! rewritten for one row comes as that row alone: what stands in removed and in added files of a commit cancels out (`difference`).

mod difference;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use futures::StreamExt;
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::commit::changed_column;
use super::file_list::{Chunk, Shape};
use super::head::Head;
use super::location;
use super::log::CommitFile;
use super::log::action::{Action, Add, Remove, data_path};
use super::scan::LakeTable;
use super::scan::files::read;
use super::snapshot::Snapshot;
use super::table::Table;
use crate::error::{Error, Result};
use crate::model::Changes;
use difference::{Difference, HELD_BYTES_MAX};

/// The changes of some versions, in their order. Holds no more than a batch, and of a commit that rewrites files the rows that it removes,
/// up to a limit.
pub struct ChangeFeed {
    files: Files,
    /// Both ends belong to it.
    versions: std::ops::RangeInclusive<i64>,
    open: Option<Open>,
    /// Where the first version is preceded by nothing, all rows at the last one.
    whole: Option<Arc<Snapshot>>,
    /// What the reader knows: its columns must still be there.
    from: Option<i64>,
}

/// A part of what one version changed. What a version changed is seen together or not at all: publish it at its last part.
#[derive(Debug)]
pub struct ChangePart {
    pub version: i64,
    /// In the columns of the version up to which changes were asked for. May be empty.
    pub changes: Changes,
    /// No more parts of this version follow. Each version that has parts has one last one.
    pub is_last: bool,
}

/// The version that is being read.
struct Open {
    version: i64,
    part: Part,
    /// The files that it is read from.
    chunks: Vec<Chunk>,
}

/// What is left to read of one version.
enum Part {
    Came(SendableRecordBatchStream),
    Went(SendableRecordBatchStream),
    Both(Box<Difference>),
}

/// Reads files of the table in the columns of one of its versions.
#[derive(Clone)]
struct Files {
    table: Arc<Table>,
    to: Arc<Head>,
    state: SessionState,
    /// How many bytes of removed rows may be held at a time.
    held_bytes_max: usize,
}

impl Table {
    /// The changes after version `from` (`None`: from nothing, so that all rows come as one version) up to the snapshot `to`.
    ///
    /// Reading may fail with `State` because the changes cannot be had any more: the log was cleaned up, files were vacuumed, a column was
    /// retyped. Then the reader must begin anew, with `None`. `Unsupported`: a commit in between has deletion vectors or column mapping.
    pub fn changes(self: &Arc<Self>, from: Option<i64>, to: Arc<Snapshot>, state: SessionState) -> ChangeFeed {
        let head = to.head().clone();
        match from {
            Some(from) => self.changes_after(from, head, state),
            None => ChangeFeed { whole: to.version().map(|_| to), ..self.feed(None, head, state) },
        }
    }

    /// The same for those who have a version to begin after: what the log says of each commit is enough.
    pub fn changes_after(self: &Arc<Self>, from: i64, to: Arc<Head>, state: SessionState) -> ChangeFeed {
        self.feed(Some(from), to, state)
    }

    fn feed(self: &Arc<Self>, from: Option<i64>, to: Arc<Head>, state: SessionState) -> ChangeFeed {
        let end = to.version().unwrap_or(-1);
        let first = from.map_or(end + 1, |from| from + 1);
        let files = Files { held_bytes_max: HELD_BYTES_MAX, table: self.clone(), to, state };
        ChangeFeed { files, versions: first..=end, open: None, whole: None, from }
    }
}

impl ChangeFeed {
    /// The next part, `None` behind the last one. Versions that changed no rows have no parts.
    ///
    /// After an error the feed is of no use. Dropping the future loses nothing but the feed.
    pub async fn next(&mut self) -> Result<Option<ChangePart>> {
        loop {
            if self.open.is_none() {
                self.open = self.begin().await?;
            }
            let Some(open) = &mut self.open else { return Ok(None) };
            let version = open.version;
            let found = match open.part.next().await {
                Ok(found) => found,
                Err(error) => return Err(self.files.explain(error, version, &open.chunks).await),
            };
            return match found {
                Some(changes) if changes.is_empty() => continue,
                Some(changes) => Ok(Some(ChangePart { version, changes, is_last: false })),
                None => {
                    self.open = None;
                    let changes = Changes::empty(self.files.to.schema().clone());
                    Ok(Some(ChangePart { version, changes, is_last: true }))
                }
            };
        }
    }

    #[cfg(test)]
    pub(super) fn holding_at_most(mut self, bytes: usize) -> ChangeFeed {
        self.files.held_bytes_max = bytes;
        self
    }

    async fn begin(&mut self) -> Result<Option<Open>> {
        if let Some(snapshot) = self.whole.take() {
            let version = snapshot.version().unwrap_or_default();
            let chunks = snapshot.files().chunks().to_vec();
            return Ok(Some(Open { version, part: Part::Came(self.files.all(snapshot).await?), chunks }));
        }
        while let Some(version) = self.versions.next() {
            let table = &self.files.table;
            let commit = table.log.read(version).await?.ok_or_else(|| table.log_is_gone(version))?;
            self.check_columns(&commit).await?;
            if commit.changes_rows() {
                return Ok(Some(self.files.open(&commit).await?));
            }
        }
        Ok(None)
    }

    /// Columns may be added. Anything else would show the reader other rows than those that it saw come.
    async fn check_columns(&mut self, commit: &CommitFile) -> Result<()> {
        let (Some(from), true) = (self.from, commit.actions.iter().any(|action| action.meta_data.is_some())) else { return Ok(()) };
        let before = self.files.table.head_at(from).await?;
        let to = &self.files.to;
        let changed = changed_column(before.schema(), to.schema()).map(|column| format!("column \"{column}\" is gone or has another type"));
        let repartitioned = (before.partition_columns() != to.partition_columns()).then(|| "it is partitioned otherwise".to_string());
        match changed.or(repartitioned) {
            None => Ok(()),
            Some(detail) => Err(Error::state("the table has become another one, its changes cannot be followed")
                .with_detail(format!("since version {from} {detail}"))
                .with_hint("begin anew with the table as it is now")),
        }
    }
}

impl Part {
    async fn next(&mut self) -> Result<Option<Changes>> {
        match self {
            Part::Came(rows) => Ok(rows.next().await.transpose()?.map(Changes::inserted)),
            Part::Went(rows) => Ok(rows.next().await.transpose()?.map(Changes::removed)),
            Part::Both(difference) => difference.next().await,
        }
    }
}

impl Files {
    async fn all(&self, snapshot: Arc<Snapshot>) -> Result<SendableRecordBatchStream> {
        let provider = LakeTable::new(self.table.clone(), snapshot);
        let columns = (0..self.to.schema().fields().len()).collect();
        let plan = provider.scan(&self.state, Some(&columns), &[], None).await?;
        Ok(execute_stream(plan, self.state.task_ctx())?)
    }

    async fn open(&self, commit: &CommitFile) -> Result<Open> {
        let has_vector = |action: &Action| {
            action.add.as_ref().is_some_and(|add| add.deletion_vector.is_some())
                || action.remove.as_ref().is_some_and(|remove| remove.deletion_vector.is_some())
        };
        if commit.actions.iter().any(has_vector) || !self.to.maps_plainly() {
            return Err(Error::unsupported("the changes of this table cannot be followed")
                .with_detail(format!("version {} has deletion vectors, or the table has column mapping", commit.version))
                .with_hint("have the other engine write the table without them (delta.enableDeletionVectors = false)"));
        }
        let added = commit.added()?;
        let mut removed = Vec::new();
        for remove in commit.removed()? {
            removed.push(self.as_it_was(remove).await?);
        }
        let (added, removed) = (self.chunk(&added)?, self.chunk(&removed.iter().collect::<Vec<_>>())?);
        let chunks = removed.iter().chain(&added).cloned().collect();
        let part = match (added, removed) {
            (Some(added), Some(removed)) => Part::Both(Box::new(Difference::new(self.clone(), removed, added)?)),
            (Some(added), None) => Part::Came(self.read(&added)?),
            (None, Some(removed)) => Part::Went(self.read(&removed)?),
            (None, None) => return Err(Error::internal("a commit without files was taken for one that changes rows")),
        };
        Ok(Open { version: commit.version, part, chunks })
    }

    fn chunk(&self, files: &[&Add]) -> Result<Option<Chunk>> {
        match files.is_empty() {
            true => Ok(None),
            false => Chunk::of(files, self.shape()).map(Some),
        }
    }

    fn read(&self, chunk: &Chunk) -> Result<SendableRecordBatchStream> {
        read(&self.table, self.shape(), std::slice::from_ref(chunk), &self.state)
    }

    fn shape(&self) -> &Shape {
        self.to.shape()
    }

    /// What was said of a file when it was added, as far as it takes to read it.
    async fn as_it_was(&self, remove: &Remove) -> Result<Add> {
        let partition_values = match &remove.partition_values {
            Some(values) => values.clone(),
            None if self.to.partition_columns().is_empty() => Default::default(),
            None => {
                return Err(Error::state("the changes of this table cannot be had from its log")
                    .with_detail(format!("its writer did not say of which partition {} was removed", remove.path))
                    .with_hint("begin anew with the table as it is now"));
            }
        };
        let size = match remove.size {
            Some(size) => size,
            None => {
                let path = location::joined(&self.table.path, &data_path(&remove.path)?);
                match self.table.place.store().head(&path).await {
                    Ok(object) => object.size as i64,
                    Err(error @ object_store::Error::NotFound { .. }) => return Err(self.vacuumed(&remove.path, error.into())),
                    Err(error) => return Err(error.into()),
                }
            }
        };
        Ok(Add {
            path: remove.path.clone(),
            partition_values,
            size,
            modification_time: 0,
            data_change: true,
            stats: None,
            stats_parsed: None,
            deletion_vector: None,
        })
    }

    /// A file that is not there any more is a thing that the reader must know. The Parquet reader does not say it in a way that could be told.
    async fn explain(&self, error: Error, version: i64, chunks: &[Chunk]) -> Error {
        let paths = chunks.iter().flat_map(|chunk| (0..chunk.len()).map(|file| chunk.path(file)));
        for below in paths {
            let path = location::joined(&self.table.path, &Path::parse(below).expect("the list has paths that were parsed"));
            if let Err(object_store::Error::NotFound { .. }) = self.table.place.store().head(&path).await {
                tracing::debug!(version, below, "a file that was removed since is gone");
                return self.vacuumed(below, error);
            }
        }
        error
    }

    fn vacuumed(&self, path: &str, cause: Error) -> Error {
        Error::state("changes of the table cannot be read any more")
            .with_detail(format!("{path} of {} was vacuumed", self.table.location_url()))
            .with_hint("begin anew with the table as it is now")
            .with_cause(cause)
    }
}
