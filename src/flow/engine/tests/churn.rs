//! Small tables that change at random, by seed.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::model::Changes;

/// Two tables with few values, so that keys meet, ties happen and groups become empty: `a(id, k, v, f, s, t)` and `b(id, k, w, s)`.
pub fn schemas() -> Vec<(&'static str, SchemaRef)> {
    let time = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let field = |name: &str, data_type: DataType| Field::new(name, data_type, true);
    let a = vec![
        Field::new("id", DataType::Int64, false),
        field("k", DataType::Int64),
        field("v", DataType::Int64),
        field("f", DataType::Float64),
        field("s", DataType::Utf8),
        field("t", time),
    ];
    let b = vec![
        Field::new("id", DataType::Int64, false),
        field("k", DataType::Int64),
        field("w", DataType::Int64),
        field("s", DataType::Utf8),
    ];
    vec![("a", Arc::new(Schema::new(a))), ("b", Arc::new(Schema::new(b)))]
}

pub struct Churn {
    random: ChaCha8Rng,
    next_id: i64,
    /// By table, the rows that are there.
    rows: [Vec<Row>; 2],
}

#[derive(Clone)]
struct Row {
    id: i64,
    k: Option<i64>,
    v: Option<i64>,
    f: Option<f64>,
    s: Option<&'static str>,
    t: Option<i64>,
}

const WORDS: [&str; 5] = ["ant", "bee", "cat", "dog", "elk"];

impl Churn {
    pub fn new(seed: u64) -> Churn {
        Churn { random: ChaCha8Rng::seed_from_u64(seed), next_id: 0, rows: [vec![], vec![]] }
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound
    }

    /// Up to `count` rows come to each table; nothing goes.
    pub fn insert(&mut self, count: u64) -> Vec<Changes> {
        self.step(count, 0, 0)
    }

    /// Rows come, go and change.
    pub fn churn(&mut self, count: u64) -> Vec<Changes> {
        self.step(count, count, count / 2)
    }

    fn step(&mut self, inserts: u64, deletes: u64, updates: u64) -> Vec<Changes> {
        let schemas = schemas();
        (0..2)
            .map(|table| {
                let (mut rows, mut weights) = (vec![], vec![]);
                for _ in 0..self.below(deletes + 1) {
                    if let Some(row) = self.pick(table) {
                        rows.push(row);
                        weights.push(-1);
                    }
                }
                for _ in 0..self.below(updates + 1) {
                    if let Some(row) = self.pick(table) {
                        let changed = Row { id: row.id, ..self.row() };
                        rows.extend([row, changed.clone()]);
                        weights.extend([-1, 1]);
                        self.rows[table].push(changed);
                    }
                }
                for _ in 0..self.below(inserts + 1) {
                    let row = self.row();
                    self.rows[table].push(row.clone());
                    rows.push(row);
                    weights.push(1);
                }
                let batch = batch(&schemas[table].1, table, &rows);
                match weights.iter().all(|weight| *weight == 1) {
                    true => Changes::inserted(batch),
                    false => Changes::new(batch, Int64Array::from(weights)),
                }
            })
            .collect()
    }

    fn pick(&mut self, table: usize) -> Option<Row> {
        match self.rows[table].len() {
            0 => None,
            count => {
                let place = self.below(count as u64) as usize;
                Some(self.rows[table].swap_remove(place))
            }
        }
    }

    fn row(&mut self) -> Row {
        self.next_id += 1;
        Row {
            id: self.next_id,
            k: self.maybe(4).map(|value| value as i64),
            v: self.maybe(20).map(|value| value as i64 - 10),
            f: self.maybe(64).map(|value| value as f64 / 4.0 - 8.0),
            s: self.maybe(WORDS.len() as u64).map(|word| WORDS[word as usize]),
            t: self.maybe(100).map(|minute| minute as i64 * 60_000_000),
        }
    }

    fn maybe(&mut self, bound: u64) -> Option<u64> {
        (self.below(8) > 0).then(|| self.below(bound))
    }
}

fn batch(schema: &SchemaRef, table: usize, rows: &[Row]) -> RecordBatch {
    let ints = |of: fn(&Row) -> Option<i64>| Arc::new(Int64Array::from_iter(rows.iter().map(of))) as ArrayRef;
    let words = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.s))) as ArrayRef;
    let columns = match table {
        0 => vec![
            ints(|row| Some(row.id)),
            ints(|row| row.k),
            ints(|row| row.v),
            Arc::new(Float64Array::from_iter(rows.iter().map(|row| row.f))) as ArrayRef,
            words,
            Arc::new(TimestampMicrosecondArray::from_iter(rows.iter().map(|row| row.t)).with_timezone("UTC")) as ArrayRef,
        ],
        _ => vec![ints(|row| Some(row.id)), ints(|row| row.k), ints(|row| row.v), words],
    };
    RecordBatch::try_new(schema.clone(), columns).unwrap()
}
