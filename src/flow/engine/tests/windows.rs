//! EMIT ON WINDOW CLOSE and what else only ever adds rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::SchemaRef;

use super::churn::{Churn, schemas};
use super::kept::{Kept, Tables};
use crate::catalog::Emit;
use crate::flow::engine::{Arrival, Dataflow, Relation, Watermark};
use crate::model::Changes;
use crate::sql;

const MINUTE: i64 = 60_000_000;
const LATENESS: i64 = 5 * MINUTE;

const WINDOWED: &[&str] = &[
    "SELECT window_end, max(n) AS hi FROM (SELECT window_start, window_end, k, count(*) AS n FROM tumble(e, t, INTERVAL '10 minutes')
     GROUP BY window_start, window_end, k) x GROUP BY window_end",
    "SELECT date_bin(INTERVAL '10 minutes', t) AS w, k, count(*) AS n, max(v) AS hi FROM e GROUP BY 1, 2",
    "SELECT window_end, sum(v) AS sv FROM tumble(e, t, INTERVAL '7 minutes') GROUP BY window_end HAVING count(*) > 1",
    "SELECT window_start, k, count(DISTINCT v) AS dv FROM hop(e, t, INTERVAL '3 minutes', INTERVAL '9 minutes') GROUP BY window_start, k",
    "SELECT date_trunc('hour', t) AS h, array_agg(v ORDER BY v) AS vs FROM e WHERE v > 2 GROUP BY 1",
    "SELECT * FROM (SELECT window_start, k, count(*) AS n, row_number() OVER (PARTITION BY window_start ORDER BY count(*) DESC, k) AS r
                    FROM tumble(e, t, INTERVAL '10 minutes') GROUP BY window_start, k) x WHERE r <= 2",
];

/// Over two streams.
const JOINED: &[&str] = &[
    "SELECT x.window_start, x.k, count(*) AS n, sum(y.v) AS sv FROM tumble(e, t, INTERVAL '5 minutes') x
         JOIN tumble(f, t, INTERVAL '5 minutes') y ON x.k = y.k AND x.window_start = y.window_start GROUP BY x.window_start, x.k",
    "SELECT y.window_end, count(DISTINCT x.v) AS n FROM hop(e, t, INTERVAL '2 minutes', INTERVAL '6 minutes') x
         JOIN hop(f, t, INTERVAL '2 minutes', INTERVAL '6 minutes') y ON x.window_end = y.window_end AND x.v < y.v GROUP BY y.window_end",
    "SELECT date_bin(INTERVAL '10 minutes', e.t) AS w, count(*) AS n FROM e JOIN f ON e.k = f.k AND f.t BETWEEN e.t AND e.t + INTERVAL '2 minutes' GROUP BY 1",
    "SELECT date_bin(INTERVAL '10 minutes', f.t) AS w, e.k, max(e.v) AS hi FROM e JOIN f ON e.k = f.k AND f.t >= e.t - INTERVAL '90 seconds' AND f.t < e.t + INTERVAL '3 minutes' GROUP BY 1, 2",
    "SELECT date_bin(INTERVAL '10 minutes', f.t) AS w, count(*) AS n, sum(z.v) AS sv FROM e JOIN f ON e.k = f.k AND f.t BETWEEN e.t AND e.t + INTERVAL '2 minutes'
         JOIN e z ON z.k = f.k AND z.t BETWEEN f.t - INTERVAL '1 minute' AND f.t + INTERVAL '1 minute' GROUP BY 1",
];

/// Over two streams, of which something is of use for ever: rows that nothing bounds, a join whose pairs are asked for twice, times too far away.
const REMEMBERING: &[&str] = &[
    "SELECT date_bin(INTERVAL '10 minutes', e.t) AS w, count(*) AS n FROM e JOIN f ON e.k = f.k AND f.t <= e.t + INTERVAL '2 minutes' GROUP BY 1",
    "WITH p AS (SELECT e.t, e.k, f.v FROM e JOIN f ON e.k = f.k AND f.t BETWEEN e.t AND e.t + INTERVAL '2 minutes')
     SELECT date_bin(INTERVAL '10 minutes', a.t) AS w, count(*) AS n FROM p a JOIN p b ON a.k = b.k AND a.t = b.t GROUP BY 1",
    "SELECT date_bin(INTERVAL '10 minutes', f.t) AS w, count(*) AS n
     FROM (SELECT *, CASE WHEN v = 3 THEN to_timestamp_micros(253402214400000000) ELSE t + INTERVAL '2 minutes' END AS valid_until FROM e) x
     JOIN f ON x.k = f.k AND f.t BETWEEN x.t AND x.valid_until GROUP BY 1",
];

fn schema() -> SchemaRef {
    let a = &schemas()[0].1;
    Arc::new(a.project(&[5, 1, 2]).unwrap())
}

