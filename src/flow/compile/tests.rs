//! Queries over batches, one after another.

use arrow::array::{AsArray, Int64Array, TimestampMicrosecondArray};
use arrow::datatypes::Int64Type;
use arrow::util::pretty::pretty_format_batches;

use super::*;
use crate::catalog::OnViolation;
use crate::clock::Clock;
use crate::error::{Kind, SqlState};
use crate::model::SqlType;

fn source(columns: &[(&str, SqlType)]) -> Input {
    let columns = columns.iter().map(|(name, data_type)| SourceColumn::found(name, data_type.clone())).collect();
    Input { id: ObjectId::new(), name: Name::new("s").unwrap(), columns: Arc::new(columns) }
}

fn numbers() -> Input {
    source(&[("a", SqlType::BigInt), ("t", SqlType::Text)])
}

/// `a` is 1, 2, null; `t` is x, y, z.
fn batch() -> FeedBatch {
    let columns: Vec<(&str, ArrayRef)> =
        vec![("a", Arc::new(Int64Array::from(vec![Some(1), Some(2), None]))), ("t", Arc::new(StringArray::from(vec!["x", "y", "z"])))];
    FeedBatch::of_rows(RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap())
}

async fn run(query: &str) -> String {
    let input = numbers();
    let compiled = Compiled::new(query, std::slice::from_ref(&input), &[]).await.unwrap();
    show(&compiled.run(input.id, &batch()).await.unwrap().rows)
}

/// One line a row, fields with `|` between.
fn show(rows: &RecordBatch) -> String {
    let table = pretty_format_batches(std::slice::from_ref(rows)).unwrap().to_string();
    let lines = table.lines().skip(3).filter(|line| line.starts_with('|'));
    lines
        .map(|line| line.split('|').map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join("|"))
        .collect::<Vec<_>>()
        .join(" ")
}

async fn refusal(query: &str) -> Error {
    match Compiled::new(query, &[numbers()], &[]).await {
        Err(error) => error,
        Ok(_) => panic!("{query} was accepted"),
    }
}

#[tokio::test]
async fn rows_are_computed_filtered_unnested_and_united() {
    assert_eq!(run("SELECT a + 1 AS b, upper(t) AS u FROM s WHERE a > 1").await, "3|Y");
    assert_eq!(run("SELECT t, unnest(make_array(a, 10)) AS n FROM s WHERE t = 'x'").await, "x|1 x|10");
    assert_eq!(run("SELECT t FROM s WHERE a = 1 UNION ALL SELECT t || '!' FROM s WHERE a = 2").await, "x y!");
    assert_eq!(run("WITH w AS (SELECT a FROM s) SELECT a * 2 AS a FROM w WHERE a IS NOT NULL").await, "2 4");
}

