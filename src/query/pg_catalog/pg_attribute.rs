//! `pg_attribute`: the columns of the relations.

use arrow::datatypes::DataType::Utf8;
use arrow::datatypes::Field;

use super::provider::Derived;
use super::snapshot::RelationEntry;
use super::table::{Column, batch, columns, schema, text_list};
use crate::model::SqlType;

/// PostgreSQL's `default` collation, which everything that is text has.
const OID_COLLATION_DEFAULT: i32 = 100;

pub const TABLE: Derived = Derived {
    name: "pg_attribute",
    schema: || schema(&attribute_columns()),
    rows: |snapshot, _, schema| {
        let rows: Vec<Row> = snapshot.relations().flat_map(|(_, relation)| rows_of(relation)).collect();
        batch(&attribute_columns(), &rows, schema)
    },
};

struct Row<'a> {
    relation: &'a RelationEntry,
    field: &'a Field,
    number: i16,
    sql_type: SqlType,
}

fn rows_of(relation: &RelationEntry) -> impl Iterator<Item = Row<'_>> {
    let fields = relation.info.columns.fields().iter().zip(1..);
    fields.map(move |(field, number)| Row { relation, field, number, sql_type: SqlType::from_field(field) })
}

fn attribute_columns<'a>() -> Vec<Column<Row<'a>>> {
    columns![
        Oid "attrelid" => |row| row.relation.oid,
        Text "attname" => |row| row.field.name(),
        Oid "atttypid" => |row| row.sql_type.oid() as i32,
        Integer "attstattarget" => |_| -1,
        SmallInt "attlen" => |row| row.sql_type.type_size(),
        SmallInt "attnum" => |row| row.number,
        Integer "attndims" => |row| matches!(row.sql_type, SqlType::Array(_)) as i32,
        Integer "attcacheoff" => |_| -1,
        Integer "atttypmod" => |row| row.sql_type.type_modifier(),
        Boolean "attbyval" => |row| (1..=8).contains(&row.sql_type.type_size()),
        Text "attalign" => |row| alignment(row.sql_type.type_size()),
        Text "attstorage" => |row| storage(&row.sql_type),
        Text "attcompression" => |_| "",
        Boolean "attnotnull" => |row| !row.field.is_nullable(),
        Boolean "atthasdef" => |_| false,
        Boolean "atthasmissing" => |_| false,
        Text "attidentity" => |_| "",
        Text "attgenerated" => |_| "",
        Boolean "attisdropped" => |_| false,
        Boolean "attislocal" => |_| true,
        Integer "attinhcount" => |_| 0,
        Oid "attcollation" => |row| if row.sql_type == SqlType::Text { OID_COLLATION_DEFAULT } else { 0 },
        Null "attacl" => text_list(),
        Null "attoptions" => text_list(),
        Null "attfdwoptions" => text_list(),
        Null "attmissingval" => Utf8,
    ]
}

fn storage(sql_type: &SqlType) -> &'static str {
    match sql_type {
        SqlType::Numeric { .. } => "m",
        other if other.type_size() > 0 => "p",
        _ => "x",
    }
}

fn alignment(type_size: i16) -> &'static str {
    match type_size {
        1 => "c",
        2 => "s",
        8 | 16 => "d",
        _ => "i",
    }
}
