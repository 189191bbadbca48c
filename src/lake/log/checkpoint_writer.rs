//! Writing checkpoints: one Parquet file that sums up all commits before it.
//!
//! It is made of the checkpoint before it and the lines of the commits since, not of a snapshot: a snapshot does not know the tombstones, tags
//! and settings of other engines that a checkpoint must keep. Rows of the checkpoint before are copied in batches, without those that were
//! superseded, so that memory holds the objects of one checkpoint as they are stored, a batch, and what was committed since.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StructArray, new_null_array};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Fields, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use bytes::Bytes;
use object_store::ObjectStoreExt;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::Log;
use super::checkpoint::CheckpointBody;
use super::checkpoint_schema::{self, ADD, METADATA, PROTOCOL, REMOVE};
use super::listing::{Checkpoint, LastCheckpoint};
use super::tail::{LogTail, Part};
use super::upload::Upload;
use crate::error::{Error, Result};
use crate::lake::file_columns::stats_texts;

const ROWS_PER_BATCH: usize = 8192;
const ROWS_PER_GROUP: usize = 64 * 1024;

impl Log {
    /// Writes the checkpoint of a version. `tail` has all that was committed after the checkpoint before, up to that version.
    ///
    /// May be repeated, also by several at once: whoever is first has written it, and the others' are the same.
    ///
    /// Errors: `State` if the table was removed meanwhile; then it stays so.
    pub async fn write_checkpoint(&self, version: i64, before: Option<&Checkpoint>, mut tail: LogTail) -> Result<LastCheckpoint> {
        let path = self.folder.clone().join(format!("{version:020}.checkpoint.parquet"));
        let mut upload = Upload::new(self.store.clone(), path.clone());
        let mut encoder = None;
        let summed_up = match self.sum_up(before, &mut tail, &mut encoder, &mut upload).await {
            Ok(counts) => counts,
            Err(error) => {
                upload.abort().await;
                return Err(error);
            }
        };
        let bytes = upload.complete().await?;
        if !self.exists(version).await? {
            // A checkpoint alone would bring back a table that somebody has just purged.
            self.store.delete(&path).await?;
            return Err(Error::state("the table was removed while its log was summed up"));
        }
        let written = LastCheckpoint {
            version,
            size: summed_up.actions as i64,
            size_in_bytes: Some(bytes as i64),
            num_of_add_files: Some(summed_up.files as i64),
        };
        self.point_to(&written).await?;
        Ok(written)
    }

    async fn sum_up(
        &self,
        before: Option<&Checkpoint>,
        tail: &mut LogTail,
        encoder: &mut Option<Encoder>,
        upload: &mut Upload,
    ) -> Result<Counts> {
        let objects = before.map(|before| before.files.as_slice()).unwrap_or_default();
        for path in objects {
            let body = self.must_fetch(path.clone()).await?;
            let sidecars = self.sidecars(&body.guarded(|| body.table_actions())?);
            take_in(&body, Part::Whole, tail, encoder, upload).await?;
            for sidecar in sidecars {
                take_in(&self.must_fetch(sidecar).await?, Part::Files, tail, encoder, upload).await?;
            }
        }
        let encoder = match encoder {
            Some(encoder) => encoder,
            None => encoder.insert(Encoder::new(checkpoint_schema::known())?),
        };
        for lines in tail.lines().chunks(ROWS_PER_BATCH) {
            let batch = conform(&decode(lines, &checkpoint_schema::known())?, &encoder.schema)?;
            encoder.write(&batch, upload).await?;
        }
        encoder.finish(upload).await
    }
}

/// Takes in an object of an earlier checkpoint.
async fn take_in(body: &CheckpointBody, part: Part, tail: &mut LogTail, encoder: &mut Option<Encoder>, upload: &mut Upload) -> Result<()> {
    match body.is_json() {
        true => body.guarded(|| tail.add_earlier(body.bytes(), part)),
        false => copy(body, part, tail, encoder, upload).await,
    }
}

