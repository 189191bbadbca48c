//! Reading checkpoints: classic, in parts, and v2 with sidecars.
//!
//! A row of a checkpoint is an action. Those that are about the table are few and become the JSON lines of a commit, so that one reader
//! understands both. Those that are about files may be millions and stay in columns.

use std::collections::HashSet;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StructArray};
use arrow::compute::{filter, filter_record_batch, is_not_null, or};
use arrow::json::LineDelimitedWriter;
use bytes::Bytes;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::action::{Action, Sidecar};
use super::blame::guarded;
use super::listing::Checkpoint;
use super::{Log, lines, parse_line, parse_lines, unreadable};
use crate::error::{Error, Result, SqlState};
use crate::lake::file_columns::FileColumns;

const ROWS_PER_BATCH: usize = 8192;

/// All but the files: small, and needed before the files can be understood.
const TABLE_COLUMNS: [&str; 4] = ["protocol", "metaData", "txn", "sidecar"];
const FILE_COLUMNS: [&str; 6] = ["add.path", "add.partitionValues", "add.size", "add.modificationTime", "add.stats", "add.deletionVector"];
/// The statistics as a struct; read only where they are not there as text.
const STATS_STRUCT: &str = "add.stats_parsed";

/// The objects of a checkpoint, fetched.
pub struct CheckpointFiles {
    /// Those of the first body, and so on, at least one. Sidecars, which come last, have none.
    pub table_actions: Vec<TableActions>,
    pub bodies: Vec<CheckpointBody>,
}

/// What an object of a checkpoint says beside the files: protocol, metadata, transactions, sidecars.
pub struct TableActions {
    path: Path,
    actions: Vec<Action>,
}

/// One object of a checkpoint. Where it is broken, there are errors that do not say where, and panics of libraries: read it within `guarded`.
pub struct CheckpointBody {
    path: Path,
    body: Bytes,
}

impl Log {
    /// All of a checkpoint.
    pub async fn fetch(&self, checkpoint: &Checkpoint) -> Result<CheckpointFiles> {
        let (mut table_actions, mut bodies) = (Vec::new(), Vec::new());
        for path in &checkpoint.files {
            let (body, actions) = self.must_fetch(path.clone()).await?.with_table_actions().await?;
            bodies.push(body);
            table_actions.push(actions);
        }
        for path in self.sidecars(table_actions.iter().flat_map(|object| &object.actions)) {
            bodies.push(self.must_fetch(path).await?);
        }
        Ok(CheckpointFiles { table_actions, bodies })
    }

    /// What a checkpoint says beside the files. One object after the other is held, and what it says of files is not decoded.
    pub async fn fetch_table_actions(&self, checkpoint: &Checkpoint) -> Result<Vec<TableActions>> {
        let mut table_actions = Vec::new();
        for path in &checkpoint.files {
            let (_, actions) = self.must_fetch(path.clone()).await?.with_table_actions().await?;
            table_actions.push(actions);
        }
        Ok(table_actions)
    }

    /// The sidecars that an object of a checkpoint names, each once. A sidecar has none of its own, whatever it says.
    pub(super) fn sidecars<'a>(&self, actions: impl IntoIterator<Item = &'a Action>) -> Vec<Path> {
        let mut seen = HashSet::new();
        let named = actions.into_iter().filter_map(|action| action.sidecar.as_ref());
        named.map(|sidecar| self.sidecar_path(sidecar)).filter(|path| seen.insert(path.clone())).collect()
    }

    fn sidecar_path(&self, sidecar: &Sidecar) -> Path {
        self.folder.clone().join("_sidecars").join(sidecar.path.rsplit('/').next().unwrap_or_default())
    }

    pub(super) async fn must_fetch(&self, path: Path) -> Result<CheckpointBody> {
        match self.get(&path).await? {
            Some(body) => Ok(CheckpointBody { path, body }),
            None => Err(Error::data("a checkpoint of the table is incomplete")
                .with_state(SqlState::DATA_CORRUPTED)
                .with_detail(format!("{path} does not exist"))),
        }
    }
}

