//! What a result's columns are, for the client: RowDescription.

use arrow::datatypes::{Field, Schema};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{FieldDescription, RowDescription};

use super::encode::Format;
use crate::model::SqlType;
use crate::query::pg_catalog;

/// `formats` has one entry for each column.
pub fn row_description(columns: &Schema, formats: &[Format]) -> PgWireBackendMessage {
    let fields = columns.fields().iter().zip(formats).map(|(field, format)| describe(field, *format));
    PgWireBackendMessage::RowDescription(RowDescription::new(fields.collect()))
}

/// Whether rows of `now` are what a client expects that was told of `then`.
pub fn same_types(then: &Schema, now: &Schema) -> bool {
    let oids = |schema: &Schema| schema.fields().iter().map(|field| oid(field)).collect::<Vec<_>>();
    oids(then) == oids(now)
}

fn describe(field: &Field, format: Format) -> FieldDescription {
    let sql_type = SqlType::from_field(field);
    FieldDescription::new(field.name().replace('\0', " "), 0, 0, oid(field), sql_type.type_size(), sql_type.type_modifier(), format as i16)
}

fn oid(field: &Field) -> u32 {
    pg_catalog::alias_oid(field).unwrap_or_else(|| SqlType::from_field(field).oid())
}
