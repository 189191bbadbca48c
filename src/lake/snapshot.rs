//! A table as one version of its log has it, with its files. A snapshot never changes; the next version's shares almost all of it.

use std::ops::Deref;
use std::sync::Arc;

use super::file_keys::{FileKey, FileKeys};
use super::file_list::{FileList, Totals};
use super::head::Head;
use super::log::CommitFile;
use super::log::action::{Add, DeletionVector, Remove, data_path};
use super::log::checkpoint::CheckpointFiles;
use crate::error::Result;

/// Its head, and what that does not know.
#[derive(Debug, Clone)]
pub struct Snapshot {
    head: Arc<Head>,
    files: FileList,
}

impl Deref for Snapshot {
    type Target = Head;

    fn deref(&self) -> &Head {
        &self.head
    }
}

impl Snapshot {
    /// Of a table that does not exist yet.
    pub(super) fn absent(head: Arc<Head>) -> Snapshot {
        Snapshot { files: FileList::empty(head.shape().clone()), head }
    }

    /// As a checkpoint has it.
    pub(super) fn of_checkpoint(version: i64, checkpoint: CheckpointFiles) -> Result<Snapshot> {
        let head = Arc::new(Head::of_checkpoint(version, &checkpoint.table_actions)?);
        let partition_columns = head.partition_columns().to_vec();
        let mut files = FileList::empty(head.shape().clone());
        // One by one, so that what was read is not held beside what was made of it.
        for body in checkpoint.bodies {
            body.guarded(|| body.for_each_files(&partition_columns, |columns| files.append_columns(columns)))?;
        }
        Ok(Snapshot { head, files })
    }

    /// The same version with a head that was followed further, and so knows what a checkpoint does not tell.
    pub(super) fn with_head(self, head: Arc<Head>) -> Snapshot {
        Snapshot { head, ..self }
    }

    /// The snapshot without its files.
    pub fn head(&self) -> &Arc<Head> {
        &self.head
    }

    /// How many files, bytes and rows there are.
    pub fn totals(&self) -> Totals {
        self.files.totals()
    }

    pub(super) fn files(&self) -> &FileList {
        &self.files
    }

    /// Whether the files are simply to be read: no column mapping, no deletion vector, nothing we do not know.
    pub(super) fn reads_plainly(&self) -> bool {
        self.maps_plainly() && self.totals().files_with_deletion_vector == 0
    }

    /// The snapshot after one more commit.
    pub(super) fn after(&self, commit: &CommitFile) -> Result<Snapshot> {
        let head = self.head.beside_files(commit)?;
        let files = files_after(&self.files, &head, commit)?;
        Ok(Snapshot { head: Arc::new(head), files })
    }
}

/// The files after one more commit, whose head this is.
pub(super) fn files_after(files: &FileList, head: &Head, commit: &CommitFile) -> Result<FileList> {
    let mut next = files.reshaped(head.shape().clone());
    next.remove(&superseded(commit)?)?;
    next.append(&commit.added()?)?;
    Ok(next)
}

/// The files that are in the list no more, or not as they were.
fn superseded(commit: &CommitFile) -> Result<FileKeys> {
    // Data files that we wrote have names that were never used before, so that they cannot stand in the list already.
    let adds_may_repeat = commit.commit_id().is_none();
    let removed = commit.actions.iter().filter_map(|action| action.remove.as_ref()).map(Remove::key);
    let repeated = commit.actions.iter().filter_map(|action| action.add.as_ref()).filter(|_| adds_may_repeat).map(Add::key);
    removed.chain(repeated).collect()
}

impl Add {
    pub(super) fn key(&self) -> Result<FileKey> {
        key(&self.path, self.deletion_vector.as_ref())
    }
}

impl Remove {
    pub(super) fn key(&self) -> Result<FileKey> {
        key(&self.path, self.deletion_vector.as_ref())
    }
}

fn key(path: &str, vector: Option<&DeletionVector>) -> Result<FileKey> {
    Ok(FileKey { path: data_path(path)?.into(), vector: vector.map(DeletionVector::unique_id).transpose()? })
}
