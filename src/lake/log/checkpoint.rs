//! Reading checkpoints: classic, in parts, and v2 with sidecars.
//!
//! A row of a checkpoint is an action, so rows are turned into the JSON lines of a commit and read as those: one reader for both.

use arrow::json::LineDelimitedWriter;
use bytes::Bytes;
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::action::Action;
use super::listing::Checkpoint;
use super::{Log, parse_lines, unreadable};
use crate::error::{Error, Result, SqlState};

const ROWS_PER_BATCH: usize = 8192;

/// All but the files: small, and needed before the files can be understood.
const TABLE_COLUMNS: [&str; 4] = ["protocol", "metaData", "txn", "sidecar"];
const FILE_COLUMNS: [&str; 7] =
    ["add.path", "add.partitionValues", "add.size", "add.modificationTime", "add.dataChange", "add.stats", "add.deletionVector"];
/// The statistics as a struct; read only where they are not there as text.
const STATS_STRUCT: &str = "add.stats_parsed";

/// The objects of a checkpoint, fetched.
pub struct CheckpointFiles {
    files: Vec<(Path, Bytes)>,
}

/// Which actions to read.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Table,
    Files,
}

impl Log {
    pub async fn fetch(&self, checkpoint: &Checkpoint) -> Result<CheckpointFiles> {
        let mut fetched = CheckpointFiles { files: Vec::new() };
        for path in &checkpoint.files {
            fetched.files.push((path.clone(), self.must_get(path).await?));
        }
        for sidecar in fetched.table_actions()?.into_iter().filter_map(|action| action.sidecar) {
            let path = self.folder.clone().join("_sidecars").join(sidecar.path.rsplit('/').next().unwrap_or_default());
            let body = self.must_get(&path).await?;
            fetched.files.push((path, body));
        }
        Ok(fetched)
    }

    async fn must_get(&self, path: &Path) -> Result<Bytes> {
        self.get(path).await?.ok_or_else(|| {
            Error::data("a checkpoint of the table is incomplete")
                .with_state(SqlState::DATA_CORRUPTED)
                .with_detail(format!("{path} does not exist"))
        })
    }
}

impl CheckpointFiles {
    /// Protocol, metadata, transactions, sidecars.
    pub fn table_actions(&self) -> Result<Vec<Action>> {
        let mut all = Vec::new();
        self.for_each_batch(Part::Table, |mut actions| {
            all.append(&mut actions);
            Ok(())
        })?;
        Ok(all)
    }

    /// Calls `visit` with the `add` actions, some thousands at a time.
    pub fn for_each_files(&self, visit: impl FnMut(Vec<Action>) -> Result<()>) -> Result<()> {
        self.for_each_batch(Part::Files, visit)
    }

    fn for_each_batch(&self, part: Part, mut visit: impl FnMut(Vec<Action>) -> Result<()>) -> Result<()> {
        for (path, body) in &self.files {
            match path.extension() {
                Some("json") => {
                    let mut actions = parse_lines(body)?;
                    actions.retain(|action| action.add.is_some() == (part == Part::Files));
                    visit(actions)?;
                }
                _ => read_parquet(body, part, &mut visit)?,
            }
        }
        Ok(())
    }
}

fn read_parquet(body: &Bytes, part: Part, visit: &mut impl FnMut(Vec<Action>) -> Result<()>) -> Result<()> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(body.clone()).map_err(unreadable)?;
    let schema = builder.parquet_schema();
    let has_stats_text = schema.columns().iter().any(|column| column.path().string() == "add.stats");
    let mask = match part {
        Part::Table => ProjectionMask::columns(schema, TABLE_COLUMNS),
        Part::Files if has_stats_text => ProjectionMask::columns(schema, FILE_COLUMNS),
        Part::Files => ProjectionMask::columns(schema, FILE_COLUMNS.into_iter().chain([STATS_STRUCT])),
    };
    let reader = builder.with_projection(mask).with_batch_size(ROWS_PER_BATCH).build().map_err(unreadable)?;
    for batch in reader {
        let mut lines = LineDelimitedWriter::new(Vec::new());
        lines.write(&batch?)?;
        lines.finish()?;
        visit(parse_lines(&lines.into_inner())?)?;
    }
    Ok(())
}
