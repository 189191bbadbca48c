//! `pg_database`: the one database there is.

use arrow::datatypes::DataType::Utf8;

use super::provider::Derived;
use super::snapshot::{OID_OWNER, database_oid};
use super::table::{Column, batch, columns, schema, text_list};

/// `pg_encoding_to_char(6)` is UTF8.
const ENCODING_UTF8: i32 = 6;
/// `pg_default` in `pg_tablespace`.
const OID_TABLESPACE_DEFAULT: i32 = 1663;

pub const TABLE: Derived = Derived {
    name: "pg_database",
    schema: || schema(&database_columns()),
    rows: |_, database, schema| batch(&database_columns(), &[database], schema),
};

fn database_columns<'a>() -> Vec<Column<&'a str>> {
    columns![
        Oid "oid" => |row| database_oid(row),
        Text "datname" => |row| row,
        Oid "datdba" => |_| OID_OWNER,
        Integer "encoding" => |_| ENCODING_UTF8,
        Text "datlocprovider" => |_| "c",
        Boolean "datistemplate" => |_| false,
        Boolean "datallowconn" => |_| true,
        Integer "datconnlimit" => |_| -1,
        Integer "datfrozenxid" => |_| 0,
        Integer "datminmxid" => |_| 0,
        Oid "dattablespace" => |_| OID_TABLESPACE_DEFAULT,
        Text "datcollate" => |_| "C.UTF-8",
        Text "datctype" => |_| "C.UTF-8",
        Null "daticulocale" => Utf8,
        Null "daticurules" => Utf8,
        Null "datcollversion" => Utf8,
        Null "datacl" => text_list(),
    ]
}
