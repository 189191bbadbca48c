//! A column while it grows, value by value, straight into the buffers that Arrow will have. A row can be taken back.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, BooleanBufferBuilder, Date32Array, Decimal128Array, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, IntervalMonthDayNanoArray, ListArray, NullBufferBuilder, StringArray, Time64MicrosecondArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::IntervalMonthDayNano;

use crate::error::Result;
use crate::model::SqlType;

use super::iso::{self, Zone};
use super::number::{self, DOUBLE_INTEGER_MAX};
use super::scan::Cursor;
use super::text;
use super::value::Reading;

/// Rows that have no value are not told of: a column catches up with nulls when its next value comes, and at the end.
pub struct Column {
    pub(super) values: Values,
    present: NullBufferBuilder,
    rows: usize,
    /// Other columns are read from the same field, so that no value is plainly this column's.
    pub shared: bool,
}

pub(super) enum Values {
    Boolean(BooleanBufferBuilder),
    SmallInt(Vec<i16>),
    Integer(Vec<i32>),
    BigInt(Vec<i64>),
    Real(Vec<f32>),
    Double(Vec<f64>),
    Numeric { scaled: Vec<i128>, precision: u8, scale: i8 },
    Text(Texts),
    Json(Texts),
    Bytea { ends: Vec<i32>, bytes: Vec<u8> },
    Date(Vec<i32>),
    Time(Vec<i64>),
    Timestamp(Vec<i64>),
    TimestampTz(Vec<i64>),
    Interval(Vec<IntervalMonthDayNano>),
    Array { ends: Vec<i32>, elements: Box<Column>, element: SqlType },
}

/// Texts one behind the other, each of them UTF-8. A batch ends before its texts pass 32 bits.
pub(super) struct Texts {
    ends: Vec<i32>,
    bytes: Vec<u8>,
}

impl Texts {
    fn new(rows: usize) -> Texts {
        Texts { ends: no_ends(rows), bytes: Vec::new() }
    }

    /// Whether the ends stay within 32 bits. They do; who could be wrong about it asks all the same.
    fn has_room(&self, text: &str) -> bool {
        self.bytes.len() + text.len() <= i32::MAX as usize
    }

    #[inline]
    fn end_value(&mut self) {
        self.ends.push(self.bytes.len() as i32);
    }

    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.end_value();
    }
}

impl Column {
    pub fn new(data_type: &SqlType, rows_expected: usize) -> Column {
        Column { values: Values::new(data_type, rows_expected), present: NullBufferBuilder::new(rows_expected), rows: 0, shared: false }
    }

    /// The rows that are told of.
    #[inline]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Whether it has got further than the start: then there may be a value in it.
    pub fn is_touched(&self) -> bool {
        self.rows > 0
    }

    /// Whether this row has its value.
    #[inline]
    pub fn has(&self, row: usize) -> bool {
        self.rows > row
    }

    /// Takes the value that begins at the cursor, if it is plainly of this column's type, and says where it ends. `None` leaves no trace: look closer.
    #[inline]
    pub fn take(&mut self, cursor: &Cursor<'_>, row: usize) -> Option<usize> {
        if self.rows != row || self.shared {
            if self.rows > row || self.shared {
                return None;
            }
            self.catch_up(row);
        }
        let end = self.values.take(cursor)?;
        self.advance();
        Some(end)
    }

    /// Takes a reading, if this column holds all that it says.
    pub fn hold(&mut self, reading: &Reading<'_>, row: usize) -> bool {
        self.catch_up(row);
        let held = self.values.hold(reading);
        if held {
            self.advance();
        }
        held
    }

    /// Adds nulls up to the row.
    #[inline]
    pub(super) fn catch_up(&mut self, row: usize) {
        if self.rows < row {
            self.present.append_n_nulls(row - self.rows);
            self.values.resize(row);
            self.rows = row;
        }
    }

    /// The value of the next row was appended.
    #[inline]
    pub(super) fn advance(&mut self) {
        self.present.append_non_null();
        self.rows += 1;
    }

    /// Takes rows back, and what a value that failed halfway left.
    pub fn truncate(&mut self, rows: usize) {
        if self.rows > rows {
            self.present.truncate(rows);
            self.rows = rows;
        }
        self.values.resize(self.rows);
    }

    pub fn finish(mut self, rows: usize) -> Result<ArrayRef> {
        if self.rows < rows {
            self.catch_up(rows);
        }
        self.values.finish(self.present)
    }
}

