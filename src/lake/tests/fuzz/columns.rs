//! Mutants of a checkpoint's columns: one is gone, renamed, of another type, or null; rows are fewer or stand there twice.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StructArray, new_null_array};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::fuzz::Dice;

const NAMES: &[&str] =
    &["add", "remove", "txn", "protocol", "metaData", "sidecar", "path", "stats", "stats_parsed", "size", "version", "x"];

/// `None` where that cannot be written as Parquet.
pub fn change(written: &Bytes, dice: &mut Dice) -> Option<Vec<u8>> {
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(written.clone()).unwrap().build().unwrap();
    let mut actions = StructArray::from(reader.next()?.unwrap());
    for _ in 0..1 + dice.below(3) {
        actions = change_within(&actions, dice)?;
    }
    let actions = change_rows(actions, dice)?;
    let mut writer = ArrowWriter::try_new(Vec::new(), RecordBatch::from(&actions).schema(), None).ok()?;
    writer.write(&RecordBatch::from(&actions)).ok()?;
    writer.into_inner().ok()
}

fn change_within(group: &StructArray, dice: &mut Dice) -> Option<StructArray> {
    let (fields, mut columns, nulls) = group.clone().into_parts();
    let mut fields: Vec<FieldRef> = fields.iter().cloned().collect();
    let at = dice.below(fields.len());
    let (name, column) = (fields[at].name().clone(), columns[at].clone());
    let changed = match (dice.below(8), column.as_struct_opt()) {
        (0, _) => None,
        (1, _) => Some((dice.pick(NAMES).to_string(), column.clone())),
        (2, None) => Some((name, new_null_array(column.data_type(), column.len()))),
        (3.., Some(within)) => Some((name, Arc::new(change_within(within, dice)?) as ArrayRef)),
        _ => Some((name, retyped(&column, dice))),
    };
    match changed {
        Some((name, changed)) => {
            fields[at] = Arc::new(Field::new(name, changed.data_type().clone(), true));
            columns[at] = changed;
        }
        None => {
            fields.remove(at);
            columns.remove(at);
        }
    }
    StructArray::try_new(fields.into(), columns, nulls).ok()
}

/// Its values as they can be had in that type; or numbers, where there are none.
fn retyped(column: &ArrayRef, dice: &mut Dice) -> ArrayRef {
    let types = [
        DataType::Utf8,
        DataType::LargeUtf8,
        DataType::Binary,
        DataType::Boolean,
        DataType::Int8,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt64,
        DataType::Float64,
        DataType::Date32,
        DataType::Decimal128(20, 3),
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::List(Arc::new(Field::new("element", DataType::Utf8, true))),
    ];
    let wanted = dice.pick(&types);
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..column.len() as i64).map(|row| row * 1_000_003 - 7)));
    let taken = if dice.below(3) == 0 { &numbers } else { column };
    cast(taken, wanted).or_else(|_| cast(&numbers, wanted)).unwrap_or_else(|_| new_null_array(wanted, column.len()))
}

fn change_rows(actions: StructArray, dice: &mut Dice) -> Option<StructArray> {
    match dice.below(6) {
        0 => Some(actions.slice(0, dice.below(actions.len()))),
        1 => Some(concat(&[&actions, &actions]).ok()?.as_struct().clone()),
        _ => Some(actions),
    }
}
