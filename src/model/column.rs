//! The columns of a source: those that were declared, then those that were found in the data, in the order they were found.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use serde::{Deserialize, Serialize};

use super::SqlType;

/// Holds, as one JSON object, what could not become a column: the second spelling of a name, and what passed a limit.
pub const REST_COLUMN: &str = "_rest";

/// The columns that every source has beside those of its data. They appear when they are named; a field cannot be called so.
pub const METADATA_COLUMNS: [&str; 4] = ["_partition", "_offset", "_arrival_time", "_key"];

/// How a source's columns come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SchemaMode {
    /// The declared columns, exactly. Other fields are not read.
    Fixed,
    /// New fields become columns.
    Evolve,
}

/// A column of a source. The list of a source's columns only ever grows at its end, and a column never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceColumn {
    /// The SQL name: the field's name folded to lower case, or a sibling's (`x__text`).
    pub name: String,
    /// The JSON field it is read from, folded to lower case. A sibling has its elder's field.
    pub field: String,
    pub data_type: SqlType,
    /// `NOT NULL` was declared: a record without it is rejected.
    pub not_null: bool,
    /// Declared in `CREATE SOURCE`, as against found in the data. A value that does not fit a declared column rejects the record.
    pub declared: bool,
}

impl SourceColumn {
    /// The first reading of a field that was found in the data.
    pub fn found(field: &str, data_type: SqlType) -> SourceColumn {
        SourceColumn { name: field.to_string(), field: field.to_string(), data_type, not_null: false, declared: false }
    }

    /// A later reading of the same field, of another type: `x__text`.
    pub fn sibling(field: &str, data_type: SqlType) -> SourceColumn {
        let name = format!("{field}__{}", data_type.reading_suffix());
        SourceColumn { name, field: field.to_string(), data_type, not_null: false, declared: false }
    }

    pub fn is_sibling(&self) -> bool {
        self.name != self.field
    }

    pub fn to_arrow(&self) -> Field {
        self.data_type.to_field(&self.name, !self.not_null)
    }
}

pub fn to_arrow_schema(columns: &[SourceColumn]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(SourceColumn::to_arrow).collect::<Vec<_>>()))
}
