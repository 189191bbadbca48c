//! IN with a subquery knows three values, as PostgreSQL's: its truth table, written down by hand, against queries and against views that are
//! kept while the subquery's rows come and go.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use super::kept::{Kept, Tables};
use crate::flow::engine::Dataflow;
use crate::model::Changes;

/// For each row of `l`.
type Truth = [Option<bool>; 3];

const T: Option<bool> = Some(true);
const F: Option<bool> = Some(false);
const N: Option<bool> = None;

/// What a subquery has of `c`, and what `x IN` it is for each row of `l`: `x` is null, 1 and 2.
const FOUND: [(&[Option<i64>], Truth); 5] = [
    (&[], [F, F, F]),
    (&[Some(1)], [N, T, F]),
    (&[Some(1), None], [N, T, N]),
    (&[None], [N, N, N]),
    (&[Some(2), Some(2), Some(3)], [N, F, T]),
];

/// The same of a subquery for the greatest: one row, whatever there is.
const EQUALS_GREATEST: [Truth; 5] = [[N, N, N], [N, T, F], [N, T, F], [N, N, N], [N, F, F]];

/// `x IN` in many words. Of the rows of `s` only those of `g` 1 count, as all of `l` have it.
const FOUND_IN: [&str; 9] = [
    "{x} IN (SELECT c FROM s WHERE g = 1)",
    "{x} IN (SELECT c FROM s WHERE s.g = {l}.g)",
    "{x} IN (SELECT c FROM s WHERE s.g <= {l}.g)",
    "{x} IN (SELECT DISTINCT c FROM s WHERE g = 1)",
    "{x} IN (SELECT c FROM s WHERE g = 1 ORDER BY g, c LIMIT 10)",
    "{x} IN (SELECT c FROM s WHERE s.g = {l}.g GROUP BY c)",
    "{x} IN (SELECT d FROM (SELECT c + 0 AS d FROM s WHERE g = 1 UNION ALL SELECT c FROM s WHERE g = 1 AND c > 1) u)",
    "{x} = ANY (SELECT c FROM s WHERE g = 1)",
    "NOT ({x} <> ALL (SELECT c FROM s WHERE s.g = {l}.g))",
];

const NOT_FOUND_IN: [&str; 6] = [
    "{x} NOT IN (SELECT c FROM s WHERE g = 1)",
    "{x} NOT IN (SELECT c FROM s WHERE s.g = {l}.g)",
    "{x} + 0 NOT IN (SELECT c FROM s WHERE s.g <= {l}.g)",
    "{x} NOT IN (SELECT c FROM s WHERE g = 1 GROUP BY c HAVING count(*) > 0)",
    "{x} <> ALL (SELECT c FROM s WHERE g = 1)",
    "NOT ({x} IN (SELECT c FROM s WHERE g = 1))",
];

const EQUALS: [&str; 3] = [
    "{x} IN (SELECT max(c) FROM s WHERE g = 1)",
    "{x} IN (SELECT max(c) FROM s WHERE s.g = {l}.g)",
    "{x} IN ((SELECT max(c) FROM s WHERE g = 1))",
];

/// Conditions, and for which of true, false and null they keep a row. `id` is never negative.
const PLACES: [(&str, [bool; 3]); 19] = [
    ("{}", [true, false, false]),
    ("NOT {}", [false, true, false]),
    ("NOT (NOT {})", [true, false, false]),
    ("{} AND id > 0", [true, false, false]),
    ("{} OR id < 0", [true, false, false]),
    ("NOT {} OR id < 0", [false, true, false]),
    ("NOT ({} OR id < 0)", [false, true, false]),
    ("NOT ({} AND id > 0)", [false, true, false]),
    ("NOT (NOT {} AND id > 0)", [true, false, false]),
    ("{} IS NULL", [false, false, true]),
    ("{} IS NOT NULL", [true, true, false]),
    ("{} IS TRUE", [true, false, false]),
    ("{} IS NOT TRUE", [false, true, true]),
    ("{} IS FALSE OR id < 0", [false, true, false]),
    ("{} IS NOT FALSE", [true, false, true]),
    ("CASE WHEN {} THEN id > 0 ELSE id < 0 END", [true, false, false]),
    ("CASE WHEN NOT {} THEN id > 0 WHEN id > 0 THEN FALSE END", [false, true, false]),
    ("coalesce({}, TRUE)", [true, false, true]),
    ("{} IS DISTINCT FROM (id > 0)", [false, true, true]),
];

/// Where a condition stands, what `l` is called there, and `x`.
const AROUND: [(&str, &str, &str); 3] = [
    ("SELECT id FROM l WHERE {}", "l", "x"),
    ("SELECT id FROM l GROUP BY id, g HAVING {}", "l", "max(x)"),
    ("SELECT id FROM l JOIN (VALUES (1)) v (n) ON n <= id AND {}", "l", "x"),
];