/// What an overflow does to a pipeline is what a division by zero does.
#[tokio::test]
async fn what_cannot_be_computed_ends_the_batch() {
    let input = numbers();
    for (query, state) in [
        ("SELECT 1 / (a - 1) AS b FROM s", SqlState::DIVISION_BY_ZERO),
        ("SELECT a + 9223372036854775806 AS b FROM s", SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
        ("SELECT t FROM s WHERE a * 9223372036854775807 > 0", SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
    ] {
        let compiled = Compiled::new(query, std::slice::from_ref(&input), &[]).await.unwrap();
        let error = compiled.run(input.id, &batch()).await.err().unwrap();
        assert_eq!((error.kind(), error.sqlstate()), (Kind::Data, state), "{query}: {error}");
    }
}

#[tokio::test]
async fn metadata_columns_appear_when_they_are_named() {
    assert_eq!(run("SELECT * FROM s WHERE a = 1").await, "1|x");
    assert_eq!(run("SELECT *, _partition, _offset FROM s WHERE a = 2").await, "2|y|p|2");
}

#[tokio::test]
async fn a_plan_runs_any_number_of_times_and_keeps_nothing() {
    let input = numbers();
    let compiled = Compiled::new("SELECT a FROM s WHERE a > 1", std::slice::from_ref(&input), &[]).await.unwrap();
    for _ in 0..3 {
        assert_eq!(compiled.run(input.id, &batch()).await.unwrap().rows.column(0).as_primitive::<Int64Type>().values(), &[2]);
    }
}

#[tokio::test]
async fn columns_that_are_newer_than_a_batch_are_null() {
    let input = source(&[("a", SqlType::BigInt), ("t", SqlType::Text), ("later", SqlType::Double)]);
    let compiled = Compiled::new("SELECT later FROM s", std::slice::from_ref(&input), &[]).await.unwrap();
    assert_eq!(compiled.run(input.id, &batch()).await.unwrap().rows.column(0).null_count(), 3);
    assert!(compiled.knows(input.id, 3) && !compiled.knows(input.id, 4));
}

#[tokio::test]
async fn a_source_without_columns_takes_a_star_and_nothing_else() {
    let empty = source(&[]);
    assert!(Compiled::new("SELECT * FROM s", std::slice::from_ref(&empty), &[]).await.is_ok());
    let error = Compiled::new("SELECT a FROM s", &[empty], &[]).await.err().unwrap();
    assert_eq!(error.sqlstate(), SqlState::UNDEFINED_COLUMN);
    assert!(error.hint().unwrap().contains("SELECT *"));
}

#[tokio::test]
async fn two_sources_each_drive_their_branch() {
    let (left, mut right) = (numbers(), numbers());
    right.name = Name::new("r").unwrap();
    let inputs = [left, right];
    let query = "SELECT t, 'left' AS side FROM s UNION ALL SELECT t, 'right' FROM r WHERE a = 1";
    let compiled = Compiled::new(query, &inputs, &[]).await.unwrap();
    assert_eq!(show(&compiled.run(inputs[0].id, &batch()).await.unwrap().rows), "x|left y|left z|left");
    assert_eq!(show(&compiled.run(inputs[1].id, &batch()).await.unwrap().rows), "x|right");
}

#[tokio::test]
async fn now_is_the_time_of_the_run_not_of_the_plan() {
    let input = numbers();
    let compiled = Compiled::new("SELECT now() AS n FROM s", std::slice::from_ref(&input), &[]).await.unwrap();
    let planned = Clock::wall().now_micros();
    let rows = compiled.run(input.id, &batch()).await.unwrap().rows;
    let times = rows.column(0).as_any().downcast_ref::<TimestampMicrosecondArray>().unwrap();
    assert!(times.value(0) >= planned);
}

#[tokio::test]
async fn no_function_of_time_is_folded_into_the_plan() {
    for function in ["now()", "current_timestamp", "current_date", "current_time", "today()"] {
        let query = format!("SELECT {function} AS moment FROM s");
        let compiled = Compiled::new(&query, &[numbers()], &[]).await.unwrap();
        assert!(compiled.describe(false).contains("()"), "{function}: {}", compiled.describe(false));
    }
}

#[tokio::test]
async fn a_field_that_the_query_names_itself_goes_to_a_sibling() {
    let input = numbers();
    let query = "SELECT *, 7 AS t FROM s WHERE a = 1";
    assert!(Compiled::new(query, std::slice::from_ref(&input), &[]).await.is_err(), "at first it is the user's mistake");
    let compiled = Compiled::anew(query, std::slice::from_ref(&input), &[]).await.unwrap();
    let rows = compiled.run(input.id, &batch()).await.unwrap().rows;
    let names: Vec<_> = rows.schema_ref().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["a", "t", "t__text"]);
    assert_eq!(show(&rows), "1|7|x");
}

#[tokio::test]
async fn what_needs_state_is_refused_by_name() {
    for (query, what) in [
        ("SELECT count(*) AS c FROM s", "aggregates"),
        ("SELECT DISTINCT a FROM s", "DISTINCT"),
        ("SELECT a FROM s ORDER BY a", "ORDER BY"),
        ("SELECT a FROM s LIMIT 1", "LIMIT"),
        ("SELECT x.a FROM s x JOIN s y ON x.a = y.a", "joins"),
        ("SELECT row_number() OVER () AS r FROM s", "window functions"),
        ("SELECT a FROM s WHERE a IN (SELECT a FROM s)", "subqueries"),
        ("SELECT a FROM s UNION ALL SELECT 1", "rows that come from no source"),
    ] {
        let error = refusal(query).await;
        assert!(error.message().contains(what), "{query}: {error}");
        assert_eq!(error.sqlstate(), SqlState::FEATURE_NOT_SUPPORTED);
    }
    assert_eq!(refusal("SELECT a, t AS a FROM s").await.sqlstate(), SqlState::AMBIGUOUS_COLUMN);
}

#[tokio::test]
async fn expectations_count_drop_and_fail() {
    let expect = |name: &str, condition: &str, on_violation| Expectation { name: name.into(), condition: condition.into(), on_violation };
    let input = numbers();
    let query = "SELECT a, t FROM s";
    let soft = [expect("known", "a IS NOT NULL", OnViolation::DropRow), expect("small", "a < 2", OnViolation::Warn)];
    let compiled = Compiled::new(query, std::slice::from_ref(&input), &soft).await.unwrap();
    let output = compiled.run(input.id, &batch()).await.unwrap();
    assert_eq!(show(&output.rows), "1|x 2|y");
    // A condition that is null is not met.
    assert_eq!(output.tallies, [("known".to_string(), 2, 1), ("small".to_string(), 1, 2)]);

    let hard = [expect("small", "a < 2", OnViolation::Fail)];
    let compiled = Compiled::new(query, std::slice::from_ref(&input), &hard).await.unwrap();
    assert_eq!(compiled.run(input.id, &batch()).await.err().unwrap().sqlstate(), SqlState::CHECK_VIOLATION);

    let wrong = [expect("number", "a + 1", OnViolation::Warn)];
    assert_eq!(Compiled::new(query, &[input], &wrong).await.err().unwrap().sqlstate(), SqlState::DATATYPE_MISMATCH);
}

#[tokio::test]
async fn a_cast_that_fails_is_an_error_of_the_data() {
    let input = numbers();
    let compiled = Compiled::new("SELECT t::bigint AS n FROM s", std::slice::from_ref(&input), &[]).await.unwrap();
    let error = compiled.run(input.id, &batch()).await.err().unwrap();
    assert!(!error.kind().is_retryable(), "{error:?}");
}
