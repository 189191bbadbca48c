//! Array parameters: `{1,NULL,"a b"}` and the binary form. They become lists; of more than one dimension, lists of lists.

use std::sync::Arc;

use arrow::array::{ListArray, new_empty_array};
use arrow::buffer::OffsetBuffer;
use datafusion::scalar::ScalarValue;

use super::binary::{fixed, malformed};
use super::{binary, null, text};
use crate::error::{Error, Result};
use crate::model::SqlType;

/// PostgreSQL's limit.
const DIMENSIONS_MAX: usize = 6;

pub fn decode_text(literal: &str, element: &SqlType) -> Result<ScalarValue> {
    let mut reader = Reader { rest: literal };
    let list = reader.list(element, DIMENSIONS_MAX)?;
    match reader.rest.trim_ascii() {
        "" => Ok(list),
        _ => Err(malformed_literal(literal)),
    }
}

pub fn decode_binary(bytes: &[u8], element: &SqlType) -> Result<ScalarValue> {
    let mut rest = bytes;
    let dimensions = word(&mut rest)? as usize;
    let _has_nulls = word(&mut rest)?;
    let oid = word(&mut rest)?;
    if dimensions > DIMENSIONS_MAX {
        return Err(malformed());
    }
    let lengths = (0..dimensions).map(|_| {
        let length = word(&mut rest)? as usize;
        let _lower_bound = word(&mut rest)?;
        Ok(length)
    });
    let lengths = lengths.collect::<Result<Vec<_>>>()?;
    let list = match lengths.is_empty() {
        true => list(element, vec![])?,
        false => binary_list(&mut rest, &lengths, oid, element)?,
    };
    match rest.is_empty() {
        true => Ok(list),
        false => Err(malformed()),
    }
}

fn binary_list(rest: &mut &[u8], lengths: &[usize], oid: u32, element: &SqlType) -> Result<ScalarValue> {
    // Every element has at least its length word: a count that the message cannot hold is not worth a loop.
    if lengths[0] > rest.len() / 4 {
        return Err(malformed());
    }
    let values = (0..lengths[0]).map(|_| match (&lengths[1..], element) {
        ([], _) => binary_value(rest, oid, element),
        (inner, SqlType::Array(inner_element)) => binary_list(rest, inner, oid, inner_element),
        _ => Err(malformed()),
    });
    list(element, values.collect::<Result<_>>()?)
}

fn binary_value(rest: &mut &[u8], oid: u32, element: &SqlType) -> Result<ScalarValue> {
    let length = word(rest)? as i32;
    if length == -1 {
        return null(element);
    }
    binary::decode(take(rest, length.try_into().map_err(|_| malformed())?)?, oid, element)
}

fn word(rest: &mut &[u8]) -> Result<u32> {
    Ok(u32::from_be_bytes(fixed(take(rest, 4)?)?))
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count).ok_or_else(malformed)?;
    *rest = left;
    Ok(taken)
}

fn list(element: &SqlType, values: Vec<ScalarValue>) -> Result<ScalarValue> {
    let field = Arc::new(element.to_field("element", true));
    let offsets = OffsetBuffer::from_lengths([values.len()]);
    let values = match values.is_empty() {
        true => new_empty_array(field.data_type()),
        false => ScalarValue::iter_to_array(values)?,
    };
    Ok(ScalarValue::List(Arc::new(ListArray::try_new(field, offsets, values, None)?)))
}

/// Reads an array literal from the front.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn list(&mut self, element: &SqlType, depth_left: usize) -> Result<ScalarValue> {
        self.expect('{')?;
        let mut values = Vec::new();
        if self.accept('}') {
            return list(element, values);
        }
        loop {
            values.push(self.item(element, depth_left)?);
            if self.accept('}') {
                return list(element, values);
            }
            self.expect(',')?;
        }
    }

    fn item(&mut self, element: &SqlType, depth_left: usize) -> Result<ScalarValue> {
        self.rest = self.rest.trim_ascii_start();
        match (self.rest.starts_with('{'), element) {
            (true, SqlType::Array(inner)) if depth_left > 1 => self.list(inner, depth_left - 1),
            (true, _) => Err(malformed_literal(self.rest)),
            (false, _) if self.rest.starts_with('"') => text::decode(&self.quoted()?, element),
            (false, _) => match self.bare()? {
                word if word.eq_ignore_ascii_case("null") => null(element),
                word => text::decode(&word, element),
            },
        }
    }

    fn quoted(&mut self) -> Result<String> {
        let mut value = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(value);
                }
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                other => value.push(other),
            }
        }
        Err(malformed_literal(self.rest))
    }

    /// A value without quotes. A backslash still makes what follows ordinary.
    fn bare(&mut self) -> Result<String> {
        let mut value = String::new();
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                ',' | '}' if !value.trim_ascii().is_empty() => {
                    self.rest = &self.rest[at..];
                    return Ok(value.trim_ascii_end().to_string());
                }
                ',' | '}' | '{' | '"' => return Err(malformed_literal(self.rest)),
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                other => value.push(other),
            }
        }
        Err(malformed_literal(self.rest))
    }

    fn accept(&mut self, expected: char) -> bool {
        let rest = self.rest.trim_ascii_start();
        match rest.strip_prefix(expected) {
            Some(after) => {
                self.rest = after;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, expected: char) -> Result<()> {
        match self.accept(expected) {
            true => Ok(()),
            false => Err(malformed_literal(self.rest)),
        }
    }
}

fn malformed_literal(literal: &str) -> Error {
    Error::data(format!("malformed array literal: \"{literal}\""))
        .with_state(crate::error::SqlState::INVALID_TEXT_REPRESENTATION)
        .with_hint("an array is written {1,2,NULL} or {\"a b\",c}")
}
