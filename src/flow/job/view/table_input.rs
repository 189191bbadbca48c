//! A table that a view reads: its changes, version by version. The position is the last version that is in.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use chrono::TimeDelta;
use datafusion::execution::SessionState;
use tokio::sync::watch;

use super::Taken;
use crate::error::{Error, Kind, Result, SqlState};
use crate::lake::{ChangeFeed, ChangePart, Head, Table};
use crate::model::{Changes, Name};

/// How old what is known of a table may be. Commits made through this server are known at once.
const POLL_INTERVAL: TimeDelta = TimeDelta::milliseconds(400);
/// With more versions than these to come a tick takes several, up to the next multiple: there all views of the table stop.
const STOP_EVERY: i64 = 16;

pub struct TableInput {
    pub name: Name,
    table: Arc<Table>,
    schema: SchemaRef,
    state: SessionState,
    position: Option<i64>,
    /// Which table it is a position in.
    id: Option<String>,
    open: Option<Open>,
    /// The version that is being gone to.
    goal: Option<i64>,
    mark: Option<i64>,
    /// When it was last looked what others have committed, and the newest such moment at which all of it was in.
    looked_micros: Option<i64>,
    complete_micros: Option<i64>,
    pub versions: watch::Receiver<Option<i64>>,
}

/// What is being read.
struct Open {
    feed: ChangeFeed,
    /// The last version that it has.
    end: i64,
    /// A part that was read and lies behind the goal.
    next: Option<ChangePart>,
}

impl TableInput {
    /// From the first version on.
    pub fn new(name: Name, table: Arc<Table>, schema: SchemaRef, state: SessionState) -> TableInput {
        let versions = table.versions();
        TableInput {
            name,
            table,
            schema,
            state,
            position: None,
            id: None,
            open: None,
            goal: None,
            mark: None,
            looked_micros: None,
            complete_micros: None,
            versions,
        }
    }

    /// Goes on after version `position`, of the table that has this id, if it is known.
    pub fn after(self, position: Option<i64>, id: Option<String>) -> TableInput {
        TableInput { position, id, ..self }
    }

    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub fn position(&self) -> Option<i64> {
        self.position
    }

    /// Looks whether others have committed to the table.
    pub async fn poll(&mut self, now_micros: i64) -> Result<()> {
        self.table.refresh_head_within(POLL_INTERVAL).await?;
        // Somebody else may have looked shortly before.
        self.looked_micros = Some(now_micros - POLL_INTERVAL.num_microseconds().unwrap_or_default());
        Ok(())
    }

    /// Before which moment everything that was committed to the table is in.
    pub fn complete_micros(&mut self) -> Option<i64> {
        if self.position >= self.newest() {
            self.complete_micros = self.looked_micros;
        }
        self.complete_micros
    }

    /// Asks to be told when all that the table holds now is in.
    pub async fn mark(&mut self) -> Result<()> {
        self.mark = self.table.refresh_head().await?.version();
        Ok(())
    }

    pub fn has_passed_mark(&self) -> bool {
        self.position >= self.mark
    }

    /// The newest version that is known.
    pub fn newest(&self) -> Option<i64> {
        self.table.head()?.version()
    }

    /// Where to go next, if nothing else is wanted: one version at a time, so that others who read the table stop there too.
    pub fn next_stop(&self) -> Option<i64> {
        let newest = self.newest()?;
        match self.position {
            None => Some(newest),
            Some(position) if newest - position <= STOP_EVERY => Some(newest.min(position + 1)),
            Some(position) => Some((position / STOP_EVERY + 1) * STOP_EVERY),
        }
    }

    /// Sets out for a version. False: it is there.
    pub fn aim(&mut self, version: i64) -> bool {
        self.goal = Some(version).filter(|version| self.position.is_none_or(|position| position < *version));
        self.goal.is_some()
    }

    pub fn is_there(&self) -> bool {
        self.goal.is_none()
    }

    /// A part of the way, unless the goal is reached. Errors of kind `State`: the view must begin anew.
    pub async fn take(&mut self, taken: &mut Taken) -> Result<()> {
        self.check_table()?;
        let Some(goal) = self.goal else { return Ok(()) };
        while taken.has_room() {
            let open = match &mut self.open {
                Some(open) => open,
                None => {
                    self.open = Some(self.begin(goal).await?);
                    continue;
                }
            };
            let part = match open.next.take() {
                Some(part) => Some(part),
                None => open.feed.next().await.map_err(|error| to_begin_anew(error, &self.name, self.position))?,
            };
            match part {
                Some(part) if part.version > goal => {
                    open.next = Some(part);
                    self.arrive(goal);
                    return Ok(());
                }
                Some(part) => {
                    if !part.changes.is_empty() {
                        taken.add(fit(&self.name, part.changes, &self.schema)?);
                    }
                    if part.is_last && part.version == goal {
                        self.arrive(goal);
                        return Ok(());
                    }
                }
                None => {
                    let end = open.end;
                    self.open = None;
                    self.position = Some(end);
                    if end >= goal {
                        self.arrive(goal);
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// Another writer may have removed the table and made another.
    fn check_table(&self) -> Result<()> {
        let Some(newest) = self.table.head() else { return Ok(()) };
        let is_another = self.id.is_some() && newest.table_id() != self.id();
        match is_another || newest.version() < self.position {
            true => Err(Error::state(format!("table \"{}\" is another one than was read up to now", self.name))),
            false => Ok(()),
        }
    }

    fn arrive(&mut self, at: i64) {
        self.position = Some(at);
        self.goal = None;
    }

    /// From nothing all rows come as one version, which is to be the goal; else versions follow each other, and are read on from.
    async fn begin(&mut self, goal: i64) -> Result<Open> {
        let known = self.table.head().filter(|known| known.version() >= Some(goal));
        let newest = match known {
            Some(known) => known,
            None => self.table.refresh_head().await?,
        };
        let (to, feed) = match self.position {
            None => {
                let whole = self.table.snapshot_at(goal).await?;
                (whole.head().clone(), self.table.changes(None, whole, self.state.clone()))
            }
            Some(position) => (newest.clone(), self.table.changes_after(position, newest, self.state.clone())),
        };
        let end = to.version().filter(|end| *end >= goal);
        let end = end.ok_or_else(|| Error::state(format!("version {goal} of table \"{}\" is not there any more", self.name)))?;
        self.id = to.table_id().map(str::to_string);
        Ok(Open { feed, end, next: None })
    }
}

/// What has no changes that could be followed can be read as it is.
fn to_begin_anew(error: Error, table: &Name, position: Option<i64>) -> Error {
    match error.kind() == Kind::Unsupported && position.is_some() {
        true => Error::state(format!("the changes of table \"{table}\" cannot be followed")).with_cause(error),
        false => error,
    }
}

/// The columns of these names as the table has them.
pub fn schema_of(name: &Name, columns: &[String], head: &Head) -> Result<SchemaRef> {
    let field = |column: &String| match head.schema().field_with_name(column) {
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
