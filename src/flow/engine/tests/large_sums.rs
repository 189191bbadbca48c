//! Sums of integers near the limits of bigint, kept while rows come and go, against arithmetic on 128 bits; and arithmetic beyond the limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Int64Type};

use super::churn::Churn;
use super::kept::{Kept, Tables};
use crate::error::{Kind, SqlState};
use crate::flow::engine::{Arrival, Dataflow};
use crate::model::Changes;
use crate::sql;

/// `(k, v, i)`: a group, a bigint and an integer.
type Row = (i64, Option<i64>, i32);

const SUMS: &str = "SELECT k, sum(v) AS sv, sum(DISTINCT v) AS dv, sum(i) AS si, sum(v) FILTER (WHERE i < 0) AS fv FROM a GROUP BY k";

/// Those that the engine keeps in other ways, against DataFusion.
const OTHERS: &[&str] = &[
    "SELECT k, sum(sv) AS s FROM (SELECT k, i, sum(v) AS sv FROM a GROUP BY k, i) x GROUP BY k",
    "SELECT i, sum(v) OVER (PARTITION BY k ORDER BY i, v ROWS UNBOUNDED PRECEDING) AS running FROM a",
    "SELECT i, sum(v) OVER (PARTITION BY k ORDER BY i, v ROWS 2 PRECEDING) AS moving FROM a",
    "SELECT k, i, sum(v) AS sv FROM a GROUP BY CUBE (k, i)",
    "SELECT k, sum(v) AS sv, string_agg(i::text, ',' ORDER BY i) AS numbers FROM a GROUP BY k",
    "SELECT k, sum(DISTINCT v) AS dv, sum(v) AS sv FROM a GROUP BY k",
    "SELECT k, count(DISTINCT i) AS di, sum(v) AS sv FROM a GROUP BY k",
    "SELECT k, avg(v) AS av, avg(i) AS ai, avg(DISTINCT i) AS di, avg(v) FILTER (WHERE i < 0) AS fv FROM a GROUP BY k",
    "SELECT k, avg(av) AS aa, avg(v) AS av FROM (SELECT k, v, avg(i) OVER (PARTITION BY k ORDER BY i, v) AS av FROM a) x GROUP BY k",
    "SELECT i, avg(v) OVER (PARTITION BY k ORDER BY i, v ROWS 2 PRECEDING) AS moving, count(*) OVER (PARTITION BY k) AS n FROM a",
    "SELECT k, i, avg(v) AS av, grouping(k) AS g FROM a GROUP BY ROLLUP (k, i) HAVING avg(v) IS NOT NULL",
    "SELECT k, v FROM a x WHERE v >= (SELECT avg(y.v) FROM a y WHERE y.k = x.k + 1)",
    "SELECT x.k, x.sv + y.v AS both FROM (SELECT k, sum(v) AS sv FROM a GROUP BY k) x JOIN a y ON x.k = y.k AND x.sv > y.v",
];

fn changes(rows: &[Row], weight: i64) -> Changes {
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("k", Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))), true),
        ("v", Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1))), true),
        ("i", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.2))), true),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let weights = Int64Array::from_value(weight, rows.len());
    if weight == 1 { Changes::inserted(batch) } else { Changes::new(batch, weights) }
}

fn row(random: &mut Churn) -> Row {
    let v = match random.below(8) {
        0 => None,
        1..=3 => Some(i64::MAX - random.below(3) as i64),
        4..=6 => Some(i64::MIN + random.below(3) as i64),
        _ => Some(random.below(3) as i64 - 1),
    };
    let i = if random.below(2) == 0 { i32::MAX - random.below(3) as i32 } else { i32::MIN + random.below(3) as i32 };
    (random.below(3) as i64, v, i)
}

/// Rows that come, and where rows go, some of those that are there.
fn step(random: &mut Churn, there: &mut Vec<Row>, arrival: Arrival) -> Changes {
    let came: Vec<Row> = (0..6).map(|_| row(random)).collect();
    there.extend(&came);
    let mut all = vec![changes(&came, 1)];
    if arrival == Arrival::Changing {
        let gone: Vec<Row> = (0..5).map(|_| there.swap_remove(random.below(there.len() as u64) as usize)).collect();
        all.push(changes(&gone, -1));
    }
    Changes::concat(&all[0].schema(), &all).unwrap()
}

/// The four sums by group.
type Sums = BTreeMap<i64, [Option<i128>; 4]>;

fn expected(rows: &[Row]) -> Sums {
    let sum = |values: Vec<i128>| (!values.is_empty()).then(|| values.iter().sum::<i128>());
    let mut groups: BTreeMap<i64, Vec<Row>> = BTreeMap::new();
    rows.iter().for_each(|row| groups.entry(row.0).or_default().push(*row));
    let sums = |rows: Vec<Row>| {
        let values = |rows: &[Row]| rows.iter().filter_map(|row| row.1.map(i128::from)).collect::<Vec<_>>();
        let mut distinct = values(&rows);
        distinct.sort();
        distinct.dedup();
        let negative: Vec<Row> = rows.iter().copied().filter(|row| row.2 < 0).collect();
        [sum(values(&rows)), sum(distinct), sum(rows.iter().map(|row| row.2.into()).collect()), sum(values(&negative))]
    };
    groups.into_iter().map(|(k, rows)| (k, sums(rows))).collect()
}

