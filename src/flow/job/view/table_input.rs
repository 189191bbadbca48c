//! A table that a view reads: its changes, version by version. The position is the last version that is in.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use chrono::TimeDelta;
use datafusion::execution::SessionState;
use tokio::sync::watch;

use super::Taken;
use crate::error::{Error, Result, SqlState};
use crate::lake::{ChangeFeed, Snapshot, Table};
use crate::model::{Changes, Name};

/// How old what is known of a table may be. Commits made through this server are known at once.
const POLL_INTERVAL: TimeDelta = TimeDelta::milliseconds(400);

pub struct TableInput {
    pub name: Name,
    table: Arc<Table>,
    schema: SchemaRef,
    state: SessionState,
    position: Option<i64>,
    /// What is being read, and up to which version.
    open: Option<(ChangeFeed, i64)>,
    mark: Option<i64>,
    pub versions: watch::Receiver<Option<i64>>,
}

impl TableInput {
    /// Goes on after version `position`; `None` is before the first.
    pub fn new(name: Name, table: Arc<Table>, schema: SchemaRef, state: SessionState, position: Option<i64>) -> TableInput {
        let versions = table.versions();
        TableInput { name, table, schema, state, position, open: None, mark: None, versions }
    }

    pub fn position(&self) -> Option<i64> {
        self.position
    }

    /// Looks whether others have committed to the table.
    pub async fn poll(&mut self) -> Result<()> {
        self.table.refresh_within(POLL_INTERVAL).await?;
        Ok(())
    }

    /// Asks to be told when all that the table holds now is in.
    pub async fn mark(&mut self) -> Result<()> {
        self.mark = self.table.refresh().await?.version();
        Ok(())
    }

    pub fn has_passed_mark(&self) -> bool {
        self.position >= self.mark
    }

    /// Whole versions, until there are `rows_max` rows or no more versions. Errors of kind `State`: the view must begin anew.
    pub async fn take(&mut self, rows_max: usize) -> Result<Taken> {
        let mut taken = Taken::default();
        let mut rows = 0;
        if self.open.is_none() {
            let newest = self.table.snapshot().filter(|newest| newest.version() > self.position);
            let Some(newest) = newest else { return Ok(taken) };
            let end = newest.version().unwrap_or_default();
            self.open = Some((self.table.changes(self.position, newest, self.state.clone()), end));
        }
        let Some((feed, end)) = &mut self.open else { return Ok(taken) };
        taken.has_advanced = true;
        while let Some(part) = feed.next().await? {
            rows += part.changes.len();
            if !part.changes.is_empty() {
                taken.changes.push(fit(&self.name, part.changes, &self.schema)?);
            }
            if part.is_last {
                self.position = Some(part.version);
                if rows >= rows_max {
                    taken.has_more = true;
                    return Ok(taken);
                }
            }
        }
        self.position = Some(*end);
        self.open = None;
        Ok(taken)
    }
}

/// The columns of these names as the table has them.
pub fn schema_of(name: &Name, columns: &[String], snapshot: &Snapshot) -> Result<SchemaRef> {
    let field = |column: &String| match snapshot.schema().field_with_name(column) {
        Ok(field) => Ok(Arc::new(field.clone().with_nullable(true))),
        Err(_) => Err(changed(name, format!("column \"{column}\" is gone"))),
    };
    Ok(Arc::new(Schema::new(columns.iter().map(field).collect::<Result<Vec<_>>>()?)))
}

fn fit(name: &Name, changes: Changes, schema: &SchemaRef) -> Result<Changes> {
    let rows = changes.rows();
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        match rows.column_by_name(field.name()) {
            Some(column) if column.data_type() == field.data_type() => columns.push(column.clone()),
            Some(_) => return Err(changed(name, format!("column \"{}\" has another type", field.name()))),
            None => return Err(changed(name, format!("column \"{}\" is gone", field.name()))),
        }
    }
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(changes.with_rows(arrow::array::RecordBatch::try_new_with_options(schema.clone(), columns, &options)?))
}

fn changed(name: &Name, detail: String) -> Error {
    Error::invalid(format!("table \"{name}\" is not what the view was made over"))
        .with_state(SqlState::DATATYPE_MISMATCH)
        .with_detail(detail)
        .with_hint("drop the view and make it anew")
}
