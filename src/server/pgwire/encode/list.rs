//! Lists as PostgreSQL arrays: `{1,NULL,"a b"}`, and the binary form with its dimensions.

use arrow::array::{Array, AsArray, LargeListArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::Field;
use bytes::{BufMut, BytesMut};

use super::batch::write_framed;
use super::canonical::canonical;
use super::{Cell, binary, text};
use crate::error::{Error, Result};
use crate::model::SqlType;

pub(super) fn text_cell(list: &LargeListArray, element: &Field) -> Result<Box<dyn Cell>> {
    let quoting = match SqlType::from_field(element) {
        SqlType::Array(_) => Quoting::Never,
        _ => Quoting::WhereNeeded,
    };
    Ok(Box::new(ListText {
        offsets: list.offsets().clone(),
        nulls: list.values().logical_nulls(),
        element: text::cell(list.values(), element)?,
        quoting,
    }))
}

struct ListText {
    offsets: OffsetBuffer<i64>,
    nulls: Option<NullBuffer>,
    element: Box<dyn Cell>,
    quoting: Quoting,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quoting {
    /// The elements are arrays themselves.
    Never,
    WhereNeeded,
}

impl Cell for ListText {
    fn write(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        let (start, end) = (self.offsets[row] as usize, self.offsets[row + 1] as usize);
        out.put_u8(b'{');
        for index in start..end {
            if index > start {
                out.put_u8(b',');
            }
            if is_null(&self.nulls, index) {
                out.put_slice(b"NULL");
                continue;
            }
            let mark = out.len();
            self.element.write(index, out)?;
            if self.quoting == Quoting::WhereNeeded {
                quote_from(mark, out);
            }
        }
        out.put_u8(b'}');
        Ok(())
    }
}

/// Puts what was written since `mark` into quotes, if it could be misread without.
fn quote_from(mark: usize, out: &mut BytesMut) {
    let value = &out[mark..];
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'{' | b'}' | b',') || byte.is_ascii_whitespace() || *byte == 0x0b;
    if !value.is_empty() && !value.iter().any(special) && !value.eq_ignore_ascii_case(b"null") {
        return;
    }
    let value = out[mark..].to_vec();
    out.truncate(mark);
    out.put_u8(b'"');
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            out.put_u8(b'\\');
        }
        out.put_u8(byte);
    }
    out.put_u8(b'"');
}

pub(super) fn binary_cell(list: &LargeListArray, element: &Field) -> Result<Box<dyn Cell>> {
    ListBinary::new(list, element).map(|list| Box::new(list) as Box<dyn Cell>)
}

struct ListBinary {
    offsets: OffsetBuffer<i64>,
    nulls: Option<NullBuffer>,
    element: Element,
    /// Of the innermost elements.
    element_oid: u32,
}

enum Element {
    Value(Box<dyn Cell>),
    List(Box<ListBinary>),
}

impl ListBinary {
    fn new(list: &LargeListArray, element: &Field) -> Result<ListBinary> {
        let values = canonical(list.values())?;
        let (element, element_oid) = match values.data_type() {
            arrow::datatypes::DataType::LargeList(nested) => {
                let nested = ListBinary::new(values.as_list::<i64>(), nested)?;
                let element_oid = nested.element_oid;
                (Element::List(Box::new(nested)), element_oid)
            }
            _ => (Element::Value(binary::cell(&values, element)?), SqlType::from_field(element).oid()),
        };
        Ok(ListBinary { offsets: list.offsets().clone(), nulls: values.logical_nulls(), element, element_oid })
    }

    fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    /// The length of each dimension of the value in `row`, outermost first. Those of the first elements; `put` checks the others.
    fn dimensions(&self, row: usize) -> Vec<usize> {
        let range = self.range(row);
        let mut dimensions = vec![range.len()];
        if let (Element::List(nested), false) = (&self.element, range.is_empty() || is_null(&self.nulls, range.start)) {
            dimensions.extend(nested.dimensions(range.start));
        }
        dimensions
    }

    fn put(&self, row: usize, dimensions: &[usize], out: &mut BytesMut) -> Result<Nulls> {
        let range = self.range(row);
        if dimensions.first() != Some(&range.len()) {
            return Err(ragged());
        }
        let mut seen = Nulls::None;
        for index in range {
            let null = is_null(&self.nulls, index);
            match &self.element {
                Element::List(_) if null => return Err(ragged()),
                Element::List(nested) => seen = seen.max(nested.put(index, &dimensions[1..], out)?),
                Element::Value(_) if null => {
                    seen = Nulls::Some;
                    out.put_i32(-1);
                }
                Element::Value(cell) => write_framed(cell.as_ref(), index, out)?,
            }
        }
        Ok(seen)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nulls {
    None,
    Some,
}

impl Cell for ListBinary {
    fn write(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        let dimensions = self.dimensions(row);
        let empty = dimensions.contains(&0);
        out.put_i32(if empty { 0 } else { dimensions.len() as i32 });
        let nulls_at = out.len();
        out.put_i32(0);
        out.put_u32(self.element_oid);
        if empty {
            return Ok(());
        }
        for length in &dimensions {
            out.put_i32(*length as i32);
            out.put_i32(1);
        }
        if self.put(row, &dimensions, out)? == Nulls::Some {
            out[nulls_at..nulls_at + 4].copy_from_slice(&1_i32.to_be_bytes());
        }
        Ok(())
    }
}

fn is_null(nulls: &Option<NullBuffer>, index: usize) -> bool {
    nulls.as_ref().is_some_and(|nulls| nulls.is_null(index))
}

fn ragged() -> Error {
    Error::unsupported("an array whose rows differ in length has no binary form").with_hint("ask for text, or cast the column to text")
}
