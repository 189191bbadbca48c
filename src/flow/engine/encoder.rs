//! Some columns of a batch as byte strings, one per row, and back. Two rows are equal where their strings are, and strings compare as rows do.
//!
//! SQL knows floats that are equal and not the same: 0.0 and −0.0. A key has one string for them; a row keeps what it is.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema};
use arrow::row::{RowConverter, Rows, SortField};

use crate::error::{Error, Result};

pub struct Encoder {
    columns: Vec<usize>,
    /// So many of the columns, the first, are a key.
    keys: usize,
    /// `None` where there are no columns: the library would not know how many rows there are.
    converter: Option<RowConverter>,
}

/// The strings of one batch.
pub struct Encoded(Option<Rows>);

impl Encoder {
    /// Of whole rows: what is decoded is what was encoded, to the bit. Errors: `Unsupported` if a column is of a type that cannot be compared.
    pub fn of_rows(schema: &Schema, columns: Vec<usize>) -> Result<Encoder> {
        Encoder::new(schema, vec![], columns.into_iter().map(|column| (column, SortOptions::default())).collect())
    }

    /// Of what rows are found by: values that are equal in SQL have one string, so −0.0 is 0.0 and there is one NaN.
    pub fn of_keys(schema: &Schema, columns: Vec<usize>) -> Result<Encoder> {
        Encoder::new(schema, columns, vec![])
    }

    /// The columns of a key, and then others: the strings of one key compare as the rows do by these others, the first of them first. The
    /// strings of fewer columns are how those of more begin.
    pub fn ordered(schema: &Schema, key: Vec<usize>, order: Vec<(usize, SortOptions)>) -> Result<Encoder> {
        Encoder::new(schema, key, order)
    }

    fn new(schema: &Schema, key: Vec<usize>, rest: Vec<(usize, SortOptions)>) -> Result<Encoder> {
        let keys = key.len();
        let all: Vec<_> = key.into_iter().map(|column| (column, SortOptions::default())).chain(rest).collect();
        let fields = all.iter().map(|(column, options)| sort_field(schema, *column, *options)).collect::<Result<Vec<_>>>()?;
        let columns = all.into_iter().map(|(column, _)| column).collect();
        let converter = match fields.is_empty() {
            true => None,
            false => Some(RowConverter::new(fields)?),
        };
        Ok(Encoder { columns, keys, converter })
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
        let normal = |(place, column): (usize, &ArrayRef)| if place < self.keys { normal(column) } else { column.clone() };
        let columns: Vec<ArrayRef> = columns.iter().enumerate().map(normal).collect();
        Ok(Encoded(Some(converter.convert_columns(&columns)?)))
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

/// Whether equal values of a type may differ in their bits.
pub fn equal_values_differ(data_type: &DataType) -> bool {
    data_type.is_floating()
}

/// Of equal values always the same one.
fn normal(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Float64 => {
            let normal = |value: f64| if value.is_nan() { f64::NAN } else { value + 0.0 };
            Arc::new(column.as_primitive::<Float64Type>().unary::<_, Float64Type>(normal))
        }
        DataType::Float32 => {
            let normal = |value: f32| if value.is_nan() { f32::NAN } else { value + 0.0 };
            Arc::new(column.as_primitive::<Float32Type>().unary::<_, Float32Type>(normal))
        }
        _ => column.clone(),
    }
}

fn sort_field(schema: &Schema, column: usize, options: SortOptions) -> Result<SortField> {
    let field = schema.field(column);
    let sort_field = SortField::new_with_options(field.data_type().clone(), options);
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

/// A batch of all columns of `schema`, of which `parts` gives some each: the places and the arrays. The later part counts.
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
