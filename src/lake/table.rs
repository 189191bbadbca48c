//! One Delta table: make it, give it columns. All who use a table share one handle, so that its log is followed once (`following`).

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use object_store::path::Path;
use parking_lot::RwLock;
use tokio::sync::{Mutex, MutexGuard, watch};

use super::commit::{Advance, Operation};
use super::head::Head;
use super::knowledge::Knowledge;
use super::log::Log;
use super::log::action::{Action, Format, Metadata};
use super::place::Place;
use super::schema::{same_type, to_delta};
use crate::error::{Error, Result, SqlState};
use crate::model::id::unique_token;

#[derive(Debug)]
pub struct Table {
    pub(super) place: Place,
    location: String,
    pub(super) path: Path,
    pub(super) log: Log,
    pub(super) knowledge: Knowledge,
    /// Held by the one task that follows the log for all who want its newest head. They wait for nobody who reads the list of files.
    pub(super) looking: Mutex<()>,
    /// The same for those who want the files too. Nobody who only reads waits for a writer.
    pub(super) reading: Mutex<()>,
    /// Held by the one task that writes: our own writers need not race each other to the store.
    writing: Mutex<()>,
    /// Held by the one task that removes files, from reading to committing. Those who only append do not wait for it.
    pub(super) rewriting: Arc<Mutex<()>>,
    /// The newest checkpoint that was seen in the log.
    checkpoint: RwLock<Option<i64>>,
}

impl Table {
    pub(super) fn new(place: Place, location: String, path: Path) -> Table {
        let log = Log::new(place.store().clone(), &path);
        let turn = || Mutex::new(());
        Table {
            place,
            location,
            path,
            log,
            knowledge: Knowledge::none(),
            looking: turn(),
            reading: turn(),
            writing: turn(),
            rewriting: Arc::new(turn()),
            checkpoint: RwLock::new(None),
        }
    }

    /// The location it was opened by, relative to the lake's root.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Sees each version that becomes known, or the last of several: commits made through this handle at once, others when the log is read.
    pub fn versions(&self) -> watch::Receiver<Option<i64>> {
        self.knowledge.versions()
    }

    /// The version of the newest checkpoint, as far as this handle has seen. No I/O.
    pub fn last_checkpoint(&self) -> Option<i64> {
        *self.checkpoint.read()
    }

    pub(super) fn checkpoint_seen(&self, version: Option<i64>) {
        let mut newest = self.checkpoint.write();
        *newest = version.max(*newest);
    }

    /// Makes the table, as version 0.
    ///
    /// Errors: `Duplicate` if it exists, `Invalid` if a partition column is not among the columns.
    pub async fn create(&self, schema: SchemaRef, partition_by: &[String], name: &str) -> Result<Arc<Head>> {
        let _turn = self.writing.lock().await;
        // All of the log is looked at, whatever is known of it.
        self.follow::<Arc<Head>>().await?;
        let metadata = new_metadata(&schema, partition_by, name, self.now_millis())?;
        self.advance(Operation::CreateTable, |head: &Arc<Head>| match head.version() {
            Some(_) => Err(self.exists_already()),
            None => Ok(Advance::Write(creation(head, &schema, metadata.clone()))),
        })
        .await?;
        self.must_know()
    }

    /// Gives the table these columns, and makes it with `partition_by` if it does not exist. Columns that it has already are left as they
    /// are; new ones are nullable. May be repeated, and called by several at once: they converge.
    ///
    /// Errors: `Invalid` if a column exists with another type, `Unsupported` if another engine's table forbids it.
    pub async fn evolve(&self, wanted: &[Field], partition_by: &[String]) -> Result<Arc<Head>> {
        let _turn = self.writing.lock().await;
        let current: Arc<Head> = self.follow().await?;
        if missing_columns(&current, wanted)?.is_empty() {
            return Ok(current);
        }
        let name = self.path.filename().unwrap_or_default();
        let operation = if current.version().is_some() { Operation::AddColumns } else { Operation::CreateTable };
        self.advance(operation, |head: &Arc<Head>| {
            let missing = missing_columns(head, wanted)?;
            match head.metadata() {
                _ if missing.is_empty() && head.version().is_some() => Ok(Advance::Nothing),
                None => {
                    let schema = Schema::new(wanted.to_vec());
                    let metadata = new_metadata(&schema, partition_by, name, self.now_millis())?;
                    Ok(Advance::Write(creation(head, &schema, metadata)))
                }
                Some(metadata) => widened(head, metadata, missing).map(Advance::Write),
            }
        })
        .await?;
        self.must_know()
    }