impl Values {
    fn new(data_type: &SqlType, rows: usize) -> Values {
        match data_type {
            SqlType::Boolean => Values::Boolean(BooleanBufferBuilder::new(rows)),
            SqlType::SmallInt => Values::SmallInt(Vec::with_capacity(rows)),
            SqlType::Integer => Values::Integer(Vec::with_capacity(rows)),
            SqlType::BigInt => Values::BigInt(Vec::with_capacity(rows)),
            SqlType::Real => Values::Real(Vec::with_capacity(rows)),
            SqlType::Double => Values::Double(Vec::with_capacity(rows)),
            SqlType::Numeric { precision, scale } => {
                Values::Numeric { scaled: Vec::with_capacity(rows), precision: *precision, scale: *scale }
            }
            SqlType::Text => Values::Text(Texts::new(rows)),
            SqlType::Json => Values::Json(Texts::new(rows)),
            SqlType::Bytea => Values::Bytea { ends: no_ends(rows), bytes: Vec::new() },
            SqlType::Date => Values::Date(Vec::with_capacity(rows)),
            SqlType::Time => Values::Time(Vec::with_capacity(rows)),
            SqlType::Timestamp => Values::Timestamp(Vec::with_capacity(rows)),
            SqlType::TimestampTz => Values::TimestampTz(Vec::with_capacity(rows)),
            SqlType::Interval => Values::Interval(Vec::with_capacity(rows)),
            SqlType::Array(element) => {
                Values::Array { ends: no_ends(rows), elements: Box::new(Column::new(element, 0)), element: SqlType::clone(element) }
            }
        }
    }

    #[inline]
    fn take(&mut self, cursor: &Cursor<'_>) -> Option<usize> {
        match self {
            Values::Text(texts) => texts.take(cursor),
            Values::BigInt(values) => push(values, number::plain_integer(cursor.bytes(), cursor.at)?),
            Values::Double(values) => push(values, number::plain_decimal(cursor.text(), cursor.at)?),
            Values::TimestampTz(values) => {
                let (stamp, end) = take_stamp(cursor)?;
                push(values, (stamp.instant()?, end))
            }
            Values::Timestamp(values) => {
                let (stamp, end) = take_stamp(cursor)?;
                matches!(stamp.zone, Zone::Utc | Zone::Unsaid).then(|| values.push(stamp.local_micros))?;
                Some(end)
            }
            Values::Boolean(values) => {
                let value = cursor.is_at("true");
                let end = cursor.at + if value { 4 } else { cursor.is_at("false").then_some(5)? };
                values.append(value);
                Some(end)
            }
            Values::Integer(values) => {
                let (value, end) = number::plain_integer(cursor.bytes(), cursor.at)?;
                push(values, (value.try_into().ok()?, end))
            }
            Values::SmallInt(values) => {
                let (value, end) = number::plain_integer(cursor.bytes(), cursor.at)?;
                push(values, (value.try_into().ok()?, end))
            }
            Values::Json(texts) => texts.take_nested(cursor),
            _ => None,
        }
    }

    fn hold(&mut self, reading: &Reading<'_>) -> bool {
        match (self, reading) {
            (Values::Boolean(values), Reading::Boolean(value)) => values.append(*value),
            (Values::BigInt(values), Reading::BigInt(value)) => values.push(*value),
            (Values::Double(values), Reading::Double(value)) => values.push(*value),
            (Values::Double(values), Reading::BigInt(value)) if value.unsigned_abs() <= DOUBLE_INTEGER_MAX as u64 => {
                values.push(*value as f64)
            }
            (Values::Text(texts), Reading::Text(text) | Reading::TimestampTz(_, text)) => texts.push(text),
            (Values::TimestampTz(values), Reading::TimestampTz(micros, _)) => values.push(*micros),
            (Values::Json(texts), Reading::Json(json)) if texts.has_room(json) => texts.push(json),
            _ => return false,
        }
        true
    }

    /// Cuts back or fills up with values that a null hides.
    fn resize(&mut self, rows: usize) {
        match self {
            Values::Boolean(values) if values.len() > rows => values.truncate(rows),
            Values::Boolean(values) => values.append_n(rows - values.len(), false),
            Values::SmallInt(values) => values.resize(rows, 0),
            Values::Integer(values) | Values::Date(values) => values.resize(rows, 0),
            Values::BigInt(values) | Values::Time(values) | Values::Timestamp(values) | Values::TimestampTz(values) => {
                values.resize(rows, 0)
            }
            Values::Real(values) => values.resize(rows, 0.0),
            Values::Double(values) => values.resize(rows, 0.0),
            Values::Numeric { scaled, .. } => scaled.resize(rows, 0),
            Values::Interval(values) => values.resize(rows, IntervalMonthDayNano::ZERO),
            Values::Text(Texts { ends, bytes }) | Values::Json(Texts { ends, bytes }) => bytes.truncate(resize_ends(ends, rows)),
            Values::Bytea { ends, bytes } => bytes.truncate(resize_ends(ends, rows)),
            Values::Array { ends, elements, .. } => elements.truncate(resize_ends(ends, rows)),
        }
    }

