//! One value of a record, as it is written and as it settles to a type.

use std::borrow::Cow;
use std::fmt;

use crate::model::SqlType;

use super::flaw::Flaw;
use super::iso;
use super::number::{self, Number};
use super::scan::Cursor;

/// Characters of a value that a reason shows.
const SHOWN_CHARACTERS_MAX: usize = 64;

/// A value as it is written.
pub enum Value<'a> {
    Null,
    Boolean(bool),
    /// The literal.
    Number(&'a str),
    Text(Cow<'a, str>),
    /// The source text of an object or array.
    Nested(&'a str),
}

impl<'a> Value<'a> {
    /// Reads the value that begins at the cursor.
    pub fn read(cursor: &mut Cursor<'a>) -> Result<Value<'a>, Flaw> {
        let start = cursor.at;
        Ok(match cursor.peek() {
            b'"' => Value::Text(cursor.string()?.value()),
            b'-' | b'0'..=b'9' => Value::Number(cursor.number()?),
            first => {
                cursor.skip_value()?;
                match first {
                    b'n' => Value::Null,
                    b't' => Value::Boolean(true),
                    b'f' => Value::Boolean(false),
                    _ => Value::Nested(cursor.since(start)),
                }
            }
        })
    }
}

/// For reasons: `text "abc"`.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Boolean(value) => write!(f, "boolean {value}"),
            Value::Number(literal) => write!(f, "number {}", shown(literal)),
            Value::Text(text) => write!(f, "text \"{}\"", shown(text)),
            Value::Nested(json) => write!(f, "json {}", shown(json)),
        }
    }
}

/// The beginning of a text, on one line.
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARACTERS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// What a value settles to where no type was declared.
pub enum Reading<'v> {
    Boolean(bool),
    BigInt(i64),
    Double(f64),
    /// A string, or a number that neither bigint nor double holds exactly.
    Text(&'v str),
    /// Microseconds since 1970 in UTC, and the text that says so.
    TimestampTz(i64, &'v str),
    Json(&'v str),
}

impl<'v> Reading<'v> {
    /// Null settles to nothing.
    pub fn of(value: &'v Value<'_>) -> Option<Reading<'v>> {
        Some(match value {
            Value::Null => return None,
            Value::Boolean(value) => Reading::Boolean(*value),
            Value::Number(literal) => match number::settle(literal) {
                Number::BigInt(value) => Reading::BigInt(value),
                Number::Double(value) => Reading::Double(value),
                Number::Unheld => Reading::Text(literal),
            },
            Value::Text(text) => match iso::instant(text) {
                Some(micros) => Reading::TimestampTz(micros, text),
                None => Reading::Text(text),
            },
            Value::Nested(json) => Reading::Json(json),
        })
    }

    /// The type of a column that is found for it.
    pub fn data_type(&self) -> SqlType {
        match self {
            Reading::Boolean(_) => SqlType::Boolean,
            Reading::BigInt(_) => SqlType::BigInt,
            Reading::Double(_) => SqlType::Double,
            Reading::Text(_) => SqlType::Text,
            Reading::TimestampTz(_, _) => SqlType::TimestampTz,
            Reading::Json(_) => SqlType::Json,
        }
    }
}