    pub(super) async fn writing_turn(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    pub(super) fn now_millis(&self) -> i64 {
        self.place.clock().now().timestamp_millis()
    }

    pub(super) fn location_url(&self) -> String {
        self.place.url_of(&self.location)
    }

    fn must_know(&self) -> Result<Arc<Head>> {
        self.head().ok_or_else(|| Error::internal("a table was changed without being read"))
    }

    fn exists_already(&self) -> Error {
        Error::duplicate("a table exists at this location already")
            .with_state(SqlState::DUPLICATE_TABLE)
            .with_detail(format!("the location is {}", self.place.url_of(&self.location)))
            .with_hint("give another location, or take the table as it is: CREATE TABLE … () WITH (location = '…')")
    }
}

fn new_metadata(schema: &Schema, partition_by: &[String], name: &str, now_millis: i64) -> Result<Metadata> {
    for column in partition_by {
        let field = schema.field_with_name(column).map_err(|_| {
            Error::invalid(format!("partition column \"{column}\" is not a column of the table")).with_state(SqlState::UNDEFINED_COLUMN)
        })?;
        if field.data_type().is_nested() || field.data_type().is_binary() {
            return Err(Error::unsupported(format!("cannot partition by column \"{column}\" of type {}", field.data_type()))
                .with_hint("partition by a date, a text or a number"));
        }
    }
    Ok(Metadata {
        id: unique_uuid(),
        name: Some(name.to_string()),
        description: None,
        format: Format { provider: "parquet".into(), options: Default::default() },
        schema_string: to_delta(schema)?,
        partition_columns: partition_by.to_vec(),
        configuration: Default::default(),
        created_time: Some(now_millis),
    })
}

/// A token in the form that the protocol asks of a table's id.
fn unique_uuid() -> String {
    let token = unique_token();
    format!("{}-{}-{}-{}-{}", &token[..8], &token[8..12], &token[12..16], &token[16..20], &token[20..])
}

fn creation(absent: &Head, schema: &Schema, metadata: Metadata) -> Vec<Action> {
    vec![Action::protocol(absent.protocol().raised_for(schema)), Action::metadata(metadata)]
}

/// The columns that are wanted and not there, nullable unless the table is yet to be made.
fn missing_columns(head: &Head, wanted: &[Field]) -> Result<Vec<Field>> {
    let mut missing: Vec<Field> = Vec::new();
    for field in wanted {
        let known = head.schema().fields().iter().map(|known| known.as_ref()).chain(&missing);
        match known.into_iter().find(|known| known.name().to_lowercase() == field.name().to_lowercase()) {
            None => missing.push(field.clone().with_nullable(true)),
            Some(known) if known.name() == field.name() && same_type(known, field) => {}
            Some(known) => return Err(conflicting(known, field)),
        }
    }
    Ok(missing)
}

fn conflicting(known: &Field, wanted: &Field) -> Error {
    use crate::model::SqlType;
    Error::invalid(format!("column \"{}\" of the table is not what is to be written", known.name()))
        .with_state(SqlState::DATATYPE_MISMATCH)
        .with_detail(format!(
            "the table has \"{}\" {}, to be written is \"{}\" {}",
            known.name(),
            SqlType::from_field(known),
            wanted.name(),
            SqlType::from_field(wanted)
        ))
        .with_hint("cast it, or give it another name")
}

fn widened(head: &Head, metadata: &Metadata, missing: Vec<Field>) -> Result<Vec<Action>> {
    head.check_appendable()?;
    let fields = head.schema().fields().iter().cloned().chain(missing.into_iter().map(Arc::new));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let mut actions = Vec::new();
    let protocol = head.protocol().raised_for(&schema);
    if protocol != *head.protocol() {
        actions.push(Action::protocol(protocol));
    }
    actions.push(Action::metadata(Metadata { schema_string: to_delta(&schema)?, ..metadata.clone() }));
    Ok(actions)
}
