//! Where rows tie in a window's order, whatever order is taken is right, but it must be one for all rows and all functions: the answers of
//! views that change are explained by one order of each partition.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::kept::{Kept, Tables};
use crate::flow::engine::Relation;
use crate::model::Changes;

/// What is told of the row at a place among those of its partition.
type Tells = fn(&[Row], usize) -> Option<i64>;

/// What a view may tell of a row in its window, beside `id`, `k` it is partitioned by, `v` it is ordered by, and `x`.
const TOLD: [(&str, Tells); 15] = [
    ("lag(id) OVER ({w})", |rows, at| Some(rows[at.checked_sub(1)?].id)),
    ("lag(id, 3) OVER ({w})", |rows, at| Some(rows[at.checked_sub(3)?].id)),
    ("lead(id) OVER ({w})", |rows, at| Some(rows.get(at + 1)?.id)),
    ("lead(id, 2) OVER ({w})", |rows, at| Some(rows.get(at + 2)?.id)),
    ("row_number() OVER ({w})", |_, at| Some(at as i64 + 1)),
    ("sum(x) OVER ({w} ROWS 2 PRECEDING)", |rows, at| Some(rows[at.saturating_sub(2)..=at].iter().map(|row| row.x).sum())),
    ("sum(x) OVER ({w} ROWS UNBOUNDED PRECEDING)", |rows, at| Some(rows[..=at].iter().map(|row| row.x).sum())),
    ("max(id) OVER ({w} ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING)", |rows, at| rows[at + 1..].iter().take(2).map(|row| row.id).max()),
    ("first_value(id) OVER ({w} ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)", |rows, at| Some(rows[at.saturating_sub(2)].id)),
    ("nth_value(id, 2) OVER ({w} ROWS BETWEEN CURRENT ROW AND 3 FOLLOWING)", |rows, at| Some(rows.get(at + 1)?.id)),
    ("rank() OVER ({w})", |rows, at| Some(1 + rows.iter().position(|row| row.v == rows[at].v)? as i64)),
    ("sum(x) OVER ({w})", |rows, at| Some(rows.iter().filter(|row| row.v <= rows[at].v).map(|row| row.x).sum())),
    // From here on they are computed again for all of a partition.
    ("last_value(id) OVER ({w})", |rows, at| Some(rows.iter().rfind(|row| row.v == rows[at].v)?.id)),
    ("first_value(id) OVER ({w})", |rows, _| Some(rows[0].id)),
    ("ntile(3) OVER ({w})", |rows, at| {
        let (size, larger) = (rows.len() / 3, rows.len() % 3);
        let in_larger = larger * (size + 1);
        Some(if at < in_larger { at / (size + 1) } else { larger + (at - in_larger) / size } as i64 + 1)
    }),
];

/// Which of them a view tells. Each has what the order can be read of: `lag(id)` or `row_number()`.
const VIEWS: [&[usize]; 9] = [
    &[0],
    &[0, 2],
    &[0, 10, 11],
    &[4, 5, 8],
    &[0, 1, 2, 3, 4],
    &[0, 4, 5, 6, 7, 8, 9, 10, 11],
    &[0, 2, 14],
    &[0, 12, 13],
    &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14],
];

/// How rows are partitioned and ordered. With the first three `v` is what ties, else all is one tie.
const WINDOWS: [(&str, bool); 5] = [
    ("PARTITION BY k ORDER BY v", true),
    ("PARTITION BY k ORDER BY v * 2", true),
    ("PARTITION BY k, k + 1 ORDER BY k DESC, v", true),
    ("PARTITION BY k", false),
    ("PARTITION BY k ORDER BY 1", false),
];

#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    id: i64,
    k: i64,
    v: i64,
    x: i64,
}

fn schema() -> SchemaRef {
    // What tells rows apart is not the first that they are sorted by.
    let fields = ["x", "k", "v", "id"].map(|name| Field::new(name, DataType::Int64, true));
    Arc::new(Schema::new(fields.to_vec()))
}

fn batch(rows: &[Row]) -> RecordBatch {
    let column = |of: fn(&Row) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as Arc<dyn Array>;
    RecordBatch::try_new(schema(), vec![column(|row| row.x), column(|row| row.k), column(|row| row.v), column(|row| row.id)]).unwrap()
}

/// Few partitions of few ties, and rows that come, go, and change their place.
struct Churn {
    random: ChaCha8Rng,
    rows: Vec<Row>,
    next_id: i64,
}

impl Churn {
    fn below(&mut self, bound: usize) -> usize {
        (self.random.next_u64() % bound as u64) as usize
    }

    fn row(&mut self, id: i64) -> Row {
        Row { id, k: self.below(2) as i64, v: self.below(3) as i64, x: self.below(4) as i64 }
    }

