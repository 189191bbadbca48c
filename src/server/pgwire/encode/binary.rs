//! Values as PostgreSQL's `…_send` functions make them: big-endian, time counted from 2000.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::*;
use bytes::BufMut;

use super::canonical::canonical;
use super::text::{bytes_cell, native, put_text};
use super::{Cell, json, list, number, time, with};
use crate::error::{Error, Result, SqlState};

pub(super) fn cell(array: &ArrayRef, field: &Field) -> Result<Box<dyn Cell>> {
    let array = canonical(array)?;
    Ok(match array.data_type() {
        DataType::Null => with((), |_, _, _| Ok(())),
        DataType::Boolean => with(array.as_boolean().clone(), |array, row, out| {
            out.put_u8(array.value(row) as u8);
            Ok(())
        }),
        DataType::Int16 => native::<Int16Type>(&array, |value, out| out.put_i16(value)),
        DataType::Int32 => native::<Int32Type>(&array, |value, out| out.put_i32(value)),
        DataType::Int64 => native::<Int64Type>(&array, |value, out| out.put_i64(value)),
        DataType::Float32 => native::<Float32Type>(&array, |value, out| out.put_f32(value)),
        DataType::Float64 => native::<Float64Type>(&array, |value, out| out.put_f64(value)),
        DataType::Decimal128(_, scale) => decimal::<Decimal128Type>(&array, *scale),
        DataType::Decimal256(_, scale) => decimal::<Decimal256Type>(&array, *scale),
        DataType::Date32 => with(array.as_primitive::<Date32Type>().clone(), |array, row, out| {
            let days = array.value(row).checked_sub(time::EPOCH_2000_DAYS);
            out.put_i32(days.ok_or_else(out_of_range)?);
            Ok(())
        }),
        DataType::Time64(_) => native::<Time64MicrosecondType>(&array, |micros, out| out.put_i64(micros)),
        DataType::Timestamp(_, _) => with(array.as_primitive::<TimestampMicrosecondType>().clone(), |array, row, out| {
            let micros = array.value(row).checked_sub(time::EPOCH_2000_MICROS);
            out.put_i64(micros.ok_or_else(out_of_range)?);
            Ok(())
        }),
        DataType::Interval(_) => native::<IntervalMonthDayNanoType>(&array, |interval, out| {
            out.put_i64(interval.nanoseconds / 1_000);
            out.put_i32(interval.days);
            out.put_i32(interval.months);
        }),
        DataType::LargeList(element) => list::binary_cell(array.as_list::<i64>(), element)?,
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => json::cell(&array, field)?,
        _ => bytes_cell(&array, put_text, put_text)?,
    })
}

fn decimal<T: ArrowPrimitiveType<Native: std::fmt::Display>>(array: &ArrayRef, scale: i8) -> Box<dyn Cell> {
    with(array.as_primitive::<T>().clone(), move |array, row, out| {
        number::Digits::of(array.value(row), scale).write_binary(out);
        Ok(())
    })
}

fn out_of_range() -> Error {
    Error::data("a date or timestamp is out of range for the binary format").with_state(SqlState::DATETIME_FIELD_OVERFLOW)
}
