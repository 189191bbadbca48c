//! `information_schema`: what the SQL standard says of schemas, relations and their columns.

use arrow::datatypes::DataType::{Int32, Utf8};

use super::provider::Derived;
use super::snapshot::{RelationEntry, SchemaEntry};
use super::table::{Column, batch, columns, schema};
use super::{RelationKind, type_of};
use crate::model::SqlType;

pub const TABLES: &[&Derived] = &[
    &Derived {
        name: "schemata",
        schema: || schema(&schemata_columns()),
        rows: |snapshot, database, schema| {
            let rows: Vec<Schema> = snapshot.schemas.iter().map(|schema| Schema { database, schema }).collect();
            batch(&schemata_columns(), &rows, schema)
        },
    },
    &Derived {
        name: "tables",
        schema: || schema(&tables_columns()),
        rows: |snapshot, database, schema| {
            let rows: Vec<Table> = snapshot.relations().map(|(schema, relation)| Table { database, schema, relation }).collect();
            batch(&tables_columns(), &rows, schema)
        },
    },
    &Derived {
        name: "columns",
        schema: || schema(&columns_columns()),
        rows: |snapshot, database, schema| {
            let tables = snapshot.relations().map(|(schema, relation)| Table { database, schema, relation });
            let rows: Vec<TableColumn> = tables.flat_map(columns_of).collect();
            batch(&columns_columns(), &rows, schema)
        },
    },
];

struct Schema<'a> {
    database: &'a str,
    schema: &'a SchemaEntry,
}

#[derive(Clone, Copy)]
struct Table<'a> {
    database: &'a str,
    schema: &'a SchemaEntry,
    relation: &'a RelationEntry,
}

struct TableColumn<'a> {
    table: Table<'a>,
    name: &'a str,
    number: i32,
    is_nullable: bool,
    sql_type: SqlType,
    type_name: String,
    internal_name: String,
}

fn columns_of(table: Table<'_>) -> impl Iterator<Item = TableColumn<'_>> {
    table.relation.info.columns.fields().iter().zip(1..).map(move |(field, number)| {
        let sql_type = SqlType::from_field(field);
        let type_name = match sql_type {
            SqlType::Array(_) => "ARRAY".to_string(),
            _ => type_of::name(&sql_type),
        };
        let internal_name = sql_type.internal_name();
        TableColumn { table, name: field.name(), number, is_nullable: field.is_nullable(), sql_type, type_name, internal_name }
    })
}

fn schemata_columns<'a>() -> Vec<Column<Schema<'a>>> {
    columns![
        Text "catalog_name" => |row| row.database,
        Text "schema_name" => |row| &row.schema.name,
        Text "schema_owner" => |row| row.database,
        Null "default_character_set_catalog" => Utf8,
        Null "default_character_set_schema" => Utf8,
        Null "default_character_set_name" => Utf8,
        Null "sql_path" => Utf8,
    ]
}

fn tables_columns<'a>() -> Vec<Column<Table<'a>>> {
    columns![
        Text "table_catalog" => |row| row.database,
        Text "table_schema" => |row| &row.schema.name,
        Text "table_name" => |row| &row.relation.info.name,
        Text "table_type" => |row| table_type(row.relation.info.kind),
        Null "self_referencing_column_name" => Utf8,
        Null "reference_generation" => Utf8,
        Null "user_defined_type_catalog" => Utf8,
        Null "user_defined_type_schema" => Utf8,
        Null "user_defined_type_name" => Utf8,
        Text "is_insertable_into" => |row| yes_no(row.relation.info.kind == RelationKind::Table),
        Text "is_typed" => |_| "NO",
        Null "commit_action" => Utf8,
    ]
}

fn columns_columns<'a>() -> Vec<Column<TableColumn<'a>>> {
    columns![
        Text "table_catalog" => |row| row.table.database,
        Text "table_schema" => |row| &row.table.schema.name,
        Text "table_name" => |row| &row.table.relation.info.name,
        Text "column_name" => |row| row.name,
        Integer "ordinal_position" => |row| row.number,
        Null "column_default" => Utf8,
        Text "is_nullable" => |row| yes_no(row.is_nullable),
        Text "data_type" => |row| &row.type_name,
        Null "character_maximum_length" => Int32,
        Null "character_octet_length" => Int32,
        IntegerOrNull "numeric_precision" => |row| numeric_precision(&row.sql_type),
        IntegerOrNull "numeric_scale" => |row| numeric_scale(&row.sql_type),
        Text "udt_catalog" => |row| row.table.database,
        Text "udt_schema" => |_| "pg_catalog",
        Text "udt_name" => |row| &row.internal_name,
        Text "is_identity" => |_| "NO",
        Text "is_generated" => |_| "NEVER",
        Null "generation_expression" => Utf8,
        Text "is_updatable" => |row| yes_no(row.table.relation.info.kind == RelationKind::Table),
    ]
}

fn table_type(kind: RelationKind) -> &'static str {
    match kind {
        RelationKind::Table => "BASE TABLE",
        RelationKind::View | RelationKind::MaterializedView => "VIEW",
        RelationKind::Source => "FOREIGN",
    }
}

fn yes_no(value: bool) -> &'static str {
    if value { "YES" } else { "NO" }
}

/// Binary digits, but for `numeric`.
fn numeric_precision(sql_type: &SqlType) -> Option<i32> {
    match sql_type {
        SqlType::SmallInt => Some(16),
        SqlType::Integer => Some(32),
        SqlType::BigInt => Some(64),
        SqlType::Real => Some(24),
        SqlType::Double => Some(53),
        SqlType::Numeric { precision, .. } => Some(i32::from(*precision)),
        _ => None,
    }
}

fn numeric_scale(sql_type: &SqlType) -> Option<i32> {
    match sql_type {
        SqlType::SmallInt | SqlType::Integer | SqlType::BigInt => Some(0),
        SqlType::Numeric { scale, .. } => Some(i32::from(*scale)),
        _ => None,
    }
}
