//! `pg_foreign_server` and `pg_foreign_table`: psql describes a foreign table only if it has a server.

use arrow::datatypes::DataType::Utf8;

use super::RelationKind;
use super::provider::Derived;
use super::snapshot::{OID_OWNER, RelationEntry};
use super::table::{Column, batch, columns, schema};

/// The one server that all sources are of.
const OID_SERVER: i32 = 16_383;
const SERVER: &str = "lakewire";

pub const SERVERS: Derived = Derived {
    name: "pg_foreign_server",
    schema: || schema(&server_columns()),
    rows: |_, _, schema| batch(&server_columns(), &[()], schema),
};

pub const TABLES: Derived = Derived {
    name: "pg_foreign_table",
    schema: || schema(&table_columns()),
    rows: |snapshot, _, schema| {
        let sources = snapshot.relations().map(|(_, relation)| relation).filter(|r| r.info.kind == RelationKind::Source);
        batch(&table_columns(), &sources.collect::<Vec<_>>(), schema)
    },
};

fn server_columns() -> Vec<Column<()>> {
    columns![
        Oid "oid" => |_| OID_SERVER,
        Text "srvname" => |_| SERVER,
        Oid "srvowner" => |_| OID_OWNER,
        Oid "srvfdw" => |_| 0,
        Null "srvtype" => Utf8,
        Null "srvversion" => Utf8,
        Null "srvacl" => Utf8,
        Null "srvoptions" => Utf8,
    ]
}

fn table_columns<'a>() -> Vec<Column<&'a RelationEntry>> {
    columns![
        Oid "ftrelid" => |row| row.oid,
        Oid "ftserver" => |_| OID_SERVER,
        Null "ftoptions" => Utf8,
    ]
}
