//! The data files of a table version, in columns: one Arrow row per file, with its partition values and statistics.
//!
//! A list never changes. The next version's list shares all chunks with it but the last few: chunks double in size towards the front, like
//! the levels of an LSM tree, so that an appended file is copied O(log n) times in all, whatever the number of files.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::compute::{concat, filter_record_batch, sum};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

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

/// What tells a file from others: its path and, if it has one, its deletion vector.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileKey {
    pub path: String,
    pub vector: Option<String>,
}

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
        if adds.is_empty() {
            return Ok(());
        }
        let chunk = Chunk::of(adds, &self.shape)?;
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
    pub fn count(&self, keys: &HashSet<FileKey>) -> usize {
        let hits = |chunk: &Chunk| (0..chunk.len()).filter(|file| keys.contains(&chunk.key(*file))).count();
        self.chunks.iter().map(hits).sum()
    }

    /// Drops the files with these keys. Chunks without any of them stay shared.
    pub fn remove(&mut self, keys: &HashSet<FileKey>) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut kept = Vec::with_capacity(self.chunks.len());
        for chunk in &self.chunks {
            kept.push(chunk.without(keys)?);
        }
        kept.retain(|chunk| chunk.len() > 0);
        self.chunks = kept;
        self.totals = Totals::default();
        for chunk in &self.chunks {
            self.totals.add(chunk.totals());
        }
        Ok(())
    }
}

impl Chunk {
    pub fn of(adds: &[&Add], shape: &Shape) -> Result<Chunk> {
        let paths = adds.iter().map(|add| data_path(&add.path).map(String::from)).collect::<Result<Vec<_>>>()?;
        let spelled: StringArray = adds.iter().zip(&paths).map(|(add, path)| (add.path != *path).then_some(add.path.as_str())).collect();
        let vectors = adds.iter().map(|add| add.deletion_vector.as_ref().map(|vector| vector.unique_id()));
        let mut columns: Vec<(String, ArrayRef)> = vec![
            (PATH.into(), Arc::new(StringArray::from(paths))),
            (SPELLED.into(), Arc::new(spelled)),
            (SIZE.into(), Arc::new(Int64Array::from_iter_values(adds.iter().map(|add| add.size)))),
            (MODIFIED.into(), Arc::new(Int64Array::from_iter_values(adds.iter().map(|add| add.modification_time)))),
            (VECTOR.into(), Arc::new(StringArray::from_iter(vectors))),
        ];
        for name in &shape.partition_columns {
            columns.push((column_name(Kind::Partition, name), partition_values(adds, name, &shape.table)?));
        }
        let stats = file_stats::parse(adds, &shape.table)?;
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

    fn without(&self, keys: &HashSet<FileKey>) -> Result<Chunk> {
        let keep: BooleanArray = (0..self.len()).map(|file| Some(!keys.contains(&self.key(file)))).collect();
        match keep.true_count() == self.len() {
            true => Ok(self.clone()),
            false => self.filtered(&keep),
        }
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

    pub fn size(&self, file: usize) -> i64 {
        self.integers(SIZE).expect("every chunk has sizes").value(file)
    }

    /// Milliseconds since 1970.
    pub fn modified(&self, file: usize) -> i64 {
        self.integers(MODIFIED).expect("every chunk has times").value(file)
    }

    /// The rows of each file, where known.
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
            bytes: self.integers(SIZE).and_then(sum).unwrap_or(0) as u64,
            rows: self.rows().and_then(sum).unwrap_or(0) as u64,
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
        self.bytes += more.bytes;
        self.rows += more.rows;
        self.files_without_row_count += more.files_without_row_count;
        self.files_with_deletion_vector += more.files_with_deletion_vector;
    }
}

/// Partition values stand in the log as text; an empty text means null, whatever the type.
fn partition_values(adds: &[&Add], column: &str, table: &Schema) -> Result<ArrayRef> {
    let data_type = table.field_with_name(column)?.data_type();
    let texts = adds.iter().map(|add| add.partition_values.get(column)?.as_deref().filter(|text| !text.is_empty()));
    let options = arrow::compute::CastOptions { safe: false, ..arrow::compute::CastOptions::default() };
    arrow::compute::cast_with_options(&StringArray::from_iter(texts), data_type, &options).map_err(|error| {
        Error::data(format!("the table's log has values of partition column \"{column}\" that are not of its type"))
            .with_state(SqlState::DATA_CORRUPTED)
            .with_cause(error)
    })
}

#[cfg(test)]
mod tests;
