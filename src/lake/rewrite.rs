//! Commits that take files away: copy-on-write, serialised by the table's turn.
//!
//! # The life of a rewrite
//! 1. `Table::rewriting_turn` waits until nobody else in this server is about to remove files of this table. Appends go on meanwhile.
//! 2. The caller reads a snapshot, writes the files that shall stand in the place of others, and names both in a `Rewrite`.
//! 3. `RewritingTurn::commit` writes it, if the snapshot still holds as far as the rewrite looked at it: the files to be removed are active
//!    in the version just before ours, and nobody but blind appenders has changed rows since. Blind appends may as well stand after us.
//! 4. Otherwise it is `Overtaken`, nothing was written, and the caller begins anew with the newest snapshot.
//!
//! The turn saves work. What makes it right, also among several servers and other engines, is the check under the conditional PUT.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, TimeUnit, TimestampMicrosecondType};
use object_store::ObjectStoreExt;
use tokio::sync::OwnedMutexGuard;

use super::commit::{AddedFile, Advance, Advanced, AppTransaction, Operation, changed_column, check_young, gone};
use super::file_keys::FileKeys;
use super::file_list::{Chunk, Kind};
use super::log::action::{Action, Remove, data_path};
use super::snapshot::Snapshot;
use super::table::Table;
use crate::error::{Error, Result};

/// The right to remove files of a table, of which there is one in this server.
pub struct RewritingTurn {
    table: Arc<Table>,
    _turn: OwnedMutexGuard<()>,
}

/// Files to take away and files to put in their place, in one commit.
#[derive(Debug, Clone)]
pub struct Rewrite {
    pub removes: Vec<RemovedFile>,
    pub adds: Vec<AddedFile>,
    /// Makes the commit repeatable, as with `Commit`.
    pub transaction: Option<AppTransaction>,
    pub operation: Operation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewritten {
    /// As this version.
    At(i64),
    /// It was in the log before: this application's transaction of this or a later version. Nothing was written.
    Already,
    /// Somebody else has removed one of the files, or changed rows that this may depend on. Nothing was written: plan again.
    Overtaken,
}

/// A file of a snapshot that shall be active no more.
#[derive(Debug, Clone, PartialEq)]
pub struct RemovedFile(Remove);

/// One data file of a snapshot.
#[derive(Debug, Clone)]
pub struct DataFile {
    /// Of this file alone.
    chunk: Chunk,
}

impl Table {
    /// Waits for the right to remove files.
    pub async fn rewriting_turn(self: &Arc<Self>) -> RewritingTurn {
        RewritingTurn { table: self.clone(), _turn: self.rewriting.clone().lock_owned().await }
    }

    /// Deletes files that were never committed and never will be. What cannot be deleted stays as an orphan.
    pub async fn discard(&self, files: &[AddedFile]) {
        for file in files {
            let Ok(below) = data_path(file.path()) else { continue };
            let path = super::location::joined(&self.path, &below);
            if let Err(error) = self.place.store().delete(&path).await {
                tracing::debug!(%error, %path, "a file that was given up could not be deleted");
            }
        }
    }
}

impl RewritingTurn {
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Commits what was prepared from the snapshot `base`. May be repeated after a failure if it has a transaction.
    ///
    /// Errors: as of `Table::commit`, and by name where the table forbids that rows are removed.
    pub async fn commit(&self, base: &Snapshot, rewrite: Rewrite) -> Result<Rewritten> {
        let _writing = self.table.writing_turn().await;
        if rewrite.transaction.is_none() {
            check_young(&rewrite.adds, self.table.place.clock().now())?;
        }
        let keys = rewrite.removes.iter().map(|file| file.0.key()).collect::<Result<FileKeys>>()?;
        let advanced = self.table.advance(rewrite.operation.clone(), |now: &Arc<Snapshot>| {
            if rewrite.transaction.as_ref().is_some_and(|wanted| now.transaction(&wanted.app_id) >= Some(wanted.version)) {
                return Ok(Advance::Nothing);
            }
            match still_holds(base, now, &keys)? {
                true => Ok(Advance::Write(self.actions(&rewrite))),
                false => Ok(Advance::GiveUp),
            }
        });
        match advanced.await? {
            Advanced::To(version) => Ok(Rewritten::At(version)),
            Advanced::Nothing => Ok(Rewritten::Already),
            Advanced::GivenUp => Ok(Rewritten::Overtaken),
        }
    }

