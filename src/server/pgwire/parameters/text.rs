//! Parameters as text, in the forms that PostgreSQL's input functions take.

use std::str::FromStr;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use datafusion::scalar::ScalarValue;

use super::array;
use super::interval;
use super::numeric::Number;
use crate::error::{Error, Result, SqlState};
use crate::model::SqlType;

pub fn decode(text: &str, sql_type: &SqlType) -> Result<ScalarValue> {
    let trimmed = text.trim_ascii();
    Ok(match sql_type {
        SqlType::Text => ScalarValue::Utf8(Some(text.to_string())),
        SqlType::Json => ScalarValue::Utf8(Some(json(text)?.to_string())),
        SqlType::Boolean => ScalarValue::Boolean(Some(boolean(trimmed).ok_or_else(|| invalid(text, sql_type))?)),
        SqlType::SmallInt => ScalarValue::Int16(Some(integer(trimmed, sql_type)?)),
        SqlType::Integer => ScalarValue::Int32(Some(integer(trimmed, sql_type)?)),
        SqlType::BigInt => ScalarValue::Int64(Some(integer(trimmed, sql_type)?)),
        SqlType::Real => ScalarValue::Float32(Some(float(trimmed, sql_type, f32::is_infinite)?)),
        SqlType::Double => ScalarValue::Float64(Some(float(trimmed, sql_type, f64::is_infinite)?)),
        SqlType::Numeric { precision, scale } => {
            let number = Number::parse(trimmed).ok_or_else(|| invalid(text, sql_type))?;
            number.to_scalar(*precision, *scale)?
        }
        SqlType::Bytea => ScalarValue::Binary(Some(bytea(text).ok_or_else(|| invalid(text, sql_type))?)),
        SqlType::Date | SqlType::Time | SqlType::Timestamp | SqlType::TimestampTz => {
            moment(trimmed, sql_type).ok_or_else(|| invalid_moment(text, sql_type))?
        }
        SqlType::Interval => {
            let interval = interval::parse(trimmed).ok_or_else(|| invalid_moment(text, sql_type))?;
            ScalarValue::IntervalMonthDayNano(Some(interval))
        }
        SqlType::Array(element) => array::decode_text(trimmed, element)?,
    })
}

pub fn invalid(text: &str, sql_type: &SqlType) -> Error {
    let name = match sql_type {
        SqlType::Numeric { .. } => "numeric".to_string(),
        other => other.name(),
    };
    Error::data(format!("invalid input syntax for type {name}: \"{text}\"")).with_state(SqlState::INVALID_TEXT_REPRESENTATION)
}

fn invalid_moment(text: &str, sql_type: &SqlType) -> Error {
    invalid(text, sql_type).with_state(SqlState::INVALID_DATETIME_FORMAT)
}

fn out_of_range(text: &str, sql_type: &SqlType) -> Error {
    Error::data(format!("value \"{text}\" is out of range for type {}", sql_type.name())).with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
}

/// Checked, not changed: json keeps its spaces and the order of its keys.
pub fn json(text: &str) -> Result<&str> {
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| {
        Error::data("invalid input syntax for type json")
            .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
            .with_hint(format!("the value is not json: {error}"))
    })?;
    Ok(text)
}

/// Any beginning of the words that is not ambiguous, as PostgreSQL reads them.
fn boolean(text: &str) -> Option<bool> {
    let text = text.to_ascii_lowercase();
    let begins = |word: &str, shortest: usize| text.len() >= shortest && word.starts_with(&text);
    if text == "1" || begins("true", 1) || begins("yes", 1) || begins("on", 2) {
        return Some(true);
    }
    (text == "0" || begins("false", 1) || begins("no", 1) || begins("off", 2)).then_some(false)
}

fn integer<T: FromStr<Err = std::num::ParseIntError>>(text: &str, sql_type: &SqlType) -> Result<T> {
    use std::num::IntErrorKind::{NegOverflow, PosOverflow};
    text.parse().map_err(|error: std::num::ParseIntError| match error.kind() {
        PosOverflow | NegOverflow => out_of_range(text, sql_type),
        _ => invalid(text, sql_type),
    })
}

fn float<T: FromStr + Copy>(text: &str, sql_type: &SqlType, is_infinite: fn(T) -> bool) -> Result<T> {
    let value: T = text.parse().map_err(|_| invalid(text, sql_type))?;
    match is_infinite(value) && !text.to_ascii_lowercase().contains("inf") {
        true => Err(out_of_range(text, sql_type)),
        false => Ok(value),
    }
}

/// `\x` and hexadecimal digits, or the older form with `\\` and `\ooo`.
fn bytea(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix("\\x") {
        Some(digits) => hexadecimal(digits.as_bytes()),
        None => escaped(text.as_bytes()),
    }
}

fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| (digit as char).to_digit(16).map(|value| value as u8);
    let pairs = digits.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let bytes: Option<Vec<u8>> = pairs.map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect();
    bytes.filter(|_| whole)
}

fn escaped(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    loop {
        text = match text {
            [] => return Some(bytes),
            [b'\\', b'\\', rest @ ..] => {
                bytes.push(b'\\');
                rest
            }
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', rest @ ..] => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                rest
            }
            [b'\\', ..] => return None,
            [byte, rest @ ..] => {
                bytes.push(*byte);
                rest
            }
        }
    }
}

/// Dates and times: Arrow's readers know PostgreSQL's forms.
fn moment(text: &str, sql_type: &SqlType) -> Option<ScalarValue> {
    let array: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let array = cast_with_options(&array, &sql_type.to_arrow(), &options).ok()?;
    ScalarValue::try_from_array(&array, 0).ok()
}