fn rows(rows: &[(i64, i64, i64)]) -> Changes {
    let ints = |of: fn(&(i64, i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    let times = TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.0)).with_timezone("UTC");
    Changes::inserted(RecordBatch::try_new(schema(), vec![Arc::new(times), ints(|row| row.1), ints(|row| row.2)]).unwrap())
}

/// Changes of the first stream.
fn alone(batch: &[(i64, i64, i64)]) -> [Changes; 2] {
    [rows(batch), rows(&[])]
}

fn tables() -> Tables {
    Tables::of(&[("e", schema()), ("f", schema())])
}

fn relations() -> Vec<Relation> {
    let watermark = Some(Watermark { column: 0, lateness_micros: LATENESS });
    tables().relations().into_iter().map(|relation| Relation { arrival: Arrival::AppendOnly, watermark, ..relation }).collect()
}

#[tokio::test]
async fn windows_are_given_once_and_whole() {
    for (seed, query) in WINDOWED.iter().enumerate() {
        let waiting = given_once_and_whole(query, seed as u64).await;
        assert!(waiting <= 1, "{query} remembers {waiting} rows of windows that are closed");
    }
}

#[tokio::test]
async fn windows_of_two_streams_are_given_once_and_whole() {
    for (seed, query) in JOINED.iter().enumerate() {
        let waiting = given_once_and_whole(query, seed as u64).await;
        assert!(waiting <= 3, "{query} remembers {waiting} rows that can be in no open window");
    }
}

#[tokio::test]
async fn what_can_still_meet_something_is_remembered() {
    for (seed, query) in REMEMBERING.iter().enumerate() {
        let waiting = given_once_and_whole(query, seed as u64).await;
        assert!(waiting > 3, "{query} remembers {waiting} rows only");
    }
}

#[tokio::test]
async fn rows_that_are_late_for_the_watermark_meet_in_windows_that_are_open() {
    for query in JOINED {
        let mut kept = Kept::emitting(query, &relations(), Emit::OnWindowClose).await;
        let mut tables = tables();
        for stream in 0..2 {
            kept.dataflow.advance_watermark(stream, 23 * MINUTE + MINUTE / 2);
        }
        // All windows with rows of the minutes 22 and 23 are open.
        for late in [alone(&[]), alone(&[(22 * MINUTE, 1, 1)]), [rows(&[]), rows(&[(23 * MINUTE, 1, 4)])]] {
            tables.apply(&late);
            kept.tick(&late, 0).await;
        }
        assert_eq!((kept.answer.len(), kept.dataflow.late_rows()), (0, 0), "{query}");
        for stream in 0..2 {
            kept.dataflow.advance_watermark(stream, 1000 * MINUTE);
        }
        kept.tick(&alone(&[]), 0).await;
        let answer = tables.ask(&expanded(query)).await;
        assert!(answer.num_rows() > 0, "{query}");
        if let Some(difference) = kept.differs_from(&answer) {
            panic!("{query}: {difference}");
        }
    }
}

/// Gives how many rows are remembered when all windows are closed.
async fn given_once_and_whole(query: &str, seed: u64) -> usize {
    let mut random = Churn::new(seed);
    let mut tables = tables();
    let mut kept = Kept::emitting(query, &relations(), Emit::OnWindowClose).await;
    let mut newest = [0; 2];
    for tick in 0..30_i64 {
        let mut changes = vec![];
        for (stream, newest) in newest.iter_mut().enumerate() {
            // One stream is ahead of the other.
            let begin = (tick * 4 + stream as i64 * 3) * MINUTE;
            let batch: Vec<_> = (0..random.below(20))
                .map(|_| (begin + random.below(LATENESS as u64) as i64, random.below(3) as i64, random.below(10) as i64))
                .collect();
            *newest = batch.iter().map(|row| row.0).max().unwrap_or(0).max(*newest);
            kept.dataflow.advance_watermark(stream, *newest - LATENESS);
            changes.push(rows(&batch));
        }
        tables.apply(&changes);
        let before = kept.answer.clone();
        kept.tick(&changes, 0).await;
        let new = Changes::concat(kept.dataflow.schema(), &[kept.answer.clone(), before.negated()]).unwrap().consolidated().unwrap();
        assert!((0..new.len()).all(|row| new.weight(row) > 0), "{query} took rows back");
        if tick % 7 == 6 {
            kept.save_and_restore(&relations()).await;
        }
    }
    assert_eq!(kept.dataflow.late_rows(), 0, "{query}");
    for stream in 0..2 {
        kept.dataflow.advance_watermark(stream, 100_000 * MINUTE);
    }
    kept.tick(&alone(&[]), 0).await;
    let answer = tables.ask(&expanded(query)).await;
    assert!(answer.num_rows() > 1, "{query}");
    if let Some(difference) = kept.differs_from(&answer) {
        panic!("seed {seed}: {difference}");
    }
    kept.dataflow.sizes().iter().map(|size| size.rows).sum()
}