    fn actions(&self, rewrite: &Rewrite) -> Vec<Action> {
        let now = self.table.now_millis();
        let transaction = rewrite.transaction.as_ref().map(|transaction| self.table.txn_action(transaction));
        let removes = rewrite.removes.iter().map(|file| Action::remove(Remove { deletion_timestamp: Some(now), ..file.0.clone() }));
        let adds = rewrite.adds.iter().map(|file| Action::add(file.0.clone()));
        transaction.into_iter().chain(removes).chain(adds).collect()
    }
}

/// Whether what was planned on `base` can be done to `now`.
fn still_holds(base: &Snapshot, now: &Snapshot, removed: &FileKeys) -> Result<bool> {
    if now.version().is_none() {
        return Err(gone());
    }
    now.check_rewritable()?;
    Ok(changed_column(base.schema(), now.schema()).is_none()
        && base.partition_columns() == now.partition_columns()
        && !now.was_rewritten_after(base.version())
        && now.files().count(removed) == removed.len())
}

impl Snapshot {
    /// All its files.
    pub fn data_files(&self) -> impl Iterator<Item = DataFile> + '_ {
        self.files().chunks().iter().flat_map(|chunk| (0..chunk.len()).map(|file| DataFile::new(chunk, file)))
    }
}

impl DataFile {
    pub(super) fn new(chunk: &Chunk, file: usize) -> DataFile {
        DataFile { chunk: chunk.slice(file, 1) }
    }

    pub(super) fn chunk(&self) -> &Chunk {
        &self.chunk
    }

    /// Rows in the file, if the log says it.
    pub fn rows(&self) -> Option<u64> {
        self.chunk.rows().filter(|rows| rows.is_valid(0)).map(|rows| rows.value(0) as u64)
    }

    /// For `Rewrite::removes`. `snapshot` is the one that the file is of.
    ///
    /// Errors: `Unsupported` if the file has a deletion vector.
    pub fn removed(&self, snapshot: &Snapshot) -> Result<RemovedFile> {
        if self.chunk.key(0).vector.is_some() {
            return Err(Error::unsupported("cannot change rows of a file that has a deletion vector")
                .with_hint("another engine made it so: let that engine compact the table (REORG TABLE … APPLY (PURGE)) first"));
        }
        let partition_values = snapshot.partition_columns().iter().map(|name| {
            let field = snapshot.schema().field_with_name(name)?;
            Ok((name.clone(), self.partition_value(field)?))
        });
        Ok(RemovedFile(Remove {
            path: self.chunk.spelled_path(0).to_string(),
            deletion_timestamp: None,
            data_change: true,
            extended_file_metadata: Some(true),
            partition_values: Some(partition_values.collect::<Result<BTreeMap<_, _>>>()?),
            size: Some(self.chunk.size(0)),
            deletion_vector: None,
        }))
    }

    fn partition_value(&self, field: &Field) -> Result<Option<String>> {
        match self.chunk.column(Kind::Partition, field) {
            Some(values) if values.is_valid(0) => Ok(Some(partition_text(&values)?)),
            _ => Ok(None),
        }
    }
}

/// The first value as the log spells partition values.
fn partition_text(values: &ArrayRef) -> Result<String> {
    if let DataType::Timestamp(TimeUnit::Microsecond, _) = values.data_type() {
        let moment = values.as_primitive::<TimestampMicrosecondType>().value_as_datetime(0);
        return match moment {
            Some(moment) => Ok(moment.format("%Y-%m-%d %H:%M:%S%.6f").to_string()),
            None => Err(Error::data("a partition value is beyond all dates")),
        };
    }
    Ok(cast(values, &DataType::Utf8)?.as_string::<i32>().value(0).to_string())
}
