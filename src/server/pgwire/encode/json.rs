//! Values that SQL has no type for (structs, maps, unions) as json text.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray, UnionArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field};
use bytes::{BufMut, BytesMut};

use super::canonical::canonical;
use super::{Cell, text};
use crate::error::Result;
use crate::model::SqlType;

/// The name of Arrow's own mark for text that is json, which the json functions put on their results.
const EXTENSION_NAME_KEY: &str = "ARROW:extension:name";
const EXTENSION_NAME_JSON: &str = "arrow.json";

pub(super) fn cell(array: &ArrayRef, field: &Field) -> Result<Box<dyn Cell>> {
    Ok(Box::new(Node::new(array, field)?))
}

/// A column of json values, with what it is made of.
struct Node {
    nulls: Option<NullBuffer>,
    value: Value,
}

enum Value {
    /// Text that is json already: numbers, and columns of type json.
    Bare(Box<dyn Cell>),
    Boolean(arrow::array::BooleanArray),
    Quoted(Box<dyn Cell>),
    /// Finite numbers are bare, the others have no json form and are quoted.
    Float(Box<dyn Cell>),
    Object(Vec<(String, Node)>),
    Array(OffsetBuffer<i64>, Box<Node>),
    Map(OffsetBuffer<i32>, Box<Node>, Box<Node>),
    Union(UnionArray, Vec<(i8, Node)>),
}

impl Cell for Node {
    fn write(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out.put_slice(b"null");
            return Ok(());
        }
        match &self.value {
            Value::Bare(cell) => cell.write(row, out),
            Value::Boolean(array) => {
                out.put_slice(if array.value(row) { b"true" } else { b"false" });
                Ok(())
            }
            Value::Quoted(cell) => write_quoted(cell.as_ref(), row, out),
            Value::Float(cell) => write_float(cell.as_ref(), row, out),
            Value::Object(fields) => write_object(fields, row, out),
            Value::Array(offsets, element) => write_array(element, offsets[row] as usize..offsets[row + 1] as usize, out),
            Value::Map(offsets, keys, values) => write_map(keys, values, offsets[row] as usize..offsets[row + 1] as usize, out),
            Value::Union(array, children) => write_union(array, children, row, out),
        }
    }
}

impl Node {
    fn new(array: &ArrayRef, field: &Field) -> Result<Node> {
        let array = canonical(array)?;
        let value = match array.data_type() {
            DataType::Boolean => Value::Boolean(array.as_boolean().clone()),
            DataType::Int16 | DataType::Int32 | DataType::Int64 | DataType::Decimal128(..) | DataType::Decimal256(..) => {
                Value::Bare(text::cell(&array, field)?)
            }
            DataType::Float32 | DataType::Float64 => Value::Float(text::cell(&array, field)?),
            DataType::Struct(fields) => {
                let children = fields.iter().zip(array.as_struct().columns());
                let children = children.map(|(field, child)| Ok((key_text(field.name()), Node::new(child, field)?)));
                Value::Object(children.collect::<Result<_>>()?)
            }
            DataType::LargeList(element) => {
                let list = array.as_list::<i64>();
                Value::Array(list.offsets().clone(), Box::new(Node::new(list.values(), element)?))
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let fields = map.entries().fields();
                let keys = Node { nulls: None, value: Value::Quoted(text::cell(map.keys(), &fields[0])?) };
                Value::Map(map.offsets().clone(), Box::new(keys), Box::new(Node::new(map.values(), &fields[1])?))
            }
            DataType::Union(fields, _) => {
                let union = array.as_any().downcast_ref::<UnionArray>().expect("its type says it is a union");
                let children = fields.iter().map(|(id, field)| Ok((id, Node::new(union.child(id), field)?)));
                Value::Union(union.clone(), children.collect::<Result<_>>()?)
            }
            _ if is_json(field) => Value::Bare(text::cell(&array, field)?),
            _ => Value::Quoted(text::cell(&array, field)?),
        };
        Ok(Node { nulls: array.logical_nulls(), value })
    }
}

fn is_json(field: &Field) -> bool {
    SqlType::from_field(field) == SqlType::Json || field.metadata().get(EXTENSION_NAME_KEY).is_some_and(|name| name == EXTENSION_NAME_JSON)
}

fn key_text(name: &str) -> String {
    let mut key = BytesMut::new();
    key.put_slice(name.as_bytes());
    quote_from(0, &mut key);
    key.put_u8(b':');
    String::from_utf8(key.to_vec()).expect("quoting keeps text whole")
}

fn write_object(fields: &[(String, Node)], row: usize, out: &mut BytesMut) -> Result<()> {
    out.put_u8(b'{');
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        out.put_slice(key.as_bytes());
        value.write(row, out)?;
    }
    out.put_u8(b'}');
    Ok(())
}

fn write_array(element: &Node, range: std::ops::Range<usize>, out: &mut BytesMut) -> Result<()> {
    let start = range.start;
    out.put_u8(b'[');
    for index in range {
        if index > start {
            out.put_u8(b',');
        }
        element.write(index, out)?;
    }
    out.put_u8(b']');
    Ok(())
}

fn write_map(keys: &Node, values: &Node, range: std::ops::Range<usize>, out: &mut BytesMut) -> Result<()> {
    let start = range.start;
    out.put_u8(b'{');
    for index in range {
        if index > start {
            out.put_u8(b',');
        }
        keys.write(index, out)?;
        out.put_u8(b':');
        values.write(index, out)?;
    }
    out.put_u8(b'}');
    Ok(())
}

fn write_union(array: &UnionArray, children: &[(i8, Node)], row: usize, out: &mut BytesMut) -> Result<()> {
    let id = array.type_id(row);
    match children.iter().find(|(child, _)| *child == id) {
        Some((_, child)) => child.write(array.value_offset(row), out),
        None => {
            out.put_slice(b"null");
            Ok(())
        }
    }
}

fn write_quoted(cell: &dyn Cell, row: usize, out: &mut BytesMut) -> Result<()> {
    let mark = out.len();
    cell.write(row, out)?;
    quote_from(mark, out);
    Ok(())
}

fn write_float(cell: &dyn Cell, row: usize, out: &mut BytesMut) -> Result<()> {
    let mark = out.len();
    cell.write(row, out)?;
    if matches!(out.last(), Some(b'N' | b'y')) {
        quote_from(mark, out);
    }
    Ok(())
}

/// Makes a json string of what was written since `mark`.
fn quote_from(mark: usize, out: &mut BytesMut) {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    if !out[mark..].iter().any(special) {
        out.put_u8(b'"');
        out[mark..].rotate_right(1);
        out.put_u8(b'"');
        return;
    }
    let value = out[mark..].to_vec();
    out.truncate(mark);
    out.put_u8(b'"');
    for byte in value {
        match byte {
            b'"' => out.put_slice(b"\\\""),
            b'\\' => out.put_slice(b"\\\\"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            0..0x20 => write!(out, "\\u{byte:04x}").expect("a buffer grows as it must"),
            _ => out.put_u8(byte),
        }
    }
    out.put_u8(b'"');
}