fn kept_sums(kept: &Kept) -> Sums {
    let rows = kept.answer.repeated().unwrap();
    let value = |column: usize, row: usize| {
        let array = rows.column(column);
        match array.data_type() {
            _ if array.is_null(row) => None,
            DataType::Int64 => Some(array.as_primitive::<Int64Type>().value(row).into()),
            _ => Some(array.as_primitive::<Decimal128Type>().value(row)),
        }
    };
    let key = |row: usize| rows.column(0).as_primitive::<Int64Type>().value(row);
    (0..rows.num_rows()).map(|row| (key(row), [1, 2, 3, 4].map(|column| value(column, row)))).collect()
}

fn is_linear(dataflow: &Dataflow) -> bool {
    !dataflow.explain().iter().any(|line| line.contains("recomputed") || line.contains("mergeable"))
}

#[tokio::test]
async fn sums_of_bigint_are_exact() {
    for (seed, arrival) in [Arrival::Changing, Arrival::AppendOnly].into_iter().enumerate() {
        let mut random = Churn::new(seed as u64);
        let mut relations = Tables::of(&[("a", changes(&[], 1).schema())]).relations();
        relations[0].arrival = arrival;
        let mut kept = Kept::new(SUMS, &relations).await;
        let types: Vec<_> = kept.dataflow.schema().fields().iter().map(|field| field.data_type().clone()).collect();
        let numeric = DataType::Decimal128(29, 0);
        assert_eq!(types, [DataType::Int64, numeric.clone(), numeric.clone(), DataType::Int64, numeric]);
        assert!(is_linear(&kept.dataflow), "{:?}", kept.dataflow.explain());
        let mut there = vec![];
        for tick in 0..60 {
            let changes = step(&mut random, &mut there, arrival);
            kept.tick(&[changes], 0).await;
            if tick % 7 == 6 {
                kept.save_and_restore(&relations).await;
            }
            assert_eq!(kept_sums(&kept), expected(&there), "seed {seed}, tick {tick}");
        }
    }
}

#[tokio::test]
async fn all_ways_to_keep_a_sum_give_the_same() {
    for (seed, query) in OTHERS.iter().enumerate() {
        for arrival in [Arrival::Changing, Arrival::AppendOnly] {
            let mut random = Churn::new(seed as u64);
            let mut tables = Tables::of(&[("a", changes(&[], 1).schema())]);
            let mut relations = tables.relations();
            relations[0].arrival = arrival;
            let mut kept = Kept::new(query, &relations).await;
            let mut there = vec![];
            for tick in 0..8 {
                let changes = [step(&mut random, &mut there, arrival)];
                tables.apply(&changes);
                kept.tick(&changes, 0).await;
                if tick % 3 == 2 {
                    kept.save_and_restore(&relations).await;
                }
                if let Some(difference) = kept.differs_from(&tables.ask(query).await) {
                    panic!("seed {seed}, tick {tick}: {difference}");
                }
            }
        }
    }
}

/// What an overflow does to a view is what a division by zero does, wherever it stands.
#[tokio::test]
async fn what_is_out_of_range_ends_the_tick() {
    let relations = Tables::of(&[("a", changes(&[], 1).schema())]).relations();
    let places = [
        "SELECT {} AS x FROM a",
        "SELECT k FROM a WHERE {} > 0",
        "SELECT {} AS x, count(*) AS n FROM a GROUP BY 1",
        "SELECT k, sum({}) AS s FROM a GROUP BY k",
        "SELECT k, max(i) FILTER (WHERE {} > 0) AS m FROM a GROUP BY k",
        "SELECT k, string_agg(i::text, ',' ORDER BY {}) AS s FROM a GROUP BY k",
        "SELECT x.k FROM a x JOIN a y ON x.k = {}",
        "SELECT x.k FROM a x LEFT JOIN a y ON x.k = y.k AND x.i < {}",
        "SELECT k, lag({}) OVER (PARTITION BY k ORDER BY i, v) AS before FROM a",
        "SELECT k, sum(v) OVER (ORDER BY {}) AS running FROM a",
        "SELECT k FROM a ORDER BY {} LIMIT 3",
        "SELECT k FROM a WHERE k IN (SELECT {} FROM a)",
    ];
    let row = changes(&[(0, Some(i64::MAX), 5)], 1);
    for place in places {
        let of = if place.contains(" y ") { "y." } else { "" };
        let overflow = format!("({of}v + 1)");
        let division = format!("(1 / {of}k)");
        for (expression, state) in [(overflow, SqlState::NUMERIC_VALUE_OUT_OF_RANGE), (division, SqlState::DIVISION_BY_ZERO)] {
            let query = place.replace("{}", &expression);
            let mut dataflow = Dataflow::plan(&sql::parse_query(&query).unwrap(), &relations).await.unwrap();
            let error = match dataflow.tick(std::slice::from_ref(&row), 0).await {
                Ok(made) => panic!("{query} gives {} rows", made.len()),
                Err(error) => error,
            };
            assert_eq!((error.kind(), error.sqlstate()), (Kind::Data, state), "{query}: {error}");
        }
    }
}
