//! `pg_class`: the relations.

use arrow::datatypes::DataType::Utf8;

use super::provider::Derived;
use super::snapshot::{OID_OWNER, RelationEntry, SchemaEntry};
use super::table::{Column, batch, columns, schema, text_list};

pub const TABLE: Derived = Derived {
    name: "pg_class",
    schema: || schema(&class_columns()),
    rows: |snapshot, _, schema| {
        let rows: Vec<Row> = snapshot.relations().map(|(schema, relation)| Row { schema, relation }).collect();
        batch(&class_columns(), &rows, schema)
    },
};

struct Row<'a> {
    schema: &'a SchemaEntry,
    relation: &'a RelationEntry,
}

fn class_columns<'a>() -> Vec<Column<Row<'a>>> {
    columns![
        Oid "oid" => |row| row.relation.oid,
        Text "relname" => |row| &row.relation.info.name,
        Oid "relnamespace" => |row| row.schema.oid,
        Oid "reltype" => |_| 0,
        Oid "reloftype" => |_| 0,
        Oid "relowner" => |_| OID_OWNER,
        Oid "relam" => |_| 0,
        Oid "relfilenode" => |_| 0,
        Oid "reltablespace" => |_| 0,
        Integer "relpages" => |_| 0,
        // -1: never counted.
        Double "reltuples" => |_| -1.0,
        Integer "relallvisible" => |_| 0,
        Oid "reltoastrelid" => |_| 0,
        Boolean "relhasindex" => |_| false,
        Boolean "relisshared" => |_| false,
        Text "relpersistence" => |_| "p",
        Text "relkind" => |row| row.relation.info.kind.relkind(),
        SmallInt "relnatts" => |row| row.relation.info.columns.fields().len() as i16,
        SmallInt "relchecks" => |_| 0,
        Boolean "relhasrules" => |_| false,
        Boolean "relhastriggers" => |_| false,
        Boolean "relhassubclass" => |_| false,
        Boolean "relrowsecurity" => |_| false,
        Boolean "relforcerowsecurity" => |_| false,
        Boolean "relispopulated" => |_| true,
        Text "relreplident" => |_| "d",
        Boolean "relispartition" => |_| false,
        Oid "relrewrite" => |_| 0,
        Integer "relfrozenxid" => |_| 0,
        Integer "relminmxid" => |_| 0,
        Null "relacl" => text_list(),
        Null "reloptions" => text_list(),
        Null "relpartbound" => Utf8,
    ]
}
