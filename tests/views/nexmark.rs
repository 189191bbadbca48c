//! Nexmark: the tables of the generator's dataset, and its queries q0 to q22 as RisingWave publishes them, in our dialect.
//!
//! Ties are broken, so that each answer is unique. q5 says its window, q6 and q11 are written with window functions, q12 goes by event time, and q13 joins a
//! table, `side_input`, in place of a file.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use lakewire::model::Changes;
use lakewire::sources::generator::nexmark::{Market, Table, rows, schema};

use super::random::Random;
use super::{Query, Step};

/// The tables to which rows are only added.
pub const EVENT_TABLES: &[&str] = Table::WORDS;

/// Slow, so that a few thousand events are several windows of ten seconds.
const EVENT_TIME_RATE: u64 = 100;
const SIDE_KEYS: std::ops::Range<i64> = 1000..1200;

pub const QUERIES: &[Query] = &[
    Query { name: "q0", sql: include_str!("nexmark/q0.sql") },
    Query { name: "q1", sql: include_str!("nexmark/q1.sql") },
    Query { name: "q2", sql: include_str!("nexmark/q2.sql") },
    Query { name: "q3", sql: include_str!("nexmark/q3.sql") },
    Query { name: "q4", sql: include_str!("nexmark/q4.sql") },
    Query { name: "q5", sql: include_str!("nexmark/q5.sql") },
    Query { name: "q6", sql: include_str!("nexmark/q6.sql") },
    Query { name: "q7", sql: include_str!("nexmark/q7.sql") },
    Query { name: "q8", sql: include_str!("nexmark/q8.sql") },
    Query { name: "q9", sql: include_str!("nexmark/q9.sql") },
    Query { name: "q10", sql: include_str!("nexmark/q10.sql") },
    Query { name: "q11", sql: include_str!("nexmark/q11.sql") },
    Query { name: "q12", sql: include_str!("nexmark/q12.sql") },
    Query { name: "q13", sql: include_str!("nexmark/q13.sql") },
    Query { name: "q14", sql: include_str!("nexmark/q14.sql") },
    Query { name: "q15", sql: include_str!("nexmark/q15.sql") },
    Query { name: "q16", sql: include_str!("nexmark/q16.sql") },
    Query { name: "q17", sql: include_str!("nexmark/q17.sql") },
    Query { name: "q18", sql: include_str!("nexmark/q18.sql") },
    Query { name: "q19", sql: include_str!("nexmark/q19.sql") },
    Query { name: "q20", sql: include_str!("nexmark/q20.sql") },
    Query { name: "q21", sql: include_str!("nexmark/q21.sql") },
    Query { name: "q22", sql: include_str!("nexmark/q22.sql") },
];

pub fn queries() -> &'static [Query] {
    QUERIES
}

pub fn tables() -> Vec<(&'static str, SchemaRef)> {
    let events = Table::ALL.iter().map(|table| (table.as_str(), schema(*table)));
    events.chain([("side_input", side_schema())]).collect()
}

/// The first `events` events, and all of `side_input`.
pub fn initial(seed: u64, events: u64) -> Step {
    let mut step = events_of(seed, 0..events);
    step.push(("side_input", Changes::inserted(side_rows(SIDE_KEYS.map(|key| (key, 0))))));
    step
}

/// The events after the first `events`, up to 300 at a time, without end; every other step has a new row of `side_input` for an old one.
pub fn refreshes(seed: u64, events: u64) -> impl Iterator<Item = Step> {
    let mut random = Random::new(seed);
    let mut next = events;
    let mut versions: Vec<i64> = SIDE_KEYS.map(|_| 0).collect();
    std::iter::from_fn(move || {
        let first = next;
        next += random.between(1, 300) as u64;
        let mut step = events_of(seed, first..next);
        if random.one_in(2) {
            let place = random.below(versions.len());
            let (key, version) = (SIDE_KEYS.start + place as i64, versions[place]);
            versions[place] += 1;
            step.push(("side_input", Changes::new(side_rows([(key, version), (key, version + 1)]), vec![-1, 1].into())));
        }
        Some(step)
    })
}

fn events_of(seed: u64, events: std::ops::Range<u64>) -> Step {
    let market = Market { seed, event_time_rate: EVENT_TIME_RATE };
    let inserted = Table::ALL.iter().map(|table| (table.as_str(), Changes::inserted(rows(&market, *table, events.clone()))));
    inserted.filter(|(_, changes)| !changes.is_empty()).collect()
}

fn side_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("key", DataType::Int64, true), Field::new("value", DataType::Utf8, true)]))
}

/// From keys and versions.
fn side_rows(rows: impl IntoIterator<Item = (i64, i64)>) -> RecordBatch {
    let (keys, values): (Vec<_>, Vec<_>) = rows.into_iter().map(|(key, version)| (key, format!("{key} version {version}"))).unzip();
    let columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(keys)), Arc::new(StringArray::from(values))];
    RecordBatch::try_new(side_schema(), columns).expect("the columns are those of the schema")
}
