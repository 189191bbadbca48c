//! What the log knows of the files, told to DataFusion's optimiser.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{Field, Int64Type, Schema};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Statistics};
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use super::plain::row_count;
use crate::lake::file_list::{Chunk, Kind, Totals};

/// Rows and bytes only.
pub fn of_all(chunks: &[Chunk], schema: &Schema) -> Statistics {
    let mut totals = Totals::default();
    chunks.iter().for_each(|chunk| totals.add(chunk.totals()));
    let rows = match totals.files_with_deletion_vector {
        0 => row_count(totals.rows, totals.files_without_row_count),
        _ => Precision::Absent,
    };
    Statistics {
        num_rows: rows,
        total_byte_size: Precision::Inexact(totals.bytes as usize),
        column_statistics: Statistics::unknown_column(schema),
    }
}

/// The columns of a chunk looked up once for all its files.
pub struct ChunkColumns<'a> {
    chunk: &'a Chunk,
    columns: Vec<Known>,
}

#[derive(Default)]
struct Known {
    min: Option<ArrayRef>,
    max: Option<ArrayRef>,
    nulls: Option<ArrayRef>,
    /// One value for all rows of a file, null if this is there and null.
    partition: Option<ArrayRef>,
}

impl<'a> ChunkColumns<'a> {
    pub fn of(chunk: &'a Chunk, schema: &Schema, partition: &[Arc<Field>]) -> ChunkColumns<'a> {
        let known = |field: &Arc<Field>| match partition.iter().any(|column| column.name() == field.name()) {
            true => Known { partition: chunk.column(Kind::Partition, field), ..Known::default() },
            false => Known {
                min: chunk.column(Kind::Min, field),
                max: chunk.column(Kind::Max, field),
                nulls: chunk.column(Kind::Nulls, field),
                partition: None,
            },
        };
        ChunkColumns { chunk, columns: schema.fields().iter().map(known).collect() }
    }

    pub fn of_file(&self, file: usize) -> Result<Statistics> {
        let rows = self.chunk.rows().filter(|rows| rows.is_valid(file)).map(|rows| rows.value(file) as usize);
        Ok(Statistics {
            num_rows: rows.map_or(Precision::Absent, Precision::Exact),
            total_byte_size: Precision::Inexact(self.chunk.size(file) as usize),
            column_statistics: self.columns.iter().map(|column| column.of_file(file, rows)).collect::<Result<_>>()?,
        })
    }
}

impl Known {
    fn of_file(&self, file: usize, rows: Option<usize>) -> Result<ColumnStatistics> {
        if let Some(values) = &self.partition {
            let value = ScalarValue::try_from_array(values, file)?;
            let nulls = if value.is_null() { rows } else { Some(0) };
            let bound = if value.is_null() { Precision::Absent } else { Precision::Exact(value) };
            return Ok(ColumnStatistics {
                null_count: nulls.map_or(Precision::Absent, Precision::Exact),
                min_value: bound.clone(),
                max_value: bound,
                ..ColumnStatistics::new_unknown()
            });
        }
        let nulls = self.nulls.as_ref().map(|nulls| nulls.as_primitive::<Int64Type>()).filter(|nulls| nulls.is_valid(file));
        Ok(ColumnStatistics {
            null_count: nulls.map_or(Precision::Absent, |nulls| Precision::Exact(nulls.value(file) as usize)),
            min_value: bound(&self.min, file)?,
            max_value: bound(&self.max, file)?,
            ..ColumnStatistics::new_unknown()
        })
    }
}

/// No value is beyond it, but it need not be a value itself: other writers cut long texts and timestamps.
fn bound(values: &Option<ArrayRef>, file: usize) -> Result<Precision<ScalarValue>> {
    match values {
        Some(values) if values.is_valid(file) => Ok(Precision::Inexact(ScalarValue::try_from_array(values, file)?)),
        _ => Ok(Precision::Absent),
    }
}