/// A query, and of each set of rows which of the three rows of `l` it gives.
struct Asked {
    query: String,
    gives: Vec<[bool; 3]>,
}

fn asked() -> Vec<Asked> {
    let found: Vec<_> = FOUND.iter().map(|(_, found)| *found).collect();
    let not_found: Vec<_> = found.iter().map(|found| found.map(|found| found.map(|found| !found))).collect();
    let of = |text: &[&'static str], truth: &[Truth]| text.iter().map(|text| (*text, truth.to_vec())).collect::<Vec<_>>();
    let conditions = [of(&FOUND_IN, &found), of(&NOT_FOUND_IN, &not_found), of(&EQUALS, &EQUALS_GREATEST)].concat();
    let mut asked = vec![];
    for (nth, (condition, truth)) in conditions.iter().enumerate() {
        let is_plain =
            ["{x} IN (SELECT c", "{x} NOT IN (SELECT c"].iter().any(|start| condition.starts_with(start)) && condition.contains("WHERE");
        // The plain ones everywhere, of the others every third.
        for (place, (template, keeps)) in PLACES.iter().enumerate().filter(|(place, _)| is_plain || (nth + place) % 3 == 0 || *place == nth)
        {
            // In WHERE all of them, elsewhere one of each; there, ANY and ALL are refused.
            let is_everywhere = nth % PLACES.len() == place && !condition.contains("ANY (") && !condition.contains("ALL (");
            let around = if is_everywhere { &AROUND[..] } else { &AROUND[..1] };
            for (query, l, x) in around {
                let condition = format!("({})", condition.replace("{x}", x).replace("{l}", l));
                let keep = |truth: Option<bool>| {
                    keeps[match truth {
                        Some(true) => 0,
                        Some(false) => 1,
                        None => 2,
                    }]
                };
                let gives = truth.iter().map(|row| row.map(keep)).collect();
                asked.push(Asked { query: query.replace("{}", &format!("({})", template.replace("{}", &condition))), gives });
            }
        }
    }
    asked
}

fn schemas() -> Vec<(&'static str, SchemaRef)> {
    let schema = |names: [&str; 3]| {
        let fields: Vec<_> = names.iter().map(|name| Field::new(*name, DataType::Int64, !matches!(*name, "id" | "g"))).collect();
        Arc::new(Schema::new(fields))
    };
    vec![("l", schema(["id", "g", "x"])), ("s", schema(["n", "g", "c"]))]
}

fn rows(schema: &SchemaRef, g: i64, values: &[Option<i64>]) -> Changes {
    let ids = Int64Array::from_iter_values((1..).take(values.len()));
    let columns: Vec<Arc<dyn arrow::array::Array>> =
        vec![Arc::new(ids), Arc::new(Int64Array::from(vec![g; values.len()])), Arc::new(values.iter().copied().collect::<Int64Array>())];
    Changes::inserted(RecordBatch::try_new(schema.clone(), columns).unwrap())
}

/// What there is with a set of rows in `s`: beside them, others that must not count.
fn tables(set: &[Option<i64>]) -> Vec<Changes> {
    let schemas = schemas();
    let (l, s) = (&schemas[0].1, &schemas[1].1);
    let others = rows(s, 2, &[None, Some(1), Some(7)]);
    vec![rows(l, 1, &[None, Some(1), Some(2)]), Changes::concat(s, &[rows(s, 1, set), others]).unwrap()]
}

fn ids(rows: &RecordBatch) -> Vec<i64> {
    let mut ids = rows.column(0).as_primitive::<Int64Type>().values().to_vec();
    ids.sort_unstable();
    ids
}

fn expected(gives: [bool; 3]) -> Vec<i64> {
    (1..).zip(gives).filter(|(_, gives)| *gives).map(|(id, _)| id).collect()
}

#[tokio::test]
async fn queries_answer_as_postgresql_does() {
    let mut wrong = vec![];
    for Asked { query, gives } in asked() {
        for ((set, _), gives) in FOUND.iter().zip(gives) {
            let mut there = Tables::of(&schemas());
            there.apply(&tables(set));
            let answer = ids(&there.ask(&query).await);
            if answer != expected(gives) {
                wrong.push(format!("{query}\n  of {set:?}: {answer:?} in place of {:?}", expected(gives)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn views_answer_as_postgresql_does() {
    let relations = Tables::of(&schemas()).relations();
    let mut wrong = vec![];
    for Asked { query, gives } in asked() {
        let mut kept = Kept::new(&query, &relations).await;
        let mut before: Vec<Changes> = schemas().into_iter().map(|(_, schema)| Changes::empty(schema)).collect();
        // There, back, and there again by leaps: rows come and go.
        for set in [0, 1, 2, 3, 4, 3, 2, 1, 0, 2, 4, 1, 3, 0] {
            let now = tables(FOUND[set].0);
            let difference = |(now, before): (&Changes, &Changes)| {
                Changes::concat(&now.schema(), &[before.negated(), now.clone()]).unwrap().consolidated().unwrap()
            };
            let changes: Vec<_> = now.iter().zip(&before).map(difference).collect();
            kept.tick(&changes, 0).await;
            before = now;
            let answer = ids(&kept.answer.repeated().unwrap());
            if answer != expected(gives[set]) {
                wrong.push(format!("{query}\n  of {:?}: {answer:?} in place of {:?}", FOUND[set].0, expected(gives[set])));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn what_is_the_same_for_all_rows_is_asked_for_as_well() {
    let asked = [
        ("1 NOT IN (SELECT c FROM s WHERE g = 1)", [true, false, false, false, true]),
        ("5 NOT IN (SELECT c FROM s WHERE g = 1)", [true, true, false, false, true]),
        ("NULL NOT IN (SELECT c FROM s WHERE g = 1)", [true, false, false, false, false]),
        ("(NULL IN (SELECT c FROM s WHERE g = 1)) IS NULL", [false, true, true, true, true]),
        ("(5 IN (SELECT c FROM s WHERE g = 1)) IS NULL", [false, false, true, true, false]),
        ("id NOT IN (SELECT NULL FROM s WHERE g = 1)", [true, false, false, false, false]),
        ("id NOT IN (SELECT 7 FROM s WHERE g = 1)", [true, true, true, true, true]),
        ("id * 0 IN (SELECT count(*) FROM s WHERE s.g = l.g)", [true, false, false, false, false]),
    ];
    let relations = Tables::of(&schemas()).relations();
    for (condition, gives) in asked {
        let query = format!("SELECT id FROM l WHERE {condition}");
        for ((set, _), gives) in FOUND.iter().zip(gives) {
            let mut there = Tables::of(&schemas());
            there.apply(&tables(set));
            assert_eq!(ids(&there.ask(&query).await), expected([gives; 3]), "{condition} of {set:?}");
            let mut kept = Kept::new(&query, &relations).await;
            kept.tick(&tables(set), 0).await;
            assert_eq!(ids(&kept.answer.repeated().unwrap()), expected([gives; 3]), "view: {condition} of {set:?}");
        }
    }
}

/// Joins by which each condition is kept.
async fn joins(condition: &str) -> Vec<String> {
    let relations = Tables::of(&schemas()).relations();
    let query = crate::sql::parse_query(&format!("SELECT id FROM l WHERE {condition}")).unwrap();
    let dataflow = Dataflow::plan(&query, &relations).await.unwrap_or_else(|error| panic!("{condition}: {error:?}"));
    let is_join = |line: &String| line.contains("join") || line.contains("match in the second");
    let lines = dataflow.explain().into_iter().filter(|line| is_join(line) && !line.contains("kept:"));
    lines.map(|line| line.trim().to_string()).collect()
}

#[tokio::test]
async fn two_values_are_enough_where_unknown_is_as_good_as_false() {
    for condition in [
        "x IN (SELECT c FROM s) OR id < 0",
        "x IN (SELECT c FROM s) AND (id > 0 OR x IN (SELECT c FROM s))",
        "NOT (NOT x IN (SELECT c FROM s) AND id > 0)",
        "CASE WHEN x IN (SELECT c FROM s) THEN id > 0 ELSE id < 0 END",
        "(id IN (SELECT g FROM s)) IS NOT FALSE OR id IN (SELECT g + 1 FROM s)",
    ] {
        let joins = joins(condition).await;
        assert!((1..=2).contains(&joins.len()), "{condition}: {joins:#?}");
    }
}

#[tokio::test]
async fn what_is_asked_twice_answers_alike() {
    let relations = Tables::of(&schemas()).relations();
    let query = crate::sql::parse_query("SELECT id FROM l WHERE x NOT IN (SELECT c * random() FROM s) OR id < 0").unwrap();
    let error = Dataflow::plan(&query, &relations).await.err().unwrap();
    assert!(error.hint().is_some(), "{error}");
    let context = crate::sql::planner::context(Arc::default(), 1).unwrap();
    context.sql("CREATE TABLE s AS SELECT 1 AS c, 2 AS x").await.unwrap();
    let asked = context.sql("SELECT x FROM s WHERE NOT (x IN (SELECT c * random() FROM s)) OR x < 0").await.unwrap();
    let error = crate::error::Error::from(asked.collect().await.unwrap_err());
    assert!(error.to_string().contains("random()") && error.hint().is_some(), "{error}");
}
