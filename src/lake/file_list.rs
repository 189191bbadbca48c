//! The data files of a table version, in columns: one Arrow row per file, with its partition values and statistics.
//!
//! A list never changes. The next version's list shares all chunks with it but the last few: chunks double in size towards the front, like
//! the levels of an LSM tree, so that an appended file is copied O(log n) times in all, whatever the number of files.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Int64Array, RecordBatch, StringArray, UInt64Array, new_null_array,
};
use arrow::compute::{concat, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, UInt64Type};

use super::file_columns::FileColumns;
use super::file_keys::{self, FileKey, FileKeys};
use super::file_stats::{self, has_bounds};
use super::log::action::{Add, data_path};
use crate::error::{Error, Result, SqlState};

const PATH: &str = "path";
/// The path as the log spells it, where that is not what `path` would be.
const SPELLED: &str = "spelled";
const SIZE: &str = "size";
/// Milliseconds since 1970.
const MODIFIED: &str = "modified";
const ROWS: &str = "rows";
/// The unique id of the file's deletion vector.
const VECTOR: &str = "vector";
/// Of path and deletion vector: what a file is looked up by.
const HASH: &str = "hash";

/// The files of one version of a table.
#[derive(Debug, Clone)]
pub struct FileList {
    shape: Arc<Shape>,
    chunks: Vec<Chunk>,
    totals: Totals,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub files: u64,
    pub bytes: u64,
    /// Rows of the files that say how many they have.
    pub rows: u64,
    pub files_without_row_count: u64,
    pub files_with_deletion_vector: u64,
}

/// Some files. Columns that are null throughout are left out.
#[derive(Debug, Clone)]
pub struct Chunk(RecordBatch);

/// The columns that chunks may have, given the columns of the table.
#[derive(Debug)]
pub struct Shape {
    pub table: SchemaRef,
    pub partition_columns: Vec<String>,
    chunk: SchemaRef,
}

impl Shape {
    pub fn new(table: SchemaRef, partition_columns: Vec<String>) -> Shape {
        let mut fields = vec![
            Field::new(PATH, DataType::Utf8, false),
            Field::new(SPELLED, DataType::Utf8, true),
            Field::new(SIZE, DataType::Int64, false),
            Field::new(MODIFIED, DataType::Int64, false),
            Field::new(ROWS, DataType::Int64, true),
            Field::new(VECTOR, DataType::Utf8, true),
            Field::new(HASH, DataType::UInt64, false),
        ];
        for field in table.fields() {
            let column = |kind, data_type: &DataType| Field::new(column_name(kind, field.name()), data_type.clone(), true);
            match partition_columns.contains(field.name()) {
                true => fields.push(column(Kind::Partition, field.data_type())),
                false if has_bounds(field.data_type()) => {
                    fields.push(column(Kind::Min, field.data_type()));
                    fields.push(column(Kind::Max, field.data_type()));
                    fields.push(column(Kind::Nulls, &DataType::Int64));
                }
                false => {}
            }
        }
        Shape { table, partition_columns, chunk: Arc::new(Schema::new(fields)) }
    }
}

/// What a chunk can say of a column of the table.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Partition,
    Min,
    Max,
    Nulls,
}

fn column_name(kind: Kind, column: &str) -> String {
    match kind {
        Kind::Partition => format!("partition {column}"),
        Kind::Min => format!("min {column}"),
        Kind::Max => format!("max {column}"),
        Kind::Nulls => format!("nulls {column}"),
    }
}

impl FileList {
    pub fn empty(shape: Arc<Shape>) -> FileList {
        FileList { shape, chunks: Vec::new(), totals: Totals::default() }
    }

    /// The same files of a table whose columns have become others. Chunks are made to fit when they are next merged.
    pub fn reshaped(&self, shape: Arc<Shape>) -> FileList {
        FileList { shape, ..self.clone() }
    }

    pub fn shape(&self) -> &Arc<Shape> {
        &self.shape
    }

    pub fn totals(&self) -> Totals {
        self.totals
    }

    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    pub fn append(&mut self, adds: &[&Add]) -> Result<()> {
        self.append_columns(&FileColumns::of_adds(adds, &self.shape.partition_columns)?)
    }

    pub fn append_columns(&mut self, files: &FileColumns) -> Result<()> {
        if files.paths.is_empty() {
            return Ok(());
        }
        let chunk = Chunk::of_columns(files, &self.shape)?;
        self.totals.add(chunk.totals());
        self.chunks.push(chunk);
        while let [.., before, last] = self.chunks.as_slice()
            && last.len() >= before.len()
        {
            let merged = Chunk::merge(before, last, &self.shape.chunk)?;
            self.chunks.truncate(self.chunks.len() - 2);
            self.chunks.push(merged);
        }
        Ok(())
    }

