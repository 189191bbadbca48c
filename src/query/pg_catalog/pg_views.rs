//! `pg_tables`, `pg_views`, `pg_matviews`: the relations by kind.

use arrow::datatypes::DataType::Utf8;

use super::RelationKind;
use super::provider::Derived;
use super::snapshot::{RelationEntry, SchemaEntry, Snapshot};
use super::table::{Column, batch, columns, schema};

pub const TABLES: Derived = Derived {
    name: "pg_tables",
    schema: || schema(&table_columns()),
    rows: |snapshot, _, schema| batch(&table_columns(), &of_kind(snapshot, RelationKind::Table), schema),
};

pub const VIEWS: Derived = Derived {
    name: "pg_views",
    schema: || schema(&view_columns()),
    rows: |snapshot, _, schema| batch(&view_columns(), &of_kind(snapshot, RelationKind::View), schema),
};

pub const MATERIALIZED_VIEWS: Derived = Derived {
    name: "pg_matviews",
    schema: || schema(&materialized_view_columns()),
    rows: |snapshot, _, schema| batch(&materialized_view_columns(), &of_kind(snapshot, RelationKind::MaterializedView), schema),
};

/// The name that `pg_get_userbyid` gives for the owner of everything.
pub const OWNER: &str = "lakewire";

type Row<'a> = (&'a SchemaEntry, &'a RelationEntry);

fn of_kind(snapshot: &Snapshot, kind: RelationKind) -> Vec<Row<'_>> {
    snapshot.relations().filter(|(_, relation)| relation.info.kind == kind).collect()
}

fn table_columns<'a>() -> Vec<Column<Row<'a>>> {
    columns![
        Text "schemaname" => |row| &row.0.name,
        Text "tablename" => |row| &row.1.info.name,
        Text "tableowner" => |_| OWNER,
        Null "tablespace" => Utf8,
        Boolean "hasindexes" => |_| false,
        Boolean "hasrules" => |_| false,
        Boolean "hastriggers" => |_| false,
        Boolean "rowsecurity" => |_| false,
    ]
}

fn view_columns<'a>() -> Vec<Column<Row<'a>>> {
    columns![
        Text "schemaname" => |row| &row.0.name,
        Text "viewname" => |row| &row.1.info.name,
        Text "viewowner" => |_| OWNER,
        Null "definition" => Utf8,
    ]
}

fn materialized_view_columns<'a>() -> Vec<Column<Row<'a>>> {
    columns![
        Text "schemaname" => |row| &row.0.name,
        Text "matviewname" => |row| &row.1.info.name,
        Text "matviewowner" => |_| OWNER,
        Null "tablespace" => Utf8,
        Boolean "hasindexes" => |_| false,
        Boolean "ispopulated" => |_| true,
        Null "definition" => Utf8,
    ]
}
