//! Values as PostgreSQL prints them.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::datatypes::*;
use bytes::{BufMut, BytesMut};

use super::canonical::canonical;
use super::{Cell, json, list, number, time, with};
use crate::error::{Error, Result};

pub(super) fn cell(array: &ArrayRef, field: &Field) -> Result<Box<dyn Cell>> {
    let array = canonical(array)?;
    Ok(match array.data_type() {
        DataType::Null => with((), |_, _, _| Ok(())),
        DataType::Boolean => with(array.as_boolean().clone(), |array, row, out| {
            out.put_u8(if array.value(row) { b't' } else { b'f' });
            Ok(())
        }),
        DataType::Int16 => integer::<Int16Type>(&array),
        DataType::Int32 => integer::<Int32Type>(&array),
        DataType::Int64 => integer::<Int64Type>(&array),
        DataType::Float32 => native::<Float32Type>(&array, number::write_real),
        DataType::Float64 => native::<Float64Type>(&array, number::write_double),
        DataType::Decimal128(_, scale) => decimal::<Decimal128Type>(&array, *scale),
        DataType::Decimal256(_, scale) => decimal::<Decimal256Type>(&array, *scale),
        DataType::Date32 => native::<Date32Type>(&array, time::write_date),
        DataType::Time64(_) => native::<Time64MicrosecondType>(&array, time::write_time),
        DataType::Timestamp(_, None) => {
            native::<TimestampMicrosecondType>(&array, |micros, out| time::write_timestamp(micros, time::Zone::None, out))
        }
        DataType::Timestamp(_, Some(_)) => {
            native::<TimestampMicrosecondType>(&array, |micros, out| time::write_timestamp(micros, time::Zone::Utc, out))
        }
        DataType::Interval(_) => native::<IntervalMonthDayNanoType>(&array, time::write_interval),
        DataType::LargeList(element) => list::text_cell(array.as_list::<i64>(), element)?,
        DataType::Struct(_) | DataType::Map(..) | DataType::Union(..) => json::cell(&array, field)?,
        _ => bytes_cell(&array, put_text, put_hex)?,
    })
}

/// Strings and bytes, however Arrow lays them out.
pub(super) fn bytes_cell(
    array: &ArrayRef,
    put_text: fn(&[u8], &mut BytesMut),
    put_bytes: fn(&[u8], &mut BytesMut),
) -> Result<Box<dyn Cell>> {
    macro_rules! values {
        ($array:expr, $put:ident, $bytes:expr) => {
            with($array.clone(), move |array, row, out| {
                $put($bytes(array.value(row)), out);
                Ok(())
            })
        };
    }
    Ok(match array.data_type() {
        DataType::Utf8 => values!(array.as_string::<i32>(), put_text, str::as_bytes),
        DataType::LargeUtf8 => values!(array.as_string::<i64>(), put_text, str::as_bytes),
        DataType::Utf8View => values!(array.as_string_view(), put_text, str::as_bytes),
        DataType::Binary => values!(array.as_binary::<i32>(), put_bytes, std::convert::identity),
        DataType::LargeBinary => values!(array.as_binary::<i64>(), put_bytes, std::convert::identity),
        DataType::BinaryView => values!(array.as_binary_view(), put_bytes, std::convert::identity),
        DataType::FixedSizeBinary(_) => values!(array.as_fixed_size_binary(), put_bytes, std::convert::identity),
        other => return Err(Error::internal(format!("no wire form for {other}"))),
    })
}

pub(super) fn native<T: ArrowPrimitiveType>(array: &ArrayRef, write: fn(T::Native, &mut BytesMut)) -> Box<dyn Cell> {
    with(array.as_primitive::<T>().clone(), move |array, row, out| {
        write(array.value(row), out);
        Ok(())
    })
}

pub(super) fn put_text(text: &[u8], out: &mut BytesMut) {
    out.put_slice(text);
}

fn put_hex(bytes: &[u8], out: &mut BytesMut) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.put_slice(b"\\x");
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.put_slice(&[DIGITS[(byte >> 4) as usize], DIGITS[(byte & 15) as usize]]);
    }
}

fn integer<T: ArrowPrimitiveType<Native: std::fmt::Display>>(array: &ArrayRef) -> Box<dyn Cell> {
    native::<T>(array, |value, out| write!(out, "{value}").expect("a buffer grows as it must"))
}

fn decimal<T: ArrowPrimitiveType<Native: std::fmt::Display>>(array: &ArrayRef, scale: i8) -> Box<dyn Cell> {
    with(array.as_primitive::<T>().clone(), move |array, row, out| {
        number::Digits::of(array.value(row), scale).write_text(out);
        Ok(())
    })
}
