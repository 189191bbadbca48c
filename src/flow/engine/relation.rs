//! A relation as a dataflow reads it.

use arrow::datatypes::{Field, Schema, SchemaRef};
use std::sync::Arc;

use crate::flow::compile::metadata_field;
use crate::model::Name;

#[derive(Debug, Clone)]
pub struct Relation {
    pub name: Name,
    pub schema: SchemaRef,
    pub arrival: Arrival,
    /// Columns at the end of `schema` that appear only where they are named.
    pub hidden: usize,
    /// Columns in which no two of its rows are alike.
    pub unique: Option<Vec<usize>>,
    pub watermark: Option<Watermark>,
}

/// Which column says how far the relation's times have come: whoever feeds the dataflow looks at it (`Dataflow::advance_watermark`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    pub column: usize,
    /// How much later than others a row may come.
    pub lateness_micros: i64,
}

/// How rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Rows come and never go.
    AppendOnly,
    /// Rows come and go.
    Changing,
}

impl Relation {
    /// A source: its columns, and those that every source has.
    pub fn source(name: Name, schema: &Schema) -> Relation {
        let metadata = crate::flow::compile::METADATA_COLUMNS.map(|name| Arc::new(metadata_field(name)));
        let fields: Vec<Arc<Field>> = schema.fields().iter().cloned().chain(metadata.iter().cloned()).collect();
        Relation { arrival: Arrival::AppendOnly, hidden: metadata.len(), ..Relation::table(name, Arc::new(Schema::new(fields))) }
    }

    pub fn with_watermark(self, watermark: Watermark) -> Relation {
        Relation { watermark: Some(watermark), ..self }
    }

    /// A table or a view.
    pub fn table(name: Name, schema: SchemaRef) -> Relation {
        Relation { name, schema, arrival: Arrival::Changing, hidden: 0, unique: None, watermark: None }
    }

    pub fn with_unique(self, unique: Option<Vec<usize>>) -> Relation {
        Relation { unique, ..self }
    }
}