/// Copies what still stands of an earlier checkpoint.
async fn copy(body: &CheckpointBody, part: Part, tail: &LogTail, encoder: &mut Option<Encoder>, upload: &mut Upload) -> Result<()> {
    let mut batches = body.guarded(|| body.batches(|_| None))?;
    while let Some(batch) = body.guarded(|| batches.next().transpose()?.map(|batch| part_of(batch, part)).transpose())? {
        let encoder = match encoder {
            Some(encoder) => encoder,
            None => encoder.insert(Encoder::new(checkpoint_schema::with_unknown(&batch.schema()))?),
        };
        let left = body.guarded(|| conform(&filter_record_batch(&batch, &tail.leaves(&batch)?)?, &encoder.schema))?;
        encoder.write(&left, upload).await?;
        // Other tasks of this thread shall not wait for all of it.
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn part_of(actions: RecordBatch, part: Part) -> Result<RecordBatch> {
    if part == Part::Whole {
        return Ok(actions);
    }
    let files: Vec<usize> = [ADD, REMOVE].iter().filter_map(|name| actions.schema().index_of(name).ok()).collect();
    let files = actions.project(&files)?;
    let is_file = |row: usize| files.columns().iter().any(|column| column.is_valid(row));
    let is_file = BooleanArray::from_iter((0..files.num_rows()).map(|row| Some(is_file(row))));
    Ok(filter_record_batch(&files, &is_file)?)
}

/// Encodes actions and hands on what is finished.
struct Encoder {
    writer: ArrowWriter<Vec<u8>>,
    schema: SchemaRef,
    counts: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    actions: u64,
    files: u64,
    protocols: u64,
    metadata: u64,
}

impl Encoder {
    fn new(schema: SchemaRef) -> Result<Encoder> {
        let properties =
            WriterProperties::builder().set_compression(Compression::SNAPPY).set_max_row_group_row_count(Some(ROWS_PER_GROUP)).build();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options).map_err(not_encoded)?;
        Ok(Encoder { writer, schema, counts: Counts::default() })
    }

    /// Actions in the columns of the checkpoint.
    async fn write(&mut self, actions: &RecordBatch, upload: &mut Upload) -> Result<()> {
        self.counts.add(actions);
        let groups = self.writer.flushed_row_groups().len();
        self.writer.write(actions).map_err(not_encoded)?;
        match self.writer.flushed_row_groups().len() > groups {
            true => self.hand_on(upload).await,
            false => Ok(()),
        }
    }

    async fn finish(&mut self, upload: &mut Upload) -> Result<Counts> {
        // Readers would take anything else for another table, or for none.
        if (self.counts.protocols, self.counts.metadata) != (1, 1) {
            return Err(Error::data("the table's log does not say what the table is")
                .with_detail(format!("it comes to {} protocols and {} sets of metadata", self.counts.protocols, self.counts.metadata)));
        }
        self.writer.finish().map_err(not_encoded)?;
        self.hand_on(upload).await?;
        Ok(self.counts)
    }

    async fn hand_on(&mut self, upload: &mut Upload) -> Result<()> {
        let bytes = std::mem::take(self.writer.inner_mut());
        upload.push(&bytes).await
    }
}

impl Counts {
    fn add(&mut self, actions: &RecordBatch) {
        let count = |name: &str| actions.column_by_name(name).map_or(0, |column| column.len() - column.null_count()) as u64;
        self.actions += actions.num_rows() as u64;
        self.files += count(ADD);
        self.protocols += count(PROTOCOL);
        self.metadata += count(METADATA);
    }
}

fn decode(lines: &[Bytes], schema: &SchemaRef) -> Result<RecordBatch> {
    let mut decoder = ReaderBuilder::new(schema.clone()).with_batch_size(lines.len()).with_coerce_primitive(true).build_decoder()?;
    for line in lines {
        decoder.decode(line)?;
        decoder.decode(b"\n")?;
    }
    let batch = decoder.flush()?.filter(|batch| batch.num_rows() == lines.len());
    batch.ok_or_else(|| Error::data("an action of the table's log is not one JSON object"))
}

/// Actions in the columns of the checkpoint that is written.
fn conform(actions: &RecordBatch, schema: &Schema) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| match (actions.column_by_name(field.name()), field.data_type()) {
        (None, data_type) => Ok(new_null_array(data_type, actions.num_rows())),
        (Some(column), DataType::Struct(fields)) if field.name() == ADD => conform_add(column, fields),
        (Some(column), data_type) => conform_column(column, data_type),
    });
    Ok(RecordBatch::try_new(schema.clone().into(), columns.collect::<Result<_>>()?)?)
}

/// Statistics that stood there as a struct alone become a text: a struct would have to follow the table's columns.
fn conform_add(column: &ArrayRef, fields: &Fields) -> Result<ArrayRef> {
    let conformed = conform_column(column, &DataType::Struct(fields.clone()))?;
    let Some(add) = column.as_struct_opt().filter(|add| add.column_by_name("stats_parsed").is_some()) else { return Ok(conformed) };
    let (fields, mut columns, nulls) = conformed.as_struct().clone().into_parts();
    if let Some((index, _)) = fields.find("stats") {
        columns[index] = std::sync::Arc::new(stats_texts(add)?);
    }
    Ok(std::sync::Arc::new(StructArray::try_new(fields, columns, nulls)?))
}

fn conform_column(column: &ArrayRef, wanted: &DataType) -> Result<ArrayRef> {
    let (Some(given), DataType::Struct(fields)) = (column.as_struct_opt(), wanted) else {
        return match column.data_type() == wanted {
            true => Ok(column.clone()),
            false => Ok(cast(column, wanted)?),
        };
    };
    let columns = fields.iter().map(|field| match given.column_by_name(field.name()) {
        Some(column) => conform_column(column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), given.len())),
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok(std::sync::Arc::new(StructArray::try_new(fields.clone(), columns, given.nulls().cloned())?))
}

fn not_encoded(error: parquet::errors::ParquetError) -> Error {
    Error::internal("a checkpoint could not be encoded").with_cause(error)
}
