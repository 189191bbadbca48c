//! The table a job writes: its files of the open epoch, and its schema as the job last saw it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::assign::{Assignment, Into};
use crate::error::{Error, Kind, Result, SqlState};
use crate::fault::{self, crash_point};
use crate::lake::{AddedFile, Head, Table, TableWriter};
use crate::model::{Name, SchemaMode};

/// So often a table's columns may change under a job that is about to add some.
const EVOLUTIONS_MAX: u32 = 8;

/// An epoch is committed early when its target gets so many files.
const FILES_MAX: usize = 10_000;

/// What is known of the table from its definition.
#[derive(Clone)]
pub struct TargetSpec {
    pub name: Name,
    pub table: Arc<Table>,
    pub location: String,
    pub partition_by: Vec<String>,
    pub mode: SchemaMode,
    pub target_file_bytes: u64,
    /// The column list of `INSERT INTO t (…)`.
    pub columns: Option<Vec<String>>,
}

impl TargetSpec {
    /// The names that the columns of a result get in the table.
    pub fn names(&self, result: &SchemaRef) -> Result<Vec<String>> {
        let Some(columns) = &self.columns else {
            return Ok(result.fields().iter().map(|field| field.name().clone()).collect());
        };
        match columns.len() == result.fields().len() {
            true => Ok(columns.clone()),
            false => {
                let what = if columns.len() < result.fields().len() {
                    "expressions than target columns"
                } else {
                    "target columns than expressions"
                };
                Err(Error::syntax(format!("INSERT has more {what}")))
            }
        }
    }

    /// Checks that a result with these columns can go into the table, and how.
    pub fn assign(&self, result: &SchemaRef, table: &SchemaRef) -> Result<Assignment> {
        let names = self.names(result)?;
        let assignment = Assignment::new(result, &names, &Into { relation: self.name.as_str(), schema: table, mode: self.mode })?;
        let missing = self.partition_by.iter().find(|column| assignment.schema.field_with_name(column).is_err());
        match missing {
            None => Ok(assignment),
            Some(column) => Err(Error::undefined(format!("partition column \"{column}\" is not among the columns of the query"))
                .with_state(SqlState::UNDEFINED_COLUMN)
                .with_hint(format!("select it, for example: event_time::date AS {column}"))),
        }
    }
}

/// Writes batches into files that no log names yet.
pub struct Target {
    spec: TargetSpec,
    head: Arc<Head>,
    assignment: Option<(SchemaRef, Assignment)>,
    writer: Option<TableWriter>,
    sealed: Vec<AddedFile>,
}

impl Target {
    pub async fn open(spec: TargetSpec) -> Result<Target> {
        let head = spec.table.refresh_head().await?;
        Ok(Target { spec, head, assignment: None, writer: None, sealed: vec![] })
    }

    /// Adds rows to the open epoch. If they have columns that the table lacks, the table gets these first, in a commit of its own: a column
    /// without rows harms nobody, and what is later published only adds files, so it cannot conflict.
    pub async fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        self.prepare(rows.schema()).await?;
        let (_, assignment) = self.assignment.as_ref().expect("prepared just above");
        let rows = assignment.apply(rows)?;
        if self.writer.is_none() {
            self.writer = Some(self.spec.table.writer(&self.head, self.spec.target_file_bytes)?);
        }
        self.writer.as_mut().expect("made just above").write(rows).await
    }

    /// Makes the table ready for a result with these columns.
    pub async fn prepare(&mut self, result: SchemaRef) -> Result<()> {
        match self.assignment.as_ref().is_none_or(|(schema, _)| *schema != result) {
            true => self.assign(result).await,
            false => Ok(()),
        }
    }

    async fn assign(&mut self, result: SchemaRef) -> Result<()> {
        self.close_writer().await?;
        for _ in 0..EVOLUTIONS_MAX {
            self.head = self.spec.table.refresh_head().await?;
            let assignment = self.spec.assign(&result, self.head.schema())?;
            if assignment.new_columns.is_empty() {
                self.assignment = Some((result, assignment));
                return Ok(());
            }
            match self.spec.table.evolve(&assignment.new_columns, &self.spec.partition_by).await {
                Ok(_) => crash_point(fault::TABLE_EVOLVED),
                // Another job was first with a column of this name and another type: this one's values go to a sibling.
                Err(error) if error.kind() == Kind::Invalid => tracing::debug!(?error, "the table has changed meanwhile"),
                Err(error) => return Err(error),
            }
        }
        Err(Error::unavailable(format!("the columns of table \"{}\" change faster than they can be followed", self.spec.name)))
    }

    /// Whether the epoch has enough files. One that names very many would be large in memory, and so would the log.
    pub fn is_full(&self) -> bool {
        self.sealed.len() + self.writer.as_ref().map_or(0, TableWriter::file_count) >= FILES_MAX
    }

    async fn close_writer(&mut self) -> Result<()> {
        if let Some(writer) = self.writer.take() {
            self.sealed.extend(writer.close().await?);
        }
        Ok(())
    }

    /// Gives up the files of the epoch. Nothing has named them, and nothing will.
    pub async fn discard(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.abort().await;
        }
        self.spec.table.discard(&std::mem::take(&mut self.sealed)).await;
    }

    /// Finishes the files of the epoch. They are the caller's from here on.
    pub async fn seal(&mut self) -> Result<Vec<AddedFile>> {
        self.close_writer().await?;
        Ok(std::mem::take(&mut self.sealed))
    }
}
