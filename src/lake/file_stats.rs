//! The statistics of data files: from the JSON text in the log into columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, StructArray};
use arrow::compute::kernels::cmp::lt;
use arrow::compute::kernels::numeric::add_wrapping;
use arrow::datatypes::{DataType, Field, Fields, Int64Type, Schema, TimeUnit, TimestampMicrosecondType};
use arrow::json::ReaderBuilder;
use serde::de::IgnoredAny;

use crate::error::{Error, Result};

/// Writers put decimals through a double; up to here it gives back the same digits.
const DECIMAL_DIGITS_EXACT_MAX: u8 = 15;
/// Other writers cut timestamps to milliseconds, downwards even for the largest.
const TIMESTAMP_CUT_MICROS: i64 = 999;

/// One row per file.
pub struct FileStats {
    /// Not below zero.
    pub rows: ArrayRef,
    pub columns: Vec<ColumnStats>,
}

/// Null where it is not known. `nulls` are not below zero. Bounds need not be tight: no value is outside of them, that is all.
pub struct ColumnStats {
    pub name: String,
    pub min: ArrayRef,
    pub max: ArrayRef,
    pub nulls: ArrayRef,
}

/// Types whose smallest and largest value can be trusted and compared.
pub fn has_bounds(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal128(precision, _) => *precision <= DECIMAL_DIGITS_EXACT_MAX,
        DataType::Timestamp(TimeUnit::Microsecond, _) | DataType::Date32 | DataType::Utf8 | DataType::Boolean => true,
        other => other.is_integer() || other.is_floating(),
    }
}

/// `texts` has one JSON text per file, null where there is none.
pub fn parse(texts: &StringArray, table: &Schema) -> Result<FileStats> {
    let texts: Vec<_> = texts.iter().map(|text| text.unwrap_or("{}")).collect();
    let schema = Arc::new(stats_schema(table));
    let parsed = match decode(&texts, &schema) {
        Ok(parsed) => parsed,
        // Some file's text is not JSON. It is only statistics: do without that file's.
        Err(_) => decode(&texts.iter().map(|text| if is_json(text) { *text } else { "{}" }).collect::<Vec<_>>(), &schema)?,
    };
    let group = |name: &str| parsed.column_by_name(name).map(|group| group.as_struct());
    let (Some(min), Some(max), Some(nulls)) = (group("minValues"), group("maxValues"), group("nullCount")) else {
        return Ok(FileStats { rows: counts(parsed.column(0))?, columns: Vec::new() });
    };
    let columns = min.fields().iter().enumerate().map(|(i, field)| {
        let (max, nulls) = (raise(child(max, i)?)?, counts(&child(nulls, i)?)?);
        Ok(ColumnStats { name: field.name().clone(), min: child(min, i)?, max, nulls })
    });
    Ok(FileStats { rows: counts(parsed.column(0))?, columns: columns.collect::<Result<_>>()? })
}

fn stats_schema(table: &Schema) -> Schema {
    let mut fields = vec![Field::new("numRecords", DataType::Int64, true)];
    let bounds: Fields = table
        .fields()
        .iter()
        .filter(|field| has_bounds(field.data_type()))
        .map(|field| Field::new(field.name(), field.data_type().clone(), true))
        .collect();
    if !bounds.is_empty() {
        let counts: Fields = bounds.iter().map(|field| Field::new(field.name(), DataType::Int64, true)).collect();
        fields.push(Field::new("minValues", DataType::Struct(bounds.clone()), true));
        fields.push(Field::new("maxValues", DataType::Struct(bounds), true));
        fields.push(Field::new("nullCount", DataType::Struct(counts), true));
    }
    Schema::new(fields)
}

fn decode(texts: &[&str], schema: &Arc<Schema>) -> Result<StructArray> {
    let mut decoder = ReaderBuilder::new(schema.clone()).with_batch_size(texts.len()).with_ignore_type_conflicts(true).build_decoder()?;
    for text in texts {
        decoder.decode(text.as_bytes())?;
        // Ends a document that is a bare number or word, so that it cannot run into the next.
        decoder.decode(b"\n")?;
    }
    let batch = decoder.flush()?.filter(|batch| batch.num_rows() == texts.len());
    batch.map(StructArray::from).ok_or_else(|| Error::data("a file's statistics are not one JSON object"))
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// A field of a struct, null where the struct is.
fn child(group: &StructArray, index: usize) -> Result<ArrayRef> {
    match group.nulls() {
        None => Ok(group.column(index).clone()),
        Some(valid) => Ok(arrow::compute::nullif(group.column(index), &arrow::array::BooleanArray::new(!valid.inner(), None))?),
    }
}

/// What is below zero is no count.
fn counts(told: &ArrayRef) -> Result<ArrayRef> {
    let impossible = lt(told, &Int64Array::new_scalar(0))?;
    match impossible.true_count() {
        0 => Ok(told.clone()),
        _ => Ok(arrow::compute::nullif(told, &impossible)?),
    }
}

fn raise(max: ArrayRef) -> Result<ArrayRef> {
    let DataType::Timestamp(TimeUnit::Microsecond, zone) = max.data_type() else { return Ok(max) };
    let micros = max.as_primitive::<TimestampMicrosecondType>().reinterpret_cast::<Int64Type>();
    let raised = add_wrapping(&micros, &Int64Array::new_scalar(TIMESTAMP_CUT_MICROS))?;
    let raised = raised.as_primitive::<Int64Type>().reinterpret_cast::<TimestampMicrosecondType>();
    Ok(Arc::new(raised.with_timezone_opt(zone.clone())))
}
