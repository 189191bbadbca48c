//! How a catalog table is written down: its columns, and for each what a row puts there.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int16Array, Int32Array, RecordBatch, StringArray, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;
use datafusion_pg_catalog::pg_catalog::oid_field;

pub struct Column<R> {
    pub name: &'static str,
    pub fill: Fill<R>,
}

/// The type of a column and where its values come from.
pub enum Fill<R> {
    Oid(fn(&R) -> i32),
    Integer(fn(&R) -> i32),
    SmallInt(fn(&R) -> i16),
    Double(fn(&R) -> f64),
    Text(fn(&R) -> &str),
    /// NULL where there is none.
    IntegerOrNull(fn(&R) -> Option<i32>),
    Boolean(fn(&R) -> bool),
    /// What we have none of: always NULL, of the type given.
    Null(DataType),
}

pub fn schema<R>(columns: &[Column<R>]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(Column::field).collect::<Vec<_>>()))
}

pub fn batch<R>(columns: &[Column<R>], rows: &[R], schema: SchemaRef) -> Result<RecordBatch> {
    Ok(RecordBatch::try_new(schema, columns.iter().map(|column| column.array(rows)).collect())?)
}

/// The type of access lists and options.
pub fn text_list() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

impl<R> Column<R> {
    fn field(&self) -> Field {
        match &self.fill {
            Fill::Oid(_) => oid_field::oid_field(self.name, oid_field::kind::OID, false),
            Fill::Integer(_) => Field::new(self.name, DataType::Int32, false),
            Fill::SmallInt(_) => Field::new(self.name, DataType::Int16, false),
            Fill::Double(_) => Field::new(self.name, DataType::Float64, false),
            Fill::Text(_) => Field::new(self.name, DataType::Utf8, false),
            Fill::IntegerOrNull(_) => Field::new(self.name, DataType::Int32, true),
            Fill::Boolean(_) => Field::new(self.name, DataType::Boolean, false),
            Fill::Null(data_type) => Field::new(self.name, data_type.clone(), true),
        }
    }

    fn array(&self, rows: &[R]) -> ArrayRef {
        match &self.fill {
            Fill::Oid(value) | Fill::Integer(value) => Arc::new(rows.iter().map(value).collect::<Int32Array>()),
            Fill::SmallInt(value) => Arc::new(rows.iter().map(value).collect::<Int16Array>()),
            Fill::Double(value) => Arc::new(rows.iter().map(value).collect::<Float64Array>()),
            Fill::Text(value) => Arc::new(StringArray::from_iter_values(rows.iter().map(value))),
            Fill::IntegerOrNull(value) => Arc::new(rows.iter().map(value).collect::<Int32Array>()),
            Fill::Boolean(value) => Arc::new(rows.iter().map(|row| Some(value(row))).collect::<BooleanArray>()),
            Fill::Null(data_type) => new_null_array(data_type, rows.len()),
        }
    }
}

/// `columns![Row; Oid "oid" => |row| row.oid, …]`: the table as it is read.
macro_rules! columns {
    ($($fill:ident $name:literal => $value:expr),* $(,)?) => {
        vec![$($crate::query::pg_catalog::table::Column {
            name: $name,
            fill: $crate::query::pg_catalog::table::Fill::$fill($value),
        }),*]
    };
}
pub(super) use columns;
