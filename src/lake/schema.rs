//! Arrow ↔ Delta schemas. Delta's own JSON form is read and written by the Delta library; what Arrow says more is kept in field metadata.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit};
use deltalake::kernel::StructType;
use deltalake::kernel::engine::arrow_conversion::{TryIntoArrow, TryIntoKernel};

use crate::error::{Error, Result, SqlState};
use crate::model::SqlType;
use crate::model::types::TYPE_METADATA_KEY;

/// Delta has no metadata on the elements of an array, so an array of json says it on the column.
const JSON_ELEMENTS: &str = "json[]";

/// The schema as Delta writes it.
pub fn to_delta(schema: &Schema) -> Result<String> {
    let fields: Vec<_> = schema.fields().iter().map(mark_json_elements).collect();
    let delta: StructType = (&Schema::new(fields)).try_into_kernel().map_err(|error: arrow::error::ArrowError| {
        Error::unsupported("a table cannot hold a column of this type").with_detail(error.to_string())
    })?;
    Ok(serde_json::to_string(&delta)?)
}

/// The schema of a `schemaString`.
pub fn from_delta(text: &str) -> Result<SchemaRef> {
    let unreadable = || Error::data("the table's schema cannot be read").with_state(SqlState::DATA_CORRUPTED);
    let delta: StructType = serde_json::from_str(text).map_err(|error| unreadable().with_cause(error))?;
    let arrow: Schema = (&delta).try_into_arrow().map_err(|error: arrow::error::ArrowError| unreadable().with_cause(error))?;
    Ok(Arc::new(Schema::new(arrow.fields().iter().map(restore_json_elements).collect::<Vec<_>>())))
}

/// Whether a column of one field can be appended to with values of the other: the same type, whatever the metadata inside.
pub fn same_type(left: &Field, right: &Field) -> bool {
    left.data_type().equals_datatype(right.data_type()) && SqlType::from_field(left) == SqlType::from_field(right)
}

/// A timestamp without time zone needs a table feature of its own.
pub fn has_timestamp_without_zone(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(TimeUnit::Microsecond, None) => true,
        DataType::List(element) => has_timestamp_without_zone(element.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_timestamp_without_zone(field.data_type())),
        DataType::Map(entries, _) => has_timestamp_without_zone(entries.data_type()),
        _ => false,
    }
}

fn mark_json_elements(field: &FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::List(_) if has_json_elements(field.data_type()) => {
            let mut metadata = field.metadata().clone();
            metadata.insert(TYPE_METADATA_KEY.to_string(), JSON_ELEMENTS.to_string());
            Arc::new(field.as_ref().clone().with_metadata(metadata))
        }
        _ => field.clone(),
    }
}

fn has_json_elements(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(element) => {
            element.metadata().get(TYPE_METADATA_KEY).is_some_and(|kind| kind == "json") || has_json_elements(element.data_type())
        }
        _ => false,
    }
}

fn restore_json_elements(field: &FieldRef) -> FieldRef {
    match field.metadata().get(TYPE_METADATA_KEY) {
        Some(kind) if kind == JSON_ELEMENTS => {
            let mut metadata = field.metadata().clone();
            metadata.remove(TYPE_METADATA_KEY);
            let data_type = with_json_elements(field.data_type());
            Arc::new(field.as_ref().clone().with_data_type(data_type).with_metadata(metadata))
        }
        _ => field.clone(),
    }
}

fn with_json_elements(data_type: &DataType) -> DataType {
    let DataType::List(element) = data_type else { return data_type.clone() };
    let element = match element.data_type() {
        DataType::List(_) => element.as_ref().clone().with_data_type(with_json_elements(element.data_type())),
        _ => SqlType::Json.to_field(element.name(), element.is_nullable()),
    };
    DataType::List(Arc::new(element))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_storable_type_comes_back() {
        let types = [
            SqlType::Boolean,
            SqlType::SmallInt,
            SqlType::Integer,
            SqlType::BigInt,
            SqlType::Real,
            SqlType::Double,
            SqlType::Numeric { precision: 38, scale: 10 },
            SqlType::Text,
            SqlType::Json,
            SqlType::Bytea,
            SqlType::Date,
            SqlType::Timestamp,
            SqlType::TimestampTz,
            SqlType::Array(Box::new(SqlType::Text)),
            SqlType::Array(Box::new(SqlType::Json)),
            SqlType::Array(Box::new(SqlType::Array(Box::new(SqlType::Json)))),
        ];
        let fields: Vec<_> = types.iter().enumerate().map(|(i, t)| t.to_field(&format!("c{i}"), i % 2 == 0)).collect();
        let schema = Schema::new(fields);
        let back = from_delta(&to_delta(&schema).unwrap()).unwrap();
        assert_eq!(back.as_ref(), &schema);
    }
}
