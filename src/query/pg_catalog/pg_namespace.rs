//! `pg_namespace`: the schemas.

use super::provider::Derived;
use super::snapshot::{OID_OWNER, SchemaEntry};
use super::table::{Column, batch, columns, schema, text_list};

pub const TABLE: Derived = Derived {
    name: "pg_namespace",
    schema: || schema(&namespace_columns()),
    rows: |snapshot, _, schema| batch(&namespace_columns(), &snapshot.schemas.iter().collect::<Vec<_>>(), schema),
};

fn namespace_columns<'a>() -> Vec<Column<&'a SchemaEntry>> {
    columns![
        Oid "oid" => |row| row.oid,
        Text "nspname" => |row| &row.name,
        Oid "nspowner" => |_| OID_OWNER,
        Null "nspacl" => text_list(),
    ]
}