    /// How many of these keys are files of the list.
    pub fn count(&self, keys: &FileKeys) -> usize {
        self.chunks.iter().map(|chunk| chunk.find(keys).len()).sum()
    }

    /// Drops the files with these keys. Chunks without any of them stay shared.
    pub fn remove(&mut self, keys: &FileKeys) -> Result<()> {
        for chunk in &mut self.chunks {
            let found = chunk.find(keys);
            if found.is_empty() {
                continue;
            }
            let kept = chunk.without(&found)?;
            self.totals.subtract(chunk.totals());
            self.totals.add(kept.totals());
            *chunk = kept;
        }
        self.chunks.retain(|chunk| chunk.len() > 0);
        Ok(())
    }
}

impl Chunk {
    pub fn of(adds: &[&Add], shape: &Shape) -> Result<Chunk> {
        Chunk::of_columns(&FileColumns::of_adds(adds, &shape.partition_columns)?, shape)
    }

    fn of_columns(files: &FileColumns, shape: &Shape) -> Result<Chunk> {
        let decoded = files.paths.iter().flatten().map(|path| data_path(path).map(String::from));
        let paths = StringArray::from(decoded.collect::<Result<Vec<_>>>()?);
        let spelled: StringArray = files.paths.iter().zip(&paths).map(|(spelled, path)| spelled.filter(|_| spelled != path)).collect();
        let hashes = paths.iter().flatten().zip(&files.vectors).map(|(path, vector)| file_keys::hash(path, vector));
        let mut columns: Vec<(String, ArrayRef)> = vec![
            (HASH.into(), Arc::new(UInt64Array::from_iter_values(hashes))),
            (PATH.into(), Arc::new(paths)),
            (SPELLED.into(), Arc::new(spelled)),
            (SIZE.into(), Arc::new(files.sizes.clone())),
            (MODIFIED.into(), Arc::new(files.modified.clone())),
            (VECTOR.into(), Arc::new(files.vectors.clone())),
        ];
        for (name, texts) in shape.partition_columns.iter().zip(&files.partition_values) {
            columns.push((column_name(Kind::Partition, name), partition_values(texts, name, &shape.table)?));
        }
        let stats = file_stats::parse(&files.stats, &shape.table)?;
        columns.push((ROWS.into(), stats.rows));
        for column in stats.columns {
            columns.push((column_name(Kind::Min, &column.name), column.min));
            columns.push((column_name(Kind::Max, &column.name), column.max));
            columns.push((column_name(Kind::Nulls, &column.name), column.nulls));
        }
        columns.retain(|(name, array)| array.null_count() < array.len() || name == PATH);
        Ok(Chunk(RecordBatch::try_from_iter(columns)?))
    }

    fn merge(left: &Chunk, right: &Chunk, schema: &Schema) -> Result<Chunk> {
        let mut columns = Vec::new();
        for field in schema.fields() {
            let halves = [left.fitting(field), right.fitting(field)];
            if halves.iter().all(Option::is_none) {
                continue;
            }
            let [first, second] = halves;
            let first = first.unwrap_or_else(|| new_null_array(field.data_type(), left.len()));
            let second = second.unwrap_or_else(|| new_null_array(field.data_type(), right.len()));
            columns.push((field.name().clone(), concat(&[first.as_ref(), second.as_ref()])?));
        }
        Ok(Chunk(RecordBatch::try_from_iter(columns)?))
    }

    /// The column, if it is there and (the table's column may have been replaced by one of another type) fits.
    fn fitting(&self, field: &Field) -> Option<ArrayRef> {
        self.0.column_by_name(field.name()).filter(|array| array.data_type() == field.data_type()).cloned()
    }

    /// The files that have one of these keys.
    fn find(&self, keys: &FileKeys) -> Vec<usize> {
        let hashes = self.0.column_by_name(HASH).expect("every chunk has hashes").as_primitive::<UInt64Type>();
        let mut found = keys.suspects(hashes.values());
        found.retain(|file| keys.contains(&self.key(*file)));
        found
    }

    fn without(&self, files: &[usize]) -> Result<Chunk> {
        let mut keep = BooleanBufferBuilder::new(self.len());
        keep.append_n(self.len(), true);
        files.iter().for_each(|file| keep.set_bit(*file, false));
        self.filtered(&BooleanArray::new(keep.finish(), None))
    }

