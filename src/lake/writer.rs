//! Writing data files: Snappy Parquet with statistics, one or more files per partition value. Nothing is in the table until the files are committed.

use std::num::NonZeroU64;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow::datatypes::{DataType, Field, SchemaRef};
use deltalake::datafile::writer::WriterConfig;
use object_store::prefix::PrefixStore;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::commit::AddedFile;
use super::head::Head;
use super::log::action::Add;
use super::noting_store::NotingStore;
use super::open_files::{OpenFiles, bytes_of};
use super::schema::same_type;
use super::table::Table;
use crate::error::{Error, Result, SqlState};
use crate::model::SqlType;
use crate::model::name::quote;

/// Rows that are encoded before the size of the file is looked at again.
const ROWS_PER_SLICE: usize = 64 * 1024;
/// A column's values are looked up in a dictionary until that is so large: then they are many, and written as they are. The library's 1 MiB lets
/// 130,000 numbers be looked up before it gives up.
const DICTIONARY_BYTES_MAX: usize = 256 << 10;
/// As many leading columns get statistics as readers expect by default.
const STATISTICS_COLUMNS_MAX: usize = 32;

/// Writes files for one commit. Dropping it leaves the upload that is under way to the store's own cleaning: better `close` or `abort`.
pub struct TableWriter {
    schema: SchemaRef,
    files: OpenFiles,
    store: NotingStore,
    /// No file is older.
    begun_millis: i64,
    rows: u64,
    bytes: u64,
}

impl Table {
    /// A writer for the table as `head` has it. A file is finished when it has about `target_file_bytes`.
    pub fn writer(self: &Arc<Self>, head: &Head, target_file_bytes: u64) -> Result<TableWriter> {
        head.check_appendable()?;
        let schema = head.schema().clone();
        let partition_columns = head.partition_columns().to_vec();
        let statistics = statistics_columns(&schema, &partition_columns);
        let store = NotingStore::new(Arc::new(PrefixStore::new(self.place.store().clone(), self.path.clone())));
        let config = WriterConfig::new(
            schema.clone(),
            partition_columns.clone(),
            Some(properties()),
            NonZeroU64::new(target_file_bytes),
            Some(ROWS_PER_SLICE),
            Default::default(),
            Some(statistics),
        );
        let files = OpenFiles::new(Arc::new(store.clone()), config, &schema, &partition_columns)?;
        Ok(TableWriter { schema, files, store, begun_millis: self.now_millis(), rows: 0, bytes: 0 })
    }
}

impl TableWriter {
    /// The batch's columns are found by name. Nullable columns that it lacks are filled with nulls.
    ///
    /// Errors: `Data` if a column that may not be null is, `Invalid` if a column is not the table's.
    pub async fn write(&mut self, batch: RecordBatch) -> Result<()> {
        let batch = conform(&batch, &self.schema)?;
        self.rows += batch.num_rows() as u64;
        self.bytes += bytes_of(&batch) as u64;
        // Whoever awaits a future holds all of it, and the library's are large: on the heap they are not on every caller's stack.
        Box::pin(self.files.write(&batch)).await
    }

    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Arrow bytes taken in so far. What is held in memory is encoded, and so less.
    pub fn buffered_bytes(&self) -> u64 {
        self.bytes
    }

    /// How many files there are or will be; of a table without partitions, one.
    pub fn file_count(&self) -> usize {
        self.files.count()
    }

    /// Finishes all files. They exist when this returns; after an error none does.
    pub async fn close(self) -> Result<Vec<AddedFile>> {
        match Box::pin(self.files.close()).await {
            Ok(files) => files.into_iter().map(|file| added(serde_json::to_value(file)?, self.begun_millis)).collect(),
            Err(error) => {
                self.store.take_away().await;
                Err(error)
            }
        }
    }

    /// Gives the files up, also those that were finished already. What cannot be deleted stays as an orphan, which vacuum finds.
    pub async fn abort(self) {
        Box::pin(self.files.abort()).await;
        self.store.take_away().await;
    }
}

/// The library's action as ours.
fn added(action: serde_json::Value, begun_millis: i64) -> Result<AddedFile> {
    Ok(AddedFile(Add { modification_time: begun_millis, ..serde_json::from_value(action)? }))
}

fn properties() -> WriterProperties {
    WriterProperties::builder().set_compression(Compression::SNAPPY).set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX).build()
}

/// Binary columns have no order that readers agree on, nested ones none at all.
fn statistics_columns(schema: &SchemaRef, partition_columns: &[String]) -> Vec<String> {
    let ordered = |field: &&Arc<Field>| !field.data_type().is_nested() && !field.data_type().is_binary();
    let stored = schema.fields().iter().filter(|field| !partition_columns.contains(field.name()));
    stored.filter(ordered).take(STATISTICS_COLUMNS_MAX).map(|field| format!("\"{}\"", field.name().replace('"', "\"\""))).collect()
}

fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let given = batch.schema();
    if let Some(stranger) = given.fields().iter().find(|field| schema.field_with_name(field.name()).is_err()) {
        return Err(
            Error::invalid(format!("column {} does not exist in the table", quote(stranger.name()))).with_state(SqlState::UNDEFINED_COLUMN)
        );
    }
    let columns = schema.fields().iter().map(|field| match given.column_with_name(field.name()) {
        Some((index, found)) => conform_column(batch.column(index), found, field),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    let columns = columns.collect::<Result<Vec<_>>>()?;
    for (field, column) in schema.fields().iter().zip(&columns) {
        if !field.is_nullable() && column.logical_null_count() > 0 {
            return Err(Error::data(format!("null value in column {} violates not-null constraint", quote(field.name())))
                .with_state(SqlState::NOT_NULL_VIOLATION));
        }
    }
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

fn conform_column(column: &ArrayRef, found: &Field, wanted: &Field) -> Result<ArrayRef> {
    if column.data_type() == wanted.data_type() {
        return Ok(column.clone());
    }
    // Arrays of the same elements may still name them otherwise, and a null column has no type yet.
    if same_type(found, wanted) || found.data_type().equals_datatype(wanted.data_type()) || *column.data_type() == DataType::Null {
        return Ok(arrow::compute::cast(column, wanted.data_type())?);
    }
    Err(Error::invalid(format!(
        "column {} is of type {} but the data is of type {}",
        quote(wanted.name()),
        SqlType::from_field(wanted),
        SqlType::from_field(found)
    ))
    .with_state(SqlState::DATATYPE_MISMATCH))
}
