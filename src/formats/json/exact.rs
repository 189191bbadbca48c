//! Declared columns: a value fits the type exactly, or the record is refused.

use arrow::compute::kernels::cast_utils::parse_interval_month_day_nano;

use super::base64;
use super::column::{Column, Values};
use super::iso::{self, Zone};
use super::number;
use super::scan::{Behind, Cursor};
use super::value::Value;

/// No double tells neighbours apart up here; what is beyond cannot be compared in 128 bits.
const INTEGER_BITS_MAX: u32 = 120;

/// The value is not of the column's type.
pub struct Misfit;

impl Column {
    /// Takes a value that is not null; `source` is how it is written. After a misfit the row must be taken back.
    pub fn put(&mut self, value: &Value<'_>, source: &str, row: usize) -> Result<(), Misfit> {
        self.catch_up(row);
        self.values.put(value, source).ok_or(Misfit)?;
        self.advance();
        Ok(())
    }
}

impl Values {
    fn put(&mut self, value: &Value<'_>, source: &str) -> Option<()> {
        match (self, value) {
            (Values::Boolean(values), Value::Boolean(value)) => values.append(*value),
            (Values::SmallInt(values), Value::Number(literal)) => values.push(integer(literal)?),
            (Values::Integer(values), Value::Number(literal)) => values.push(integer(literal)?),
            (Values::BigInt(values), Value::Number(literal)) => values.push(integer(literal)?),
            (Values::Real(values), Value::Number(literal)) => values.push(real(literal)?),
            (Values::Double(values), Value::Number(literal)) => values.push(double(literal)?),
            (Values::Numeric { scaled, precision, scale }, value) => scaled.push(numeric(value, *precision, *scale)?),
            (Values::Text(texts), Value::Text(text)) => texts.push(text),
            (Values::Json(texts), _) => texts.push(source),
            (Values::Bytea { ends, bytes }, Value::Text(text)) => {
                base64::decode(text, bytes)?;
                ends.push(bytes.len() as i32);
            }
            (Values::Date(values), Value::Text(text)) => values.push(iso::date(text)?),
            (Values::Time(values), Value::Text(text)) => values.push(iso::time(text)?),
            (Values::Timestamp(values), Value::Text(text)) => {
                let stamp = iso::stamp(text).filter(|stamp| matches!(stamp.zone, Zone::Utc | Zone::Unsaid))?;
                values.push(stamp.local_micros);
            }
            (Values::TimestampTz(values), Value::Text(text)) => values.push(iso::instant(text)?),
            (Values::Interval(values), Value::Text(text)) => values.push(parse_interval_month_day_nano(text).ok()?),
            (Values::Array { ends, elements, .. }, Value::Nested(json)) => {
                put_elements(elements, json)?;
                ends.push(elements.rows() as i32);
            }
            _ => return None,
        }
        Some(())
    }
}

fn put_elements(elements: &mut Column, json: &str) -> Option<()> {
    let mut cursor = Cursor::new(json);
    if cursor.peek() != b'[' {
        return None;
    }
    cursor.enter().ok()?;
    let mut behind = Behind::Opening;
    while cursor.next_element(behind).ok()?.is_some() {
        let (start, next) = (cursor.at, elements.rows());
        match Value::read(&mut cursor).ok()? {
            Value::Null => elements.catch_up(next + 1),
            value => elements.put(&value, cursor.since(start), next).ok()?,
        }
        behind = Behind::Member;
    }
    Some(())
}

fn integer<T: TryFrom<i128>>(literal: &str) -> Option<T> {
    number::scaled(literal, 0)?.try_into().ok()
}

/// The nearest double, except that an integer is told to its last digit.
fn double(literal: &str) -> Option<f64> {
    let value: f64 = literal.parse().ok()?;
    let kept = !number::is_integer(literal) || number::scaled(literal, 0).is_some_and(|whole| is_small(whole) && value as i128 == whole);
    (value.is_finite() && kept).then_some(value)
}

fn real(literal: &str) -> Option<f32> {
    let value: f32 = literal.parse().ok()?;
    let kept = !number::is_integer(literal) || number::scaled(literal, 0).is_some_and(|whole| is_small(whole) && value as i128 == whole);
    (value.is_finite() && kept).then_some(value)
}

fn is_small(whole: i128) -> bool {
    whole.unsigned_abs() < 1 << INTEGER_BITS_MAX
}

fn numeric(value: &Value<'_>, precision: u8, scale: i8) -> Option<i128> {
    let literal = match value {
        Value::Number(literal) => *literal,
        Value::Text(text) if is_number(text) => text,
        _ => return None,
    };
    let limit = 10u128.checked_pow(precision as u32)?;
    number::scaled(literal, scale).filter(|scaled| scaled.unsigned_abs() < limit)
}

fn is_number(text: &str) -> bool {
    let mut cursor = Cursor::new(text);
    cursor.at == 0 && cursor.number().is_ok_and(|literal| literal.len() == text.len())
}
