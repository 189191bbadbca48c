//! What the log of a table says up to a version, beside the files: all that it takes to append. Its size does not depend on their number.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use chrono::{DateTime, Utc};

use super::file_list::{FileList, Shape};
use super::log::CommitFile;
use super::log::action::{Action, Metadata, Protocol};
use super::log::checkpoint::TableActions;
use super::schema;
use super::snapshot::files_after;
use crate::error::{Error, Result, SqlState};

/// A head never changes; the next version has its own.
#[derive(Debug, Clone)]
pub struct Head {
    version: Option<i64>,
    protocol: Arc<Protocol>,
    metadata: Option<Arc<Metadata>>,
    shape: Arc<Shape>,
    transactions: Arc<BTreeMap<String, i64>>,
    last_commit_millis: Option<i64>,
    /// The last commit that did more to the rows than add some blindly. Where the log before a checkpoint is not known: the checkpoint.
    last_rewrite: Option<i64>,
}

impl Head {
    /// Of a table that does not exist yet.
    pub(super) fn absent() -> Head {
        Head {
            version: None,
            protocol: Arc::new(Protocol::lowest()),
            metadata: None,
            shape: Arc::new(Shape::new(Arc::new(Schema::empty()), Vec::new())),
            transactions: Arc::default(),
            last_commit_millis: None,
            last_rewrite: None,
        }
    }

    /// As a checkpoint has it, which is of at least one object.
    pub(super) fn of_checkpoint(version: i64, objects: &[TableActions]) -> Result<Head> {
        let mut head = Head::absent();
        for object in objects {
            object.guarded(|actions| head.take_table_actions(actions))?;
        }
        objects.first().expect("a checkpoint has an object").guarded(|_| head.come_to(version))?;
        head.last_rewrite = Some(version);
        Ok(head)
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
        &self.shape.table
    }

    pub fn partition_columns(&self) -> &[String] {
        &self.shape.partition_columns
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

    /// The columns that are known of its files.
    pub(super) fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    pub(super) fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_deref()
    }

    pub(super) fn protocol(&self) -> &Protocol {
        &self.protocol
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

    /// The head after one more commit, for whoever does not know the files. What the commit says of them is looked at and forgotten: one that
    /// is broken stops everybody alike, whatever they know.
    pub(super) fn after(&self, commit: &CommitFile) -> Result<Head> {
        let head = self.beside_files(commit)?;
        files_after(&FileList::empty(head.shape.clone()), &head, commit)?;
        Ok(head)
    }

    /// The head after one more commit, for whoever takes in the files themselves.
    pub(super) fn beside_files(&self, commit: &CommitFile) -> Result<Head> {
        let mut next = self.clone();
        next.take_table_actions(&commit.actions)?;
        next.come_to(commit.version)?;
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
                self.shape = Arc::new(Shape::new(table, metadata.partition_columns.clone()));
                self.metadata = Some(Arc::new(metadata.clone()));
            }
            if let Some(txn) = &action.txn {
                Arc::make_mut(&mut self.transactions).insert(txn.app_id.clone(), txn.version);
            }
        }
        Ok(())
    }
}

fn broken(what: &str, detail: String) -> Error {
    Error::data(what).with_state(SqlState::DATA_CORRUPTED).with_detail(detail)
}