    fn finish(self, mut present: NullBufferBuilder) -> Result<ArrayRef> {
        let nulls = present.finish();
        Ok(match self {
            Values::Boolean(mut values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::SmallInt(values) => Arc::new(Int16Array::new(values.into(), nulls)),
            Values::Integer(values) => Arc::new(Int32Array::new(values.into(), nulls)),
            Values::BigInt(values) => Arc::new(Int64Array::new(values.into(), nulls)),
            Values::Real(values) => Arc::new(Float32Array::new(values.into(), nulls)),
            Values::Double(values) => Arc::new(Float64Array::new(values.into(), nulls)),
            Values::Numeric { scaled, precision, scale } => {
                Arc::new(Decimal128Array::new(scaled.into(), nulls).with_precision_and_scale(precision, scale)?)
            }
            Values::Text(Texts { ends, bytes }) | Values::Json(Texts { ends, bytes }) => {
                Arc::new(StringArray::try_new(offsets(ends), Buffer::from_vec(bytes), nulls)?)
            }
            Values::Bytea { ends, bytes } => Arc::new(BinaryArray::try_new(offsets(ends), Buffer::from_vec(bytes), nulls)?),
            Values::Date(values) => Arc::new(Date32Array::new(values.into(), nulls)),
            Values::Time(values) => Arc::new(Time64MicrosecondArray::new(values.into(), nulls)),
            Values::Timestamp(values) => Arc::new(TimestampMicrosecondArray::new(values.into(), nulls)),
            Values::TimestampTz(values) => Arc::new(TimestampMicrosecondArray::new(values.into(), nulls).with_timezone("UTC")),
            Values::Interval(values) => Arc::new(IntervalMonthDayNanoArray::new(values.into(), nulls)),
            Values::Array { ends, elements, element } => {
                let count = elements.rows;
                let field = Arc::new(element.to_field("element", true));
                Arc::new(ListArray::try_new(field, offsets(ends), elements.finish(count)?, nulls)?)
            }
        })
    }
}

impl Texts {
    /// Appends the string at the cursor. One that has escapes is looked at twice.
    #[inline]
    fn take(&mut self, cursor: &Cursor<'_>) -> Option<usize> {
        let bytes = cursor.bytes();
        if bytes.get(cursor.at) != Some(&b'"') {
            return None;
        }
        let (start, len) = (cursor.at + 1, self.bytes.len());
        let mut end = text::copy_plain(bytes, start, &mut self.bytes);
        if bytes.get(end) != Some(&b'"') {
            self.bytes.truncate(len);
            end = text::end(bytes, start).ok()?.0;
            text::unescape(&bytes[start..end], &mut self.bytes);
        }
        self.end_value();
        Some(end + 1)
    }

    /// Appends the object or array at the cursor as it is written.
    fn take_nested(&mut self, cursor: &Cursor<'_>) -> Option<usize> {
        if !matches!(cursor.peek(), b'{' | b'[') {
            return None;
        }
        let mut ahead = *cursor;
        ahead.skip_value().ok()?;
        self.push(ahead.since(cursor.at));
        Some(ahead.at)
    }
}

#[inline]
fn push<T>(values: &mut Vec<T>, (value, end): (T, usize)) -> Option<usize> {
    values.push(value);
    Some(end)
}

/// The string at the cursor, if it is a date and time.
#[inline]
fn take_stamp(cursor: &Cursor<'_>) -> Option<(iso::Stamp, usize)> {
    let bytes = cursor.bytes();
    if bytes.get(cursor.at) != Some(&b'"') {
        return None;
    }
    let (stamp, end) = iso::stamp_at(bytes, cursor.at + 1)?;
    (bytes.get(end) == Some(&b'"')).then_some((stamp, end + 1))
}

/// The ends of no values, with room for those of so many.
fn no_ends(rows: usize) -> Vec<i32> {
    let mut ends = Vec::with_capacity(rows + 1);
    ends.push(0);
    ends
}

/// Makes `ends` tell of so many rows, and says where the last of them ends.
fn resize_ends(ends: &mut Vec<i32>, rows: usize) -> usize {
    let last = ends[rows.min(ends.len() - 1)];
    ends.resize(rows + 1, last);
    last as usize
}

fn offsets(ends: Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(ends))
}
