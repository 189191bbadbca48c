//! A table as one version of its log has it. A snapshot never changes; the next version's shares almost all of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use chrono::{DateTime, Utc};

use super::file_keys::{FileKey, FileKeys};
use super::file_list::{FileList, Shape, Totals};
use super::log::CommitFile;
use super::log::action::{Action, Add, DeletionVector, Metadata, Protocol, Remove, data_path};
use super::log::checkpoint::CheckpointFiles;
use super::schema;
use crate::error::{Error, Result, SqlState};

#[derive(Debug, Clone)]
pub struct Snapshot {
    version: Option<i64>,
    protocol: Arc<Protocol>,
    metadata: Option<Arc<Metadata>>,
    files: FileList,
    transactions: Arc<BTreeMap<String, i64>>,
    last_commit_millis: Option<i64>,
    /// The last commit that did more to the rows than add some blindly. Where the log before a checkpoint is not known: the checkpoint.
    last_rewrite: Option<i64>,
}

impl Snapshot {
    /// Of a table that does not exist yet.
    pub fn absent() -> Snapshot {
        Snapshot {
            version: None,
            protocol: Arc::new(Protocol::lowest()),
            metadata: None,
            files: FileList::empty(Arc::new(Shape::new(Arc::new(Schema::empty()), Vec::new()))),
            transactions: Arc::default(),
            last_commit_millis: None,
            last_rewrite: None,
        }
    }

    /// As a checkpoint has it.
    pub(super) fn of_checkpoint(version: i64, checkpoint: CheckpointFiles) -> Result<Snapshot> {
        let mut snapshot = Snapshot::absent();
        for (body, actions) in checkpoint.bodies.iter().zip(&checkpoint.table_actions) {
            body.guarded(|| snapshot.take_table_actions(actions))?;
        }
        let first = checkpoint.bodies.first().expect("a checkpoint has an object");
        first.guarded(|| snapshot.come_to(version))?;
        let partition_columns = snapshot.partition_columns().to_vec();
        // One by one, so that what was read is not held beside what was made of it.
        for body in checkpoint.bodies {
            body.guarded(|| body.for_each_files(&partition_columns, |files| snapshot.files.append_columns(files)))?;
        }
        snapshot.last_rewrite = Some(version);
        Ok(snapshot)
    }

    /// `None`: the table does not exist.
    pub fn version(&self) -> Option<i64> {
        self.version
    }

    /// What tells the table from another one that is made at the same place later.
    pub fn table_id(&self) -> Option<&str> {
        self.metadata.as_ref().map(|metadata| metadata.id.as_str())
    }

    /// The columns in their declared order, partition columns among them.
    pub fn schema(&self) -> &SchemaRef {
        &self.files.shape().table
    }

    pub fn partition_columns(&self) -> &[String] {
        &self.files.shape().partition_columns
    }

    /// How many files, bytes and rows there are.
    pub fn totals(&self) -> Totals {
        self.files.totals()
    }

    /// The last version that an application has committed to this table.
    pub fn transaction(&self, app_id: &str) -> Option<i64> {
        self.transactions.get(app_id).copied()
    }

    /// When the last commit was made, by its writer's clock. Not known if the log was read from a checkpoint only.
    pub fn last_commit(&self) -> Option<DateTime<Utc>> {
        self.last_commit_millis.and_then(DateTime::from_timestamp_millis)
    }

    /// Whether rows were removed, or added by somebody who had looked at those that are there, after a version.
    pub(super) fn was_rewritten_after(&self, version: Option<i64>) -> bool {
        self.last_rewrite > version
    }

    /// There always is one: see `come_to`.
    pub(super) fn next_version(&self) -> i64 {
        self.version.map_or(0, |version| version + 1)
    }

    pub(super) fn files(&self) -> &FileList {
        &self.files
    }

    pub(super) fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_deref()
    }

    pub(super) fn protocol(&self) -> &Protocol {
        &self.protocol
    }

    /// Whether the files are simply to be read: no column mapping, no deletion vector, nothing we do not know.
    pub(super) fn reads_plainly(&self) -> bool {
        self.maps_plainly() && self.totals().files_with_deletion_vector == 0
    }

    /// Whether files without deletion vectors are simply to be read.
    pub(super) fn maps_plainly(&self) -> bool {
        self.metadata.as_ref().is_none_or(|metadata| self.protocol.reads_plainly(metadata))
    }

    /// Fails by name if we cannot append to this table.
    pub(super) fn check_appendable(&self) -> Result<()> {
        match &self.metadata {
            Some(metadata) => self.protocol.check_appendable(metadata, self.schema()),
            None => Ok(()),
        }
    }

    /// Fails by name if we cannot take rows out of this table.
    pub(super) fn check_rewritable(&self) -> Result<()> {
        self.check_appendable()?;
        match &self.metadata {
            Some(metadata) => metadata.check_removable(),
            None => Ok(()),
        }
    }

    /// The snapshot after one more commit.
    pub(super) fn after(&self, commit: &CommitFile) -> Result<Snapshot> {
        let mut next = self.clone();
        // Data files that we wrote have names that were never used before, so that they cannot stand in the list already.
        let adds_may_repeat = commit.commit_id().is_none();
        next.take_table_actions(&commit.actions)?;
        next.come_to(commit.version)?;
        next.take_removes(&commit.actions, adds_may_repeat)?;
        next.files.append(&commit.added()?)?;
        if commit.changes_rows() && !commit.is_blind_append() {
            next.last_rewrite = Some(commit.version);
        }
        next.last_commit_millis = commit.timestamp();
        Ok(next)
    }

    /// Makes it one of this version, which has said all that it says of the table.
    ///
    /// Errors: `Data` if nobody knows what the table is, or there could be no version after it.
    fn come_to(&mut self, version: i64) -> Result<()> {
        if self.metadata.is_none() {
            return Err(broken("the table's log does not say what the table is", format!("version {version} has no metadata")));
        }
        if version == i64::MAX {
            return Err(broken("the table's log has come to its end", format!("there can be no version after {version}")));
        }
        self.version = Some(version);
        Ok(())
    }

    fn take_table_actions(&mut self, actions: &[Action]) -> Result<()> {
        for action in actions {
            if let Some(protocol) = &action.protocol {
                self.protocol = Arc::new(protocol.clone());
            }
            if let Some(metadata) = &action.meta_data {
                let table = schema::from_delta(&metadata.schema_string)?;
                self.files = self.files.reshaped(Arc::new(Shape::new(table, metadata.partition_columns.clone())));
                self.metadata = Some(Arc::new(metadata.clone()));
            }
            if let Some(txn) = &action.txn {
                Arc::make_mut(&mut self.transactions).insert(txn.app_id.clone(), txn.version);
            }
        }
        Ok(())
    }

    fn take_removes(&mut self, actions: &[Action], adds_may_repeat: bool) -> Result<()> {
        let removed = actions.iter().filter_map(|action| action.remove.as_ref()).map(Remove::key);
        let repeated = actions.iter().filter_map(|action| action.add.as_ref()).filter(|_| adds_may_repeat).map(Add::key);
        self.files.remove(&removed.chain(repeated).collect::<Result<FileKeys>>()?)
    }
}

fn broken(what: &str, detail: String) -> Error {
    Error::data(what).with_state(SqlState::DATA_CORRUPTED).with_detail(detail)
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
