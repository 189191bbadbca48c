//! One Delta table: follow its log, make it, give it columns. All who use a table share one handle, so that its log is followed once.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::commit::{Advance, Operation};
use super::log::action::{Action, Format, Metadata};
use super::log::listing::Listing;
use super::log::{CommitFile, Log};
use super::root::Lake;
use super::schema::{same_type, to_delta};
use super::snapshot::Snapshot;
use crate::error::{Error, Result, SqlState};
use crate::model::id::unique_token;

/// How long nobody may have looked at the log before we ask whether what we know of it still stands.
const TRUST_SECONDS: i64 = 600;
/// How many commits are fetched at once when a log is read from its beginning.
pub(super) const COMMITS_IN_FLIGHT: usize = 16;

#[derive(Debug)]
pub struct Table {
    pub(super) lake: Lake,
    location: String,
    pub(super) path: Path,
    pub(super) log: Log,
    known: RwLock<Option<Known>>,
    /// Held by the one task that reads on for all who want the newest snapshot. Nobody who only reads waits for a writer.
    reading: tokio::sync::Mutex<()>,
    /// Held by the one task that writes: our own writers need not race each other to the store.
    writing: tokio::sync::Mutex<()>,
    /// Held by the one task that removes files, from reading to committing. Those who only append do not wait for it.
    pub(super) rewriting: Arc<tokio::sync::Mutex<()>>,
    /// The newest version that is known, for those who follow the table.
    versions: watch::Sender<Option<i64>>,
    /// The newest checkpoint that was seen in the log.
    checkpoint: RwLock<Option<i64>>,
}

#[derive(Debug, Clone)]
struct Known {
    snapshot: Arc<Snapshot>,
    /// When the log was last seen to end there.
    seen: DateTime<Utc>,
}

impl Table {
    pub(super) fn new(lake: Lake, location: String, path: Path) -> Table {
        let log = Log::new(lake.store().clone(), &path);
        let turn = || tokio::sync::Mutex::new(());
        Table {
            lake,
            location,
            path,
            log,
            known: RwLock::new(None),
            reading: turn(),
            writing: turn(),
            rewriting: Arc::new(turn()),
            versions: watch::Sender::new(None),
            checkpoint: RwLock::new(None),
        }
    }

    /// The location it was opened by, relative to the lake's root.
    pub fn location(&self) -> &str {
        &self.location
    }

