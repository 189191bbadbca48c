//! What the tables hold after the steps so far, and what a query answers over it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
use lakewire::model::Changes;
use lakewire::sql::planner;

use super::Step;

pub struct State {
    tables: BTreeMap<&'static str, Changes>,
}

impl State {
    /// Empty tables.
    pub fn new(tables: Vec<(&'static str, SchemaRef)>) -> State {
        State { tables: tables.into_iter().map(|(name, schema)| (name, Changes::empty(schema))).collect() }
    }

    /// Panics if a row goes that is not there.
    pub fn apply(&mut self, step: &Step) {
        for (name, changes) in step {
            let table = self.tables.get_mut(name).unwrap_or_else(|| panic!("there is no table {name}"));
            let together = Changes::concat(&table.schema(), &[table.clone(), changes.clone()]).expect("the changes fit the table");
            *table = together.consolidated().expect("rows can be compared");
            assert!((0..table.len()).all(|row| table.weight(row) > 0), "a row went from {name} that was not there");
        }
    }

    /// The same rows in the opposite order: a query whose answer is unique does not care.
    pub fn reversed(&self) -> State {
        let turned = |changes: &Changes| {
            let places = UInt32Array::from_iter_values((0..changes.len() as u32).rev());
            changes.take(&places).expect("the places are those of rows")
        };
        State { tables: self.tables.iter().map(|(name, changes)| (*name, turned(changes))).collect() }
    }

    /// The answer over the tables as they are now.
    pub async fn answer(&self, sql: &str) -> Changes {
        let frame = self.context().sql(sql).await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.unwrap_or_else(|error| panic!("{error}\n{sql}"));
        let parts = batches.into_iter().map(Changes::inserted).collect::<Vec<_>>();
        Changes::concat(&schema, &parts).expect("the batches fit their schema")
    }

    fn context(&self) -> SessionContext {
        let context = planner::context(Arc::new(RuntimeEnv::default()), 2).expect("the planner can be made");
        for (name, changes) in &self.tables {
            let table = MemTable::try_new(changes.schema(), vec![vec![multiplied(changes)]]).expect("the rows fit their schema");
            context.register_table(*name, Arc::new(table)).expect("each table has its own name");
        }
        context
    }
}

/// Panics, and shows the difference, unless both hold the same rows equally often.
pub fn assert_same(found: &Changes, expected: &Changes, what: &str) {
    let difference = difference(found, expected);
    if !difference.is_empty() {
        let rows = difference.to_batch().expect("rows and weights are equally many");
        let shown = pretty_format_batches(&[rows.slice(0, rows.num_rows().min(20))]).expect("rows can be shown");
        panic!("{what}: {} rows too many (weight above 0) or missing (below 0), among them\n{shown}", difference.len());
    }
}

/// What is too much in `found`, and with negative weights what is missing. The names of the columns do not matter.
pub fn difference(found: &Changes, expected: &Changes) -> Changes {
    let schema = expected.schema();
    let found = RecordBatch::try_new(schema.clone(), found.rows().columns().to_vec()).map(|rows| found.with_rows(rows));
    let found = found.expect("both have the same types of columns, and nulls only where they may be");
    let both = Changes::concat(&schema, &[found, expected.negated()]).and_then(|both| both.consolidated());
    both.expect("rows can be compared")
}

/// Each row as often as its weight says.
fn multiplied(changes: &Changes) -> RecordBatch {
    let places = (0..changes.len()).flat_map(|row| std::iter::repeat_n(row as u32, changes.weight(row) as usize));
    take_record_batch(changes.rows(), &UInt32Array::from_iter_values(places)).expect("the places are those of rows")
}
