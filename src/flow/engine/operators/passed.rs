//! How far a bound had come at the end of a tick. It is saved, for what was said of a row must hold after a stop too.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use crate::error::Result;
use crate::flow::engine::state::State;
use crate::model::Changes;

/// The bound of the last tick, as it is saved: a row for each that it was, of which the last counts.
pub struct Passed {
    schema: SchemaRef,
    last: Option<i64>,
    saved: Option<i64>,
}

impl Passed {
    pub fn new() -> Passed {
        Passed { schema: Arc::new(Schema::new(vec![Field::new("passed", DataType::Int64, false)])), last: None, saved: None }
    }

    pub fn last(&self) -> Option<i64> {
        self.last
    }

    pub fn set(&mut self, bound: Option<i64>) {
        self.last = bound;
    }

    fn row(&self, bound: Option<i64>) -> Result<Changes> {
        let rows = Int64Array::from_iter_values(bound);
        Ok(Changes::inserted(RecordBatch::try_new(self.schema.clone(), vec![Arc::new(rows)])?))
    }
}

impl State for Passed {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn take_changes(&mut self) -> Result<Changes> {
        let changed = self.last.filter(|_| self.last != self.saved);
        self.saved = self.last;
        self.row(changed)
    }

    fn everything(&self) -> Result<Changes> {
        self.row(self.last)
    }

    fn restore(&mut self, changes: &Changes) -> Result<()> {
        self.last = self.last.max(last_column(changes).into_iter().max());
        self.saved = self.last;
        Ok(())
    }

    fn rows(&self) -> usize {
        usize::from(self.last.is_some())
    }

    fn bytes(&self) -> usize {
        size_of::<Passed>()
    }
}

/// The integers in the last column.
pub fn last_column(rows: &Changes) -> Vec<i64> {
    rows.rows().columns().last().map_or_else(Vec::new, |times| times.as_primitive::<Int64Type>().values().to_vec())
}