    pub fn filtered(&self, keep: &BooleanArray) -> Result<Chunk> {
        Ok(Chunk(filter_record_batch(&self.0, keep)?))
    }

    /// Some neighbours of it, sharing its memory.
    pub fn slice(&self, offset: usize, length: usize) -> Chunk {
        Chunk(self.0.slice(offset, length))
    }

    pub fn len(&self) -> usize {
        self.0.num_rows()
    }

    pub fn path(&self, file: usize) -> &str {
        self.0.column_by_name(PATH).expect("every chunk has paths").as_string::<i32>().value(file)
    }

    /// The path as the log spells it: percent-encoded, and other readers compare it letter by letter.
    pub fn spelled_path(&self, file: usize) -> &str {
        let spelled = self.0.column_by_name(SPELLED).map(|spelled| spelled.as_string::<i32>());
        spelled.filter(|spelled| spelled.is_valid(file)).map_or_else(|| self.path(file), |spelled| spelled.value(file))
    }

    /// Never below zero.
    pub fn size(&self, file: usize) -> i64 {
        self.integers(SIZE).expect("every chunk has sizes").value(file)
    }

    /// Milliseconds since 1970.
    pub fn modified(&self, file: usize) -> i64 {
        self.integers(MODIFIED).expect("every chunk has times").value(file)
    }

    /// The rows of each file, where known. Never below zero.
    pub fn rows(&self) -> Option<&Int64Array> {
        self.integers(ROWS)
    }

    /// One value per file, null where it is not known; for `Kind::Partition` null is a value. `None` if it is not known for any file.
    pub fn column(&self, kind: Kind, column: &Field) -> Option<ArrayRef> {
        let data_type = match kind {
            Kind::Nulls => &DataType::Int64,
            _ => column.data_type(),
        };
        let found = self.0.column_by_name(&column_name(kind, column.name()))?;
        (found.data_type() == data_type).then(|| found.clone())
    }

    pub fn key(&self, file: usize) -> FileKey {
        let vectors = self.0.column_by_name(VECTOR).map(|vectors| vectors.as_string::<i32>());
        let vector = vectors.filter(|vectors| vectors.is_valid(file)).map(|vectors| vectors.value(file).to_string());
        FileKey { path: self.path(file).to_string(), vector }
    }

    pub fn totals(&self) -> Totals {
        let files = self.len() as u64;
        let vectors = self.0.column_by_name(VECTOR).map_or(0, |vectors| vectors.len() - vectors.null_count());
        let uncounted = self.rows().map_or(self.len(), Array::null_count);
        Totals {
            files,
            bytes: self.integers(SIZE).map_or(0, total),
            rows: self.rows().map_or(0, total),
            files_without_row_count: uncounted as u64,
            files_with_deletion_vector: vectors as u64,
        }
    }

    fn integers(&self, name: &str) -> Option<&Int64Array> {
        self.0.column_by_name(name).map(|array| array.as_primitive::<Int64Type>())
    }
}

impl Totals {
    pub fn add(&mut self, more: Totals) {
        self.files += more.files;
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.rows = self.rows.saturating_add(more.rows);
        self.files_without_row_count += more.files_without_row_count;
        self.files_with_deletion_vector += more.files_with_deletion_vector;
    }

    fn subtract(&mut self, less: Totals) {
        self.files -= less.files;
        self.bytes = self.bytes.saturating_sub(less.bytes);
        self.rows = self.rows.saturating_sub(less.rows);
        self.files_without_row_count -= less.files_without_row_count;
        self.files_with_deletion_vector -= less.files_with_deletion_vector;
    }
}

/// Of numbers that are not below zero, but may be any: a log says what it likes.
fn total(numbers: &Int64Array) -> u64 {
    numbers.iter().flatten().fold(0u64, |sum, number| sum.saturating_add(number.unsigned_abs()))
}

/// Partition values stand in the log as text; an empty text means null, whatever the type.
fn partition_values(texts: &StringArray, column: &str, table: &Schema) -> Result<ArrayRef> {
    let data_type = table.field_with_name(column)?.data_type();
    let texts = texts.iter().map(|text| text.filter(|text| !text.is_empty()));
    let options = arrow::compute::CastOptions { safe: false, ..arrow::compute::CastOptions::default() };
    arrow::compute::cast_with_options(&StringArray::from_iter(texts), data_type, &options).map_err(|error| {
        Error::data(format!("the table's log has values of partition column \"{column}\" that are not of its type"))
            .with_state(SqlState::DATA_CORRUPTED)
            .with_cause(error)
    })
}

#[cfg(test)]
mod tests;