    /// The last snapshot known. No I/O.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.known.read().as_ref().map(|known| known.snapshot.clone())
    }

    /// The newest snapshot. One small request when nothing is new; the first call reads the whole log. A table that does not exist has a
    /// snapshot without version and columns.
    pub async fn refresh(&self) -> Result<Arc<Snapshot>> {
        let _turn = self.reading.lock().await;
        self.follow().await
    }

    /// A snapshot that was the newest at most so long ago. Those who look often share a request.
    pub async fn refresh_within(&self, age: TimeDelta) -> Result<Arc<Snapshot>> {
        let _turn = self.reading.lock().await;
        let known = self.known.read().clone();
        match known.filter(|known| self.lake.clock().now() - known.seen < age) {
            Some(known) => Ok(known.snapshot),
            None => self.follow().await,
        }
    }

    /// Sees each version that becomes known, or the last of several: commits made through this handle at once, others when the log is read.
    pub fn versions(&self) -> watch::Receiver<Option<i64>> {
        self.versions.subscribe()
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
    pub async fn create(&self, schema: SchemaRef, partition_by: &[String], name: &str) -> Result<Arc<Snapshot>> {
        let _turn = self.writing.lock().await;
        // All of the log is looked at, whatever is known of it.
        self.follow().await?;
        let metadata = new_metadata(&schema, partition_by, name, self.now_millis())?;
        self.advance(Operation::CreateTable, |snapshot| match snapshot.version() {
            Some(_) => Err(self.exists_already()),
            None => Ok(Advance::Write(creation(snapshot, &schema, metadata.clone()))),
        })
        .await?;
        self.must_know()
    }

    /// Gives the table these columns, and makes it with `partition_by` if it does not exist. Columns that it has already are left as they
    /// are; new ones are nullable. May be repeated, and called by several at once: they converge.
    ///
    /// Errors: `Invalid` if a column exists with another type, `Unsupported` if another engine's table forbids it.
    pub async fn evolve(&self, wanted: &[Field], partition_by: &[String]) -> Result<Arc<Snapshot>> {
        let _turn = self.writing.lock().await;
        let current = self.follow().await?;
        if missing_columns(&current, wanted)?.is_empty() {
            return Ok(current);
        }
        let name = self.path.filename().unwrap_or_default();
        let operation = if current.version().is_some() { Operation::AddColumns } else { Operation::CreateTable };
        self.advance(operation, |snapshot| {
            let missing = missing_columns(snapshot, wanted)?;
            match snapshot.metadata() {
                _ if missing.is_empty() && snapshot.version().is_some() => Ok(Advance::Nothing),
                None => {
                    let schema = Schema::new(wanted.to_vec());
                    let metadata = new_metadata(&schema, partition_by, name, self.now_millis())?;
                    Ok(Advance::Write(creation(snapshot, &schema, metadata)))
                }
                Some(metadata) => widened(snapshot, metadata, missing).map(Advance::Write),
            }
        })
        .await?;
        self.must_know()
    }

    /// Brings what is known up to the end of the log.
    pub(super) async fn follow(&self) -> Result<Arc<Snapshot>> {
        let known = self.known.read().clone();
        let Some(known) = known else { return self.load().await };
        if self.is_stale(&known) && !self.still_stands(&known.snapshot).await? {
            *self.known.write() = None;
            return self.load().await;
        }
        let mut snapshot = known.snapshot;
        while let Some(commit) = self.log.read(snapshot.next_version()).await? {
            snapshot = Arc::new(self.with_commit(&snapshot, &commit)?);
            self.learn(snapshot.clone());
        }
        self.learn(snapshot.clone());
        Ok(snapshot)
    }

    /// What is known if it is fresh enough to write after it: a conditional write finds out whether it still is the end. Only a log that
    /// was cleaned up while we slept would have room where there must be none.
    pub(super) async fn end_to_write_after(&self) -> Result<Arc<Snapshot>> {
        let known = self.known.read().clone();
        match known {
            Some(known) if !self.is_stale(&known) && known.snapshot.version().is_some() => Ok(known.snapshot),
            _ => self.follow().await,
        }
    }

    /// Never goes back: a reader may come later than a writer who knows more.
    pub(super) fn learn(&self, snapshot: Arc<Snapshot>) {
        let mut known = self.known.write();
        if known.as_ref().is_none_or(|known| known.snapshot.version() <= snapshot.version()) {
            let version = snapshot.version();
            *known = Some(Known { snapshot, seen: self.lake.clock().now() });
            self.versions.send_if_modified(|newest| std::mem::replace(newest, version) != version);
        }
    }

    pub(super) async fn writing_turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.writing.lock().await
    }

    pub(super) fn now_millis(&self) -> i64 {
        self.lake.clock().now().timestamp_millis()
    }

    /// The snapshot of a version that was committed. Reads the log from the checkpoint before it, unless it is the newest that we know.
    ///
    /// Errors: `State` if the log does not reach back to it any more, or not up to it yet.
    pub async fn snapshot_at(&self, version: i64) -> Result<Arc<Snapshot>> {
        match self.snapshot().filter(|known| known.version() == Some(version)) {
            Some(known) => Ok(known),
            None => {
                let snapshot = self.read_listed(self.log.list_up_to(version).await?).await?;
                match snapshot.version() == Some(version) {
                    true => Ok(Arc::new(snapshot)),
                    false => Err(self.log_is_gone(version)),
                }
            }
        }
    }

    pub(super) fn log_is_gone(&self, version: i64) -> Error {
        Error::state(format!("version {version} of the table is not in its log"))
            .with_detail(format!(
                "the log of {} begins later: what was before a checkpoint is cleaned up after a while",
                self.location_url()
            ))
            .with_hint("begin anew with the table as it is now")
    }

    pub(super) fn location_url(&self) -> String {
        self.lake.url_of(&self.location)
    }

    /// Reads the log from its newest checkpoint on.
    async fn load(&self) -> Result<Arc<Snapshot>> {
        let listing = self.log.list().await?;
        self.checkpoint_seen(listing.checkpoint.as_ref().map(|checkpoint| checkpoint.version));
        let snapshot = Arc::new(self.read_listed(listing).await?);
        self.learn(snapshot.clone());
        Ok(snapshot)
    }

    async fn read_listed(&self, listing: Listing) -> Result<Snapshot> {
        let Listing { checkpoint, commits, .. } = listing;
        let mut snapshot = match checkpoint {
            Some(checkpoint) => {
                let files = self.log.fetch(&checkpoint).await?;
                tokio::task::spawn_blocking(move || Snapshot::of_checkpoint(checkpoint.version, files)).await??
            }
            None => Snapshot::absent(),
        };
        let mut bodies = futures::stream::iter(commits).map(|version| self.log.read(version)).buffered(COMMITS_IN_FLIGHT);
        while let Some(commit) = bodies.try_next().await? {
            match commit {
                Some(commit) if commit.version == snapshot.next_version() => snapshot = self.with_commit(&snapshot, &commit)?,
                _ => return Err(self.has_gap(snapshot.next_version())),
            }
        }
        Ok(snapshot)
    }

    /// The snapshot after one more commit. What is wrong with that is told with its name.
    pub(super) fn with_commit(&self, snapshot: &Snapshot, commit: &CommitFile) -> Result<Snapshot> {
        self.log.within(commit.version, || snapshot.after(commit))
    }

    fn is_stale(&self, known: &Known) -> bool {
        self.lake.clock().now() - known.seen > TimeDelta::seconds(TRUST_SECONDS)
    }

    /// Logs are cleaned from their old end: as long as the commit we know is there, so are all that followed it.
    async fn still_stands(&self, snapshot: &Snapshot) -> Result<bool> {
        match snapshot.version() {
            Some(version) => self.log.exists(version).await,
            None => Ok(false),
        }
    }

    fn must_know(&self) -> Result<Arc<Snapshot>> {
        self.snapshot().ok_or_else(|| Error::internal("a table was changed without being read"))
    }

    fn exists_already(&self) -> Error {
        Error::duplicate("a table exists at this location already")
            .with_state(SqlState::DUPLICATE_TABLE)
            .with_detail(format!("the location is {}", self.lake.url_of(&self.location)))
            .with_hint("give another location, or take the table as it is: CREATE TABLE … () WITH (location = '…')")
    }

    pub(super) fn has_gap(&self, version: i64) -> Error {
        Error::data("the table's log has a gap")
            .with_state(SqlState::DATA_CORRUPTED)
            .with_detail(format!("version {version} of {} is missing", self.lake.url_of(&self.location)))
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

fn creation(absent: &Snapshot, schema: &Schema, metadata: Metadata) -> Vec<Action> {
    vec![Action::protocol(absent.protocol().raised_for(schema)), Action::metadata(metadata)]
}

/// The columns that are wanted and not there, nullable unless the table is yet to be made.
fn missing_columns(snapshot: &Snapshot, wanted: &[Field]) -> Result<Vec<Field>> {
    let mut missing: Vec<Field> = Vec::new();
    for field in wanted {
        let known = snapshot.schema().fields().iter().map(|known| known.as_ref()).chain(&missing);
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

fn widened(snapshot: &Snapshot, metadata: &Metadata, missing: Vec<Field>) -> Result<Vec<Action>> {
    snapshot.check_appendable()?;
    let fields = snapshot.schema().fields().iter().cloned().chain(missing.into_iter().map(Arc::new));
    let schema = Schema::new(fields.collect::<Vec<_>>());
    let mut actions = Vec::new();
    let protocol = snapshot.protocol().raised_for(&schema);
    if protocol != *snapshot.protocol() {
        actions.push(Action::protocol(protocol));
    }
    actions.push(Action::metadata(Metadata { schema_string: to_delta(&schema)?, ..metadata.clone() }));
    Ok(actions)
}
