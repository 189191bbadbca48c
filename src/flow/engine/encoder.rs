//! Some columns of a batch as byte strings, one per row, and back. Two rows are equal where their strings are.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema};
use arrow::row::{RowConverter, Rows, SortField};

use crate::error::{Error, Result};

pub struct Encoder {
    columns: Vec<usize>,
    /// `None` where there are no columns: the library would not know how many rows there are.
    converter: Option<RowConverter>,
}

/// The strings of one batch.
pub struct Encoded(Option<Rows>);

impl Encoder {
    /// Errors: `Unsupported` if a column is of a type that cannot be compared.
    pub fn new(schema: &Schema, columns: Vec<usize>) -> Result<Encoder> {
        let fields = columns.iter().map(|column| sort_field(schema, *column)).collect::<Result<Vec<_>>>()?;
        let converter = match fields.is_empty() {
            true => None,
            false => Some(RowConverter::new(fields)?),
        };
        Ok(Encoder { columns, converter })
    }

    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    pub fn encode(&self, rows: &RecordBatch) -> Result<Encoded> {
        self.encode_columns(&self.columns.iter().map(|column| rows.column(*column).clone()).collect::<Vec<_>>())
    }

    /// Of the columns themselves, in the order the encoder was given them.
    pub fn encode_columns(&self, columns: &[ArrayRef]) -> Result<Encoded> {
        let Some(converter) = &self.converter else { return Ok(Encoded(None)) };
        Ok(Encoded(Some(converter.convert_columns(columns)?)))
    }

    /// The columns, in the order the encoder was given them.
    pub fn decode<'a>(&self, strings: impl Iterator<Item = &'a [u8]>) -> Result<Vec<ArrayRef>> {
        let Some(converter) = &self.converter else { return Ok(vec![]) };
        let parser = converter.parser();
        Ok(converter.convert_rows(strings.map(|bytes| parser.parse(bytes)))?)
    }
}

impl Encoded {
    pub fn row(&self, row: usize) -> &[u8] {
        self.0.as_ref().map_or(&[], |rows| rows.row(row).data())
    }
}

fn sort_field(schema: &Schema, column: usize) -> Result<SortField> {
    let field = schema.field(column);
    let sort_field = SortField::new(field.data_type().clone());
    match RowConverter::supports_fields(std::slice::from_ref(&sort_field)) && !holds_map(field.data_type()) {
        true => Ok(sort_field),
        false => Err(Error::unsupported(format!("column \"{}\" has a type that cannot be kept in a view", field.name()))
            .with_detail(format!("its type is {}", field.data_type()))
            .with_hint("cast it to text or jsonb")),
    }
}

fn holds_map(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) | DataType::Union(..) => true,
        DataType::List(field) | DataType::LargeList(field) => holds_map(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| holds_map(field.data_type())),
        _ => false,
    }
}

/// A batch of all columns of `schema`, of which `parts` gives some each: the places and the arrays.
pub fn assemble(schema: &Arc<Schema>, parts: [(&[usize], Vec<ArrayRef>); 2], count: usize) -> Result<RecordBatch> {
    let mut columns: Vec<Option<ArrayRef>> = vec![None; schema.fields().len()];
    for (places, arrays) in parts {
        for (place, array) in places.iter().zip(arrays) {
            columns[*place] = Some(array);
        }
    }
    let columns = columns.into_iter().map(|column| column.expect("the parts give every column")).collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}