/// Lets a thread do it that nobody waits for.
pub async fn read_aside<T: Send + 'static>(read: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(read).await?
}

impl TableActions {
    /// Does something with them. What goes wrong is told with the object's name.
    pub fn guarded<T>(&self, read: impl FnOnce(&[Action]) -> Result<T>) -> Result<T> {
        guarded(&self.path, || read(&self.actions))
    }
}

impl CheckpointBody {
    async fn with_table_actions(self) -> Result<(CheckpointBody, TableActions)> {
        read_aside(move || {
            let actions = self.guarded(|| self.table_actions())?;
            let actions = TableActions { path: self.path.clone(), actions };
            Ok((self, actions))
        })
        .await
    }

    /// Does something with what it holds. What goes wrong is told with its name.
    pub fn guarded<T>(&self, read: impl FnOnce() -> Result<T>) -> Result<T> {
        guarded(&self.path, read)
    }

    /// What it says beside the files that the table has.
    pub fn table_actions(&self) -> Result<Vec<Action>> {
        if self.is_json() {
            let actions = lines(&self.body).map(parse_line);
            return actions.filter(|action| !action.as_ref().is_ok_and(|action| action.add.is_some())).collect();
        }
        let mut actions = Vec::new();
        for batch in self.batches(|_| Some(TABLE_COLUMNS.to_vec()))? {
            let mut lines = LineDelimitedWriter::new(Vec::new());
            lines.write(&without_empty_rows(&batch?)?)?;
            lines.finish()?;
            actions.append(&mut parse_lines(&lines.into_inner())?);
        }
        Ok(actions)
    }

    /// Calls `visit` with the files, some thousands at a time.
    pub fn for_each_files(&self, partition_columns: &[String], mut visit: impl FnMut(&FileColumns) -> Result<()>) -> Result<()> {
        if self.is_json() {
            let actions = parse_lines(&self.body)?;
            let adds: Vec<_> = actions.iter().filter_map(|action| action.add.as_ref()).collect();
            return visit(&FileColumns::of_adds(&adds, partition_columns)?);
        }
        for batch in self.batches(|has_stats_text| match has_stats_text {
            true => Some(FILE_COLUMNS.to_vec()),
            false => Some(FILE_COLUMNS.into_iter().chain([STATS_STRUCT]).collect()),
        })? {
            let batch = batch?;
            let Some(add) = batch.column_by_name("add").and_then(|add| add.as_struct_opt()) else { continue };
            visit(&FileColumns::of_checkpoint(&valid_rows(add)?, partition_columns)?)?;
        }
        Ok(())
    }

    /// The actions as they stand, of a Parquet object. `columns` says which are read, given whether statistics are there as text.
    pub fn batches(&self, columns: impl FnOnce(bool) -> Option<Vec<&'static str>>) -> Result<ParquetRecordBatchReader> {
        // Whatever wrote it may have kept a schema of its own beside: plain types will do.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(self.body.clone(), options).map_err(unreadable)?;
        let schema = builder.parquet_schema();
        let has_stats_text = schema.columns().iter().any(|column| column.path().string() == "add.stats");
        let mask = match columns(has_stats_text) {
            Some(names) => ProjectionMask::columns(schema, names),
            None => ProjectionMask::all(),
        };
        builder.with_projection(mask).with_batch_size(ROWS_PER_BATCH).build().map_err(unreadable)
    }

    pub fn is_json(&self) -> bool {
        self.path.extension() == Some("json")
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.body
    }
}

/// Nearly all rows are files, and null in all other columns.
fn without_empty_rows(batch: &RecordBatch) -> Result<RecordBatch> {
    let mut any = BooleanArray::from(vec![false; batch.num_rows()]);
    for column in batch.columns() {
        any = or(&any, &is_not_null(column)?)?;
    }
    Ok(filter_record_batch(batch, &any)?)
}

/// The rows in which there is this action.
fn valid_rows(action: &StructArray) -> Result<StructArray> {
    match action.null_count() {
        0 => Ok(action.clone()),
        _ => Ok(filter(action, &is_not_null(action)?)?.as_struct().clone()),
    }
}
