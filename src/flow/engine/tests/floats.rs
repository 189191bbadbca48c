//! Floats that are equal and not the same, those that are no numbers, and sums that are too large for a while.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};

use super::churn::Churn;
use super::kept::{Kept, Tables};
use crate::error::SqlState;
use crate::flow::engine::{Arrival, Dataflow};
use crate::model::Changes;
use crate::sql;

const VALUES: &[f64] = &[0.0, -0.0, 1.5, -1.5, f64::NAN, f64::INFINITY];

const QUERIES: &[&str] = &[
    "SELECT f + 0.0 AS f, count(*) AS n, sum(v) AS sv FROM a GROUP BY f",
    "SELECT f + 0.0 AS f, array_agg(v ORDER BY v) AS vs, max(v) AS hi FROM a GROUP BY f",
    "SELECT DISTINCT f + 0.0 AS f FROM a",
    "SELECT v, count(DISTINCT f) AS n FROM a GROUP BY v",
    "SELECT x.v, y.v AS w FROM a x JOIN a y ON x.f = y.f WHERE x.v < 4",
    "SELECT v FROM a WHERE f NOT IN (SELECT f FROM a WHERE v = 2)",
    "SELECT v, f + 0.0 AS f, sum(v) OVER (PARTITION BY f) AS sv FROM a",
    "SELECT v, min(f) OVER (ORDER BY v ROWS 1 PRECEDING)::varchar AS lo, max(f) OVER (ORDER BY v ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING)::varchar AS hi, \
     count(f) OVER (ORDER BY v ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING) AS n \
     FROM (SELECT v, CASE v WHEN 0 THEN CAST('NaN' AS DOUBLE) WHEN 1 THEN CAST('-0' AS DOUBLE) WHEN 2 THEN CAST(0 AS DOUBLE) ELSE CAST(v AS DOUBLE) END AS f \
     FROM (SELECT DISTINCT v FROM a) d) g",
    "SELECT v, stddev(f) AS sd, var_pop(f) AS vp, avg(f) AS af, sum(f) AS sf FROM a GROUP BY v",
];

fn rows(rows: &[(f64, i64)], weight: i64) -> Changes {
    let floats = Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.0))) as ArrayRef;
    let numbers = Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))) as ArrayRef;
    let batch = RecordBatch::try_from_iter_with_nullable([("f", floats, true), ("v", numbers, true)]).unwrap();
    let weights = Int64Array::from_value(weight, rows.len());
    if weight == 1 { Changes::inserted(batch) } else { Changes::new(batch, weights) }
}

fn tables() -> Tables {
    Tables::of(&[("a", rows(&[], 1).schema())])
}

#[tokio::test]
async fn equal_floats_are_equal() {
    for (seed, query) in QUERIES.iter().enumerate() {
        for arrival in [Arrival::Changing, Arrival::AppendOnly] {
            let mut random = Churn::new(seed as u64);
            let mut tables = tables();
            let mut relations = tables.relations();
            relations[0].arrival = arrival;
            let mut kept = Kept::new(query, &relations).await;
            let mut there: Vec<(f64, i64)> = vec![];
            for tick in 0..12 {
                let came: Vec<(f64, i64)> =
                    (0..4).map(|_| (VALUES[random.below(VALUES.len() as u64) as usize], random.below(5) as i64)).collect();
                let mut changes = vec![rows(&came, 1)];
                there.extend(&came);
                if arrival == Arrival::Changing {
                    let gone: Vec<_> = (0..3).map(|_| there.swap_remove(random.below(there.len() as u64) as usize)).collect();
                    changes.push(rows(&gone, -1));
                }
                let changes = [Changes::concat(&changes[0].schema(), &changes).unwrap()];
                tables.apply(&changes);
                kept.tick(&changes, 0).await;
                if tick % 4 == 3 {
                    kept.save_and_restore(&relations).await;
                }
                if let Some(difference) = kept.differs_from(&tables.ask(query).await) {
                    panic!("seed {seed}, tick {tick}: {difference}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_subquery_in_place_of_a_value_has_one_row() {
    let query = "SELECT v, (SELECT v FROM a WHERE f > 5) AS w FROM a";
    for arrival in [Arrival::Changing, Arrival::AppendOnly] {
        let mut tables = tables();
        let mut relations = tables.relations();
        relations[0].arrival = arrival;
        let mut dataflow = Dataflow::plan(&sql::parse_query(query).unwrap(), &relations).await.unwrap();
        let mut answer = Changes::empty(dataflow.schema().clone());
        for batch in [rows(&[(1.0, 1)], 1), rows(&[(6.0, 2)], 1), rows(&[(3.0, 3)], 1)] {
            tables.apply(std::slice::from_ref(&batch));
            let made = dataflow.tick(&[batch], 0).await.unwrap();
            answer = Changes::concat(dataflow.schema(), &[answer, made]).unwrap();
            let expected = super::kept::lines(&tables.ask(query).await);
            assert_eq!(super::kept::lines(&answer.consolidated().unwrap().repeated().unwrap()), expected);
        }
        let error = dataflow.tick(&[rows(&[(7.0, 4)], 1)], 0).await.unwrap_err();
        assert_eq!(error.sqlstate(), SqlState::CARDINALITY_VIOLATION, "{error}");
    }
}
