//! The statistics of data files: from the JSON text in the log into columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray, StructArray};
use arrow::compute::kernels::cmp::lt;
use arrow::datatypes::{DataType, Field, Fields, Schema, TimeUnit, TimestampMicrosecondType};
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

/// Null where it is not known. `nulls` are not below zero, nor more than the file's rows where those are known. Bounds need not be tight: no
/// value is outside of them, that is all.
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
    let rows = counts(parsed.column(0))?;
    let group = |name: &str| parsed.column_by_name(name).map(|group| group.as_struct());
    let (Some(min), Some(max), Some(nulls)) = (group("minValues"), group("maxValues"), group("nullCount")) else {
        return Ok(FileStats { rows, columns: Vec::new() });
    };
    let columns = min.fields().iter().enumerate().map(|(i, field)| {
        let (max, nulls) = (raise(child(max, i)?), null_counts(&child(nulls, i)?, &rows)?);
        Ok(ColumnStats { name: field.name().clone(), min: child(min, i)?, max, nulls })
    });
    let columns = columns.collect::<Result<_>>()?;
    Ok(FileStats { rows, columns })
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

/// Of more nulls than there are rows nobody knows how many they are.
fn null_counts(told: &ArrayRef, rows: &ArrayRef) -> Result<ArrayRef> {
    let told = counts(told)?;
    let impossible = lt(rows, &told)?;
    match impossible.true_count() {
        0 => Ok(told),
        _ => Ok(arrow::compute::nullif(&told, &impossible)?),
    }
}

/// By what a writer may have cut off. Nothing is beyond the last moment there is.
fn raise(max: ArrayRef) -> ArrayRef {
    let DataType::Timestamp(TimeUnit::Microsecond, zone) = max.data_type() else { return max };
    let micros = max.as_primitive::<TimestampMicrosecondType>();
    let raised = micros.unary::<_, TimestampMicrosecondType>(|micros| micros.saturating_add(TIMESTAMP_CUT_MICROS));
    Arc::new(raised.with_timezone_opt(zone.clone()))
}

#[cfg(test)]
mod tests {
    use arrow::array::TimestampMicrosecondArray;
    use arrow::datatypes::Int64Type;

    use super::*;

    fn only(stats: FileStats) -> ColumnStats {
        let [column] = <[ColumnStats; 1]>::try_from(stats.columns).unwrap_or_else(|_| panic!("one column has statistics"));
        column
    }

    #[test]
    fn no_moment_is_beyond_the_last() {
        let zone = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let table = Schema::new(vec![Field::new("t", zone, true)]);
        let text = |max: i64| format!(r#"{{"numRecords":1,"minValues":{{"t":0}},"maxValues":{{"t":{max}}},"nullCount":{{"t":0}}}}"#);
        let texts: StringArray = [7000, i64::MAX - 998, i64::MAX].map(|max| Some(text(max))).into_iter().chain([None]).collect();
        let raised = only(parse(&texts, &table).unwrap()).max;
        let expected = TimestampMicrosecondArray::from(vec![Some(7999), Some(i64::MAX), Some(i64::MAX), None]).with_timezone("UTC");
        assert_eq!(raised.as_primitive::<TimestampMicrosecondType>(), &expected);
    }

    #[test]
    fn no_file_has_more_nulls_than_rows() {
        let table = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
        let texts = StringArray::from(vec![
            r#"{"numRecords":3,"nullCount":{"n":3}}"#,
            r#"{"numRecords":3,"nullCount":{"n":4}}"#,
            r#"{"numRecords":-1,"nullCount":{"n":4}}"#,
            r#"{"nullCount":{"n":4}}"#,
        ]);
        let stats = parse(&texts, &table).unwrap();
        assert_eq!(stats.rows.as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(3), Some(3), None, None]));
        let expected = Int64Array::from(vec![Some(3), None, Some(4), Some(4)]);
        assert_eq!(only(stats).nulls.as_primitive::<Int64Type>(), &expected);
    }
}