    fn tick(&mut self) -> Changes {
        let (mut rows, mut weights) = (vec![], vec![]);
        for _ in 0..self.below(6) {
            if !self.rows.is_empty() {
                let at = self.below(self.rows.len());
                let old = self.rows.swap_remove(at);
                rows.push(old);
                weights.push(-1);
                if self.below(2) == 0 {
                    let new = self.row(old.id);
                    rows.push(new);
                    weights.push(1);
                    self.rows.push(new);
                }
            }
        }
        for _ in 0..self.below(8) {
            // Ids that come later come before and behind those that are there.
            self.next_id = (self.next_id + 37) % 101;
            let new = self.row(self.next_id);
            if self.rows.iter().all(|row| row.id != new.id) {
                rows.push(new);
                weights.push(1);
                self.rows.push(new);
            }
        }
        Changes::new(batch(&rows), Int64Array::from(weights)).consolidated().unwrap()
    }
}

/// What a view tells, by id, in the order of `view`.
fn told(answer: &Changes, view: &[usize]) -> HashMap<i64, Vec<Option<i64>>> {
    let rows = answer.repeated().unwrap();
    let columns: Vec<_> = rows.columns().iter().map(|column| cast(column, &DataType::Int64).unwrap()).collect();
    let value = |column: usize, row: usize| {
        let column = columns[column].as_primitive::<Int64Type>();
        column.is_valid(row).then(|| column.value(row))
    };
    (0..rows.num_rows()).map(|row| (value(0, row).unwrap(), (1..=view.len()).map(|column| value(column, row)).collect())).collect()
}

/// The order of a partition as the view tells it: by number, or each row behind the one it names.
fn order(rows: &[Row], view: &[usize], told: &HashMap<i64, Vec<Option<i64>>>) -> Result<Vec<Row>, String> {
    let place = |function: usize| view.iter().position(|told| *told == function);
    let key =
        |function: usize, row: &Row| told.get(&row.id).map(|told| told[place(function).unwrap()]).ok_or(format!("{row:?} is missing"));
    let mut ordered = rows.to_vec();
    if place(4).is_some() {
        rows.iter().try_for_each(|row| key(4, row).map(|_| ()))?;
        ordered.sort_by_key(|row| key(4, row).unwrap());
        return Ok(ordered);
    }
    let mut behind = HashMap::new();
    for row in rows {
        if let Some(twin) = behind.insert(key(0, row)?, *row) {
            return Err(format!("both {twin:?} and {row:?} come behind {:?}", key(0, row)?));
        }
    }
    ordered.clear();
    let mut last = None;
    while let Some(row) = behind.remove(&last) {
        ordered.push(row);
        last = Some(row.id);
    }
    if behind.is_empty() { Ok(ordered) } else { Err(format!("not one chain: {behind:?} are left after {ordered:?}")) }
}

/// Whether one order of each partition explains all that is told.
fn explained(rows: &[Row], view: &[usize], answer: &Changes, ties_by_v: bool) -> Result<(), String> {
    let told = told(answer, view);
    if told.len() != rows.len() {
        return Err(format!("{} rows in place of {}", told.len(), rows.len()));
    }
    for k in 0..2 {
        let mut partition: Vec<Row> = rows.iter().filter(|row| row.k == k).copied().collect();
        if !ties_by_v {
            partition.iter_mut().for_each(|row| row.v = 0);
        }
        let ordered = order(&partition, view, &told)?;
        if !ordered.is_sorted_by_key(|row| row.v) {
            return Err(format!("not in order: {ordered:?}"));
        }
        for (at, row) in ordered.iter().enumerate() {
            for (function, found) in view.iter().zip(&told[&row.id]) {
                let expected = TOLD[*function].1(&ordered, at);
                if *found != expected {
                    return Err(format!("{} of {row:?} is {found:?}, not {expected:?}, in {ordered:?}", TOLD[*function].0));
                }
            }
        }
    }
    Ok(())
}

async fn keep(view: &[usize], (window, ties_by_v): (&str, bool), seed: u64, unique: Option<Vec<usize>>) -> Result<(), String> {
    let told = |(nth, function): (usize, &usize)| format!("{} AS c{nth}", TOLD[*function].0.replace("{w}", window));
    let functions: Vec<_> = view.iter().enumerate().map(told).collect();
    let query = format!("SELECT id, {} FROM a", functions.join(", "));
    let relations: Vec<Relation> =
        Tables::of(&[("a", schema())]).relations().into_iter().map(|relation| relation.with_unique(unique.clone())).collect();
    let mut kept = Kept::new(&query, &relations).await;
    let mut churn = Churn { random: ChaCha8Rng::seed_from_u64(seed), rows: vec![], next_id: 0 };
    for tick in 0..25 {
        let changes = churn.tick();
        kept.tick(&[changes], 0).await;
        if tick % 7 == 6 {
            kept.save_and_restore(&relations).await;
        }
        explained(&churn.rows, view, &kept.answer, ties_by_v)
            .map_err(|reason| format!("{query}\nseed {seed}, tick {tick}: {reason}\n{}", kept.dataflow.explain().join("\n")))?;
    }
    Ok(())
}

#[tokio::test]
async fn one_order_explains_all_answers() {
    let mut wrong = vec![];
    for (nth, view) in VIEWS.iter().enumerate() {
        for (window, ties_by_v) in WINDOWS {
            for unique in [None, Some(vec![3])] {
                for seed in 0..3 {
                    wrong.extend(keep(view, (window, ties_by_v), nth as u64 * 10 + seed, unique.clone()).await.err());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}
