//! A query that is kept, beside the tables it is kept over and DataFusion's own answer.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::datasource::MemTable;
use datafusion::execution::runtime_env::RuntimeEnv;

use crate::catalog::Emit;
use crate::flow::engine::{Dataflow, Delivery, Relation};
use crate::model::{Changes, Name};
use crate::sql;

/// Tables by name, as sums of changes.
#[derive(Clone, Default)]
pub struct Tables(pub Vec<(String, Changes)>);

impl Tables {
    pub fn of(schemas: &[(&str, SchemaRef)]) -> Tables {
        Tables(schemas.iter().map(|(name, schema)| (name.to_string(), Changes::empty(schema.clone()))).collect())
    }

    pub fn relations(&self) -> Vec<Relation> {
        self.0.iter().map(|(name, rows)| Relation::table(Name::new(name).unwrap(), rows.schema())).collect()
    }

    /// Takes in one tick's changes, in the order of the tables.
    pub fn apply(&mut self, changes: &[Changes]) {
        for ((_, rows), changes) in self.0.iter_mut().zip(changes) {
            *rows = Changes::concat(&rows.schema(), &[rows.clone(), changes.clone()]).unwrap().consolidated().unwrap();
        }
    }

    /// The answer of DataFusion over the tables as they are.
    pub async fn ask(&self, query: &str) -> RecordBatch {
        let context = sql::planner::context(Arc::new(RuntimeEnv::default()), 1).unwrap();
        for (name, rows) in &self.0 {
            let table = MemTable::try_new(rows.schema(), vec![vec![rows.repeated().unwrap()]]).unwrap();
            context.register_table(name.as_str(), Arc::new(table)).unwrap();
        }
        let frame = context.sql(query).await.unwrap_or_else(|error| panic!("{query}: {error}"));
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.unwrap_or_else(|error| panic!("{query}: {error}"));
        arrow::compute::concat_batches(&batches.first().map_or(schema, RecordBatch::schema), &batches).unwrap()
    }
}

pub struct Kept {
    pub query: String,
    emit: Emit,
    delivery: Delivery,
    pub dataflow: Dataflow,
    pub answer: Changes,
    /// By state, what was saved of it so far.
    saved: HashMap<String, Vec<Changes>>,
}

impl Kept {
    pub async fn new(query: &str, relations: &[Relation]) -> Kept {
        Kept::emitting(query, relations, Emit::OnChange).await
    }

    pub async fn emitting(query: &str, relations: &[Relation], emit: Emit) -> Kept {
        Kept::giving(query, relations, emit, Delivery::Kept).await
    }

    /// What a pipeline writes.
    pub async fn written(query: &str, relations: &[Relation]) -> Kept {
        Kept::giving(query, relations, Emit::OnChange, Delivery::Written).await
    }

    async fn giving(query: &str, relations: &[Relation], emit: Emit, delivery: Delivery) -> Kept {
        let parsed = sql::parse_query(query).unwrap_or_else(|error| panic!("{query}: {error}"));
        let planned = Dataflow::plan_to_give(&parsed, relations, emit, delivery).await;
        let dataflow = planned.unwrap_or_else(|error| panic!("{query}: {error:?}"));
        let answer = Changes::empty(dataflow.schema().clone());
        Kept { query: query.to_string(), emit, delivery, dataflow, answer, saved: HashMap::new() }
    }

    pub async fn tick(&mut self, changes: &[Changes], now_micros: i64) {
        let made = self.dataflow.tick(changes, now_micros).await.unwrap_or_else(|error| panic!("{}: {error:?}", self.query));
        self.answer = Changes::concat(self.dataflow.schema(), &[self.answer.clone(), made]).unwrap().consolidated().unwrap();
    }

    /// Saves the state, makes everything anew and goes on from what was saved.
    pub async fn save_and_restore(&mut self, relations: &[Relation]) {
        for (name, state) in self.dataflow.states() {
            let changes = state.take_changes().unwrap();
            self.saved.entry(name).or_default().push(changes);
        }
        let parsed = sql::parse_query(&self.query).unwrap();
        self.dataflow = Dataflow::plan_to_give(&parsed, relations, self.emit, self.delivery).await.unwrap();
        for (name, state) in self.dataflow.states() {
            for changes in &self.saved[&name] {
                state.restore(changes).unwrap();
            }
        }
        self.dataflow.resume();
    }

    /// `None` if the view equals `answer`, else both.
    pub fn differs_from(&self, answer: &RecordBatch) -> Option<String> {
        if (0..self.answer.len()).any(|row| self.answer.weight(row) < 0) {
            return Some("the view has rows less than no times".to_string());
        }
        let (ours, theirs) = (lines(&self.answer.repeated().unwrap()), lines(answer));
        if ours == theirs {
            return None;
        }
        let explain = self.dataflow.explain().join("\n");
        Some(format!("{}\n{explain}\nkept:\n{}\nasked:\n{}", self.query, ours.join("\n"), theirs.join("\n")))
    }
}

/// The rows as sorted text. Sums of floats depend on their order in the last digits, which are left out; what would lie between two texts is
/// nudged out of there.
pub fn lines(rows: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let formatters: Vec<_> = rows.columns().iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
    let cell = |column: usize, row: usize| match rows.column(column).data_type() {
        DataType::Float64 if rows.column(column).is_valid(row) => {
            let value = rows.column(column).as_primitive::<Float64Type>().value(row);
            format!("{:.9e}", if value.abs() < 1e-7 { 0.0 } else { value * 1.000_000_000_013 })
        }
        _ => formatters[column].value(row).to_string(),
    };
    let mut lines: Vec<String> =
        (0..rows.num_rows()).map(|row| (0..rows.num_columns()).map(|column| cell(column, row)).collect::<Vec<_>>().join(" | ")).collect();
    lines.sort();
    lines
}