#[tokio::test]
async fn a_late_row_is_counted_and_left_out() {
    let mut kept = Kept::emitting(WINDOWED[1], &relations(), Emit::OnWindowClose).await;
    kept.dataflow.advance_watermark(0, 25 * MINUTE);
    kept.tick(&alone(&[(MINUTE, 1, 1), (21 * MINUTE, 1, 1)]), 0).await;
    // The first of a tick is not late: nothing of its window was given before.
    assert_eq!((kept.answer.len(), kept.dataflow.late_rows()), (1, 0));
    kept.tick(&alone(&[(2 * MINUTE, 1, 1), (22 * MINUTE, 1, 1)]), 0).await;
    assert_eq!((kept.answer.len(), kept.dataflow.late_rows()), (1, 1));
    // A watermark does not go back, also over a restart.
    kept.save_and_restore(&relations()).await;
    kept.tick(&alone(&[(3 * MINUTE, 1, 1)]), 0).await;
    assert_eq!((kept.answer.len(), kept.dataflow.late_rows()), (1, 1));
}

#[tokio::test]
async fn a_query_without_windows_cannot_wait_for_them() {
    for query in [
        "SELECT t, k FROM e",
        "SELECT k, count(*) AS n FROM e GROUP BY k",
        "SELECT v AS w FROM e GROUP BY 1",
        "SELECT max(n) AS m FROM (SELECT date_bin(INTERVAL '1 hour', t) AS w, count(*) AS n FROM e GROUP BY 1) x",
        "SELECT date_bin(INTERVAL '1 hour', t) AS w, rank() OVER (ORDER BY count(*)) AS r FROM e GROUP BY 1",
        "SELECT h, sum(n) AS n FROM (SELECT date_bin(INTERVAL '1 minute', t) AS m, date_bin(INTERVAL '1 hour', t) AS h, count(*) AS n FROM e GROUP BY 1, 2) x
         GROUP BY h",
        "SELECT yw, sum(n) AS n FROM (SELECT x.window_start AS xw, y.window_start AS yw, count(*) AS n FROM tumble(e, t, INTERVAL '5 minutes') x
         JOIN tumble(e, t, INTERVAL '5 minutes') y ON x.k = y.k AND y.window_start BETWEEN x.window_start AND x.window_start + INTERVAL '5 minutes'
         GROUP BY 1, 2) q GROUP BY yw",
        "SELECT date_bin(INTERVAL '1 hour', t - INTERVAL '1 month') AS w, count(*) AS n FROM e GROUP BY 1",
        "SELECT m, sum(n) AS n FROM (SELECT date_bin(INTERVAL '1 day', t) AS w, date_bin(INTERVAL '1 day', t) + INTERVAL '1 month' AS m, count(*) AS n
         FROM e GROUP BY 1, 2) x GROUP BY m",
        "SELECT yw, sum(n) AS n FROM (SELECT x.window_start AS xw, y.window_start AS yw, count(*) AS n FROM tumble(e, t, INTERVAL '5 minutes') x
         JOIN tumble(f, t, INTERVAL '5 minutes') y ON x.k = y.k AND y.window_start BETWEEN x.window_start AND x.window_start + INTERVAL '5 minutes'
         GROUP BY 1, 2) q GROUP BY yw",
    ] {
        let parsed = sql::parse_query(query).unwrap();
        let error = Dataflow::plan_to_emit(&parsed, &relations(), Emit::OnWindowClose).await.err().unwrap();
        assert!(error.hint().is_some(), "{query}: {error}");
    }
}

#[tokio::test]
async fn the_first_of_each_key_is_given_once() {
    let query = "SELECT DISTINCT ON (k, date_bin(INTERVAL '1 hour', t)) k, t, v FROM e";
    let mut kept = Kept::new(query, &relations()).await;
    assert_eq!(kept.dataflow.arrival(), Arrival::AppendOnly);
    kept.tick(&alone(&[(0, 1, 1), (MINUTE, 1, 2), (MINUTE, 2, 3)]), 0).await;
    kept.save_and_restore(&relations()).await;
    kept.tick(&alone(&[(2 * MINUTE, 1, 4), (61 * MINUTE, 1, 5)]), 0).await;
    let first: &Int64Array = arrow::array::AsArray::as_primitive(kept.answer.rows().column(2));
    let mut values = first.values().to_vec();
    values.sort();
    assert_eq!(values, [1, 3, 5]);
}

/// Windows as functions are expanded where a query is parsed.
fn expanded(query: &str) -> String {
    sql::parse_query(query).unwrap().to_string()
}
