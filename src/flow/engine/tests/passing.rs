//! What is written may forget: rows in time meet all they should, what is past is not remembered, and late rows are counted.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;

use super::churn::{Churn, schemas};
use super::kept::{Kept, Tables};
use crate::flow::engine::{Arrival, Relation, Watermark};
use crate::model::Changes;

const SECOND: i64 = 1_000_000;
const LATENESS: i64 = 10 * SECOND;
const TICKS: i64 = 120;
const TICK_ROWS: u64 = 400;

/// Each with how many rows it may remember at the end, of the many that came: those that can still meet others, and what lies in one chunk with them.
const QUERIES: &[(&str, usize)] = &[
    ("SELECT a.k, a.v, b.v AS w FROM a JOIN b ON a.k = b.k AND b.t BETWEEN a.t AND a.t + INTERVAL '5 seconds'", 2 * ROOM),
    (
        "SELECT a.k, b.v FROM a JOIN b ON a.k = b.k AND a.v = b.v AND a.t - INTERVAL '3 seconds' < b.t AND b.t <= a.t + INTERVAL '2 seconds'",
        2 * ROOM,
    ),
    ("SELECT a.k, b.v FROM a, b WHERE a.k = b.k AND a.t = b.t", 2 * ROOM),
    ("SELECT DISTINCT k, date_bin(INTERVAL '4 seconds', t) AS w FROM a", 12_000),
    ("SELECT DISTINCT ON (v, date_bin(INTERVAL '4 seconds', t)) v, date_bin(INTERVAL '4 seconds', t) AS w FROM a", 2_000),
];

const ROOM: usize = 3 * 4096 + 20 * TICK_ROWS as usize;

fn schema() -> SchemaRef {
    Arc::new(schemas()[0].1.project(&[5, 1, 2]).unwrap())
}

fn rows(rows: &[(i64, i64, i64)]) -> Changes {
    let ints = |of: fn(&(i64, i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.0)).with_timezone("UTC");
    Changes::inserted(RecordBatch::try_new(schema(), vec![Arc::new(times), ints(|row| row.1), ints(|row| row.2)]).unwrap())
}

fn tables() -> Tables {
    Tables::of(&[("a", schema()), ("b", schema())])
}

fn relations() -> Vec<Relation> {
    let watermark = Some(Watermark { column: 0, lateness_micros: LATENESS });
    tables().relations().into_iter().map(|relation| Relation { arrival: Arrival::AppendOnly, watermark, ..relation }).collect()
}

#[tokio::test]
async fn what_is_past_is_forgotten_and_nothing_is_missed() {
    for (seed, (query, remembered_max)) in QUERIES.iter().enumerate() {
        let mut random = Churn::new(seed as u64);
        let mut all = [vec![], vec![]];
        let mut kept = Kept::written(query, &relations()).await;
        for tick in 0..TICKS {
            let mut batch = || -> Vec<_> {
                let time = |random: &mut Churn| tick * SECOND + random.below(LATENESS as u64 / 2) as i64 / 100_000 * 100_000;
                (0..TICK_ROWS).map(|_| (time(&mut random), random.below(5000) as i64, random.below(50) as i64)).collect()
            };
            let changes = [rows(&batch()), rows(&batch())];
            let [of_a, of_b] = &changes;
            all[0].push(of_a.clone());
            all[1].push(of_b.clone());
            kept.dataflow.advance_watermark(0, tick * SECOND - LATENESS);
            kept.dataflow.advance_watermark(1, tick * SECOND - LATENESS);
            kept.tick(&changes, 0).await;
            if tick % 30 == 14 {
                kept.save_and_restore(&relations()).await;
            }
        }
        assert_eq!(kept.dataflow.late_rows(), 0, "seed {seed}: {query}");
        let mut tables = tables();
        tables.apply(&all.map(|parts| Changes::concat(&schema(), &parts).unwrap()));
        if let Some(difference) = kept.differs_from(&tables.ask(query).await) {
            panic!("seed {seed}: {difference}");
        }
        let remembered: usize = kept.dataflow.sizes().iter().map(|size| size.rows).sum();
        assert!(remembered <= *remembered_max, "{query} remembers {remembered} rows");
    }
}

#[tokio::test]
async fn a_view_forgets_nothing() {
    let kept = Kept::new(QUERIES[0].0, &relations()).await;
    assert!(kept.dataflow.explain().iter().all(|line| !line.contains("in time")), "{:?}", kept.dataflow.explain());
}

#[tokio::test]
async fn late_rows_are_left_out_and_counted() {
    for (query, _) in QUERIES {
        let mut kept = Kept::written(query, &relations()).await;
        let both = |batch: &[(i64, i64, i64)]| [rows(batch), rows(batch)];
        kept.dataflow.advance_watermark(0, 100 * SECOND);
        kept.dataflow.advance_watermark(1, 100 * SECOND);
        // The first of all are not late: nothing was forgotten before.
        kept.tick(&both(&[(SECOND, 1, 1)]), 0).await;
        assert_eq!((kept.answer.len(), kept.dataflow.late_rows()), (1, 0), "{query}");
        kept.save_and_restore(&relations()).await;
        kept.tick(&both(&[(2 * SECOND, 2, 2)]), 0).await;
        let inputs = if query.contains("DISTINCT") { 1 } else { 2 };
        assert_eq!((kept.answer.len(), kept.dataflow.late_rows()), (1, inputs), "{query}");
    }
}
