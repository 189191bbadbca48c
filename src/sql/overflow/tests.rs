//! Queries at the limits of integers, against arithmetic on 128 bits.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::util::display::array_value_to_string;
use datafusion::prelude::SessionContext;

use crate::error::{Error, SqlState};
use crate::sql::planner;

/// With a table `t (a)` of `values`.
fn context(values: &[i64]) -> SessionContext {
    let context = planner::context(Arc::default(), 1).unwrap();
    let column = Arc::new(Int64Array::from(values.to_vec())) as ArrayRef;
    let rows = RecordBatch::try_from_iter_with_nullable([("a", column, true)]).unwrap();
    context.register_batch("t", rows).unwrap();
    context
}

/// The first column, as text.
async fn ask(context: &SessionContext, sql: &str) -> Result<Vec<String>, Error> {
    let batches = context.sql(sql).await?.collect().await?;
    let column =
        |batch: &RecordBatch| (0..batch.num_rows()).map(|row| array_value_to_string(batch.column(0), row).unwrap()).collect::<Vec<_>>();
    Ok(batches.iter().flat_map(column).collect())
}

async fn assert_out_of_range(context: &SessionContext, sql: &str, of: &str) {
    match ask(context, sql).await {
        Ok(rows) => panic!("{sql} gives {rows:?}"),
        Err(error) => assert_eq!(
            (error.sqlstate(), error.message()),
            (SqlState::NUMERIC_VALUE_OUT_OF_RANGE, format!("{of} out of range").as_str()),
            "{sql}"
        ),
    }
}

#[tokio::test]
async fn what_is_in_range_is_right_and_what_is_not_an_error() {
    let context = context(&[]);
    for (of, min, max) in
        [("smallint", i16::MIN.into(), i16::MAX.into()), ("integer", i32::MIN.into(), i32::MAX.into()), ("bigint", i64::MIN, i64::MAX)]
    {
        for (left, right) in [min, -1, 0, 2, max].into_iter().flat_map(|left| [min, -1, 2, max].map(|right| (left, right))) {
            let (a, b) = (i128::from(left), i128::from(right));
            for (operator, exact) in [("+", a + b), ("-", a - b), ("*", a * b)] {
                let constants = format!("SELECT ('{left}'::{of} {operator} '{right}'::{of})::text");
                let columns = format!("SELECT (a {operator} b)::text FROM (VALUES ('{left}'::{of}, '{right}'::{of})) v (a, b)");
                for sql in [constants, columns] {
                    match (i128::from(min)..=i128::from(max)).contains(&exact) {
                        true => assert_eq!(ask(&context, &sql).await.unwrap(), [exact.to_string()], "{sql}"),
                        false => assert_out_of_range(&context, &sql, of).await,
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn an_overflow_is_found_wherever_it_stands() {
    let (small, large) = (context(&[1, 2, 3]), context(&[1, i64::MAX]));
    for sql in [
        "SELECT a + 1 FROM t",
        "SELECT a FROM t WHERE a + 1 > 0",
        "SELECT a + 1 FROM t GROUP BY a + 1",
        "SELECT count(*) FROM t GROUP BY ROLLUP (a + 1)",
        "SELECT count(*) FROM t GROUP BY a HAVING a + 1 > 0",
        "SELECT max(a) + 1 FROM t",
        "SELECT max(a + 1) FROM t",
        "SELECT count(*) FILTER (WHERE a + 1 > 2) FROM t",
        "SELECT a FROM t ORDER BY a + 1",
        "SELECT x.a FROM t x JOIN t y ON x.a = y.a + 1",
        "SELECT x.a FROM t x JOIN t y ON x.a < y.a + 1",
        "SELECT x.a FROM t x LEFT JOIN t y ON x.a = y.a AND x.a + 1 > 2",
        "SELECT max(a + 1) OVER (PARTITION BY a % 2) FROM t",
        "SELECT row_number() OVER (ORDER BY a + 1) FROM t",
        "SELECT CASE WHEN a > 2 THEN a + 1 ELSE 0 END FROM t",
        "SELECT (SELECT max(a) + 1 FROM t)",
        "SELECT a FROM t WHERE a IN (SELECT a + 1 FROM t)",
        "SELECT (SELECT max(y.a + 1) FROM t y WHERE y.a = x.a) FROM t x",
        "WITH w AS (SELECT a + 1 AS b FROM t) SELECT b FROM w UNION ALL SELECT b FROM w",
        "SELECT DISTINCT a + 1 FROM t",
        "SELECT coalesce(a + 1, 0) + a FROM t",
        "SELECT a + 1 FROM (SELECT a FROM t UNION ALL SELECT 9223372036854775806) x",
        "SELECT unnest([a + 1]) FROM t",
    ] {
        assert!(ask(&small, sql).await.is_ok_and(|rows| !rows.is_empty()), "{sql}");
        assert_out_of_range(&large, sql, "bigint").await;
    }
}

#[tokio::test]
async fn constants_are_computed_and_an_error_only_where_a_row_needs_them() {
    let context = context(&[1]);
    for (sql, folded) in
        [("SELECT 1 + 2 * 3", "Int64(7)"), ("SELECT -(2 - 5) * abs(-2) + 1", "Int64(7)"), ("SELECT a FROM t WHERE a < 2 + 3", "Int64(5)")]
    {
        let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap().to_string();
        assert!(plan.contains(folded) && !plan.contains("int8"), "{plan}");
    }
    for sql in [
        "SELECT 9223372036854775807 + 1",
        "SELECT abs(-9223372036854775807) + 1 + 1",
        "SELECT a + 1 FROM (SELECT 9223372036854775807 AS a) x",
        "SELECT a - 3 FROM (SELECT abs(1) - 9223372036854775807 AS a) x",
        "SELECT -a FROM (SELECT '-9223372036854775808'::bigint AS a) x",
        "SELECT 1 FROM t WHERE a < 9223372036854775807 * 2",
        "VALUES (9223372036854775807 + 1)",
    ] {
        assert_out_of_range(&context, sql, "bigint").await;
    }
    let not_needed = "SELECT CASE WHEN a > 5 THEN 9223372036854775807 + 1 ELSE a END FROM t";
    assert_eq!(ask(&context, not_needed).await.unwrap(), ["1"]);
    assert_eq!(ask(&context, "SELECT a + NULL::bigint IS NULL FROM t LIMIT 3 - 2").await.unwrap(), ["true"]);
}

#[tokio::test]
async fn what_else_computes_with_integers_is_as_it_should_be() {
    let context = context(&[i64::MIN]);
    for sql in ["SELECT -a FROM t", "SELECT abs(a) FROM t", "SELECT a - 1 FROM t"] {
        assert_out_of_range(&context, sql, "bigint").await;
    }
    let error = ask(&context, "SELECT a / -1 FROM t").await.unwrap_err();
    assert_eq!(error.sqlstate(), SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "{error}");
    assert_eq!(ask(&context, "SELECT a % -1 FROM t").await.unwrap(), ["0"]);
    // Of two sizes, the larger counts.
    assert_eq!(ask(&context, "SELECT 2147483647::integer + a % 2 + 1 FROM t").await.unwrap(), ["2147483648"]);
    assert_eq!(ask(&context, "SELECT 9223372036854775807 + 1.0").await.unwrap(), ["9223372036854775808.0"]);
}

/// As DataFusion plans them, with the square of their length: in a second or two, not in minutes.
#[test]
fn long_sums_are_planned_in_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let run = move || {
        runtime.block_on(async {
            let context = context(&[2]);
            let chain = |link: &str, links: usize| vec![link; links].join(" + ");
            assert_eq!(ask(&context, &format!("SELECT {}", chain("1", 500))).await.unwrap(), ["500"]);
            assert_eq!(ask(&context, &format!("SELECT {} FROM t", chain("a", 500))).await.unwrap(), ["1000"]);
            assert_eq!(ask(&context, &format!("SELECT sum({}) FROM t", chain("a", 200))).await.unwrap(), ["400"]);
        });
    };
    // Of a server's threads.
    std::thread::Builder::new().stack_size(64 << 20).spawn(run).unwrap().join().unwrap();
}

#[tokio::test]
async fn what_varies_stays_an_operator_until_the_plan_is_physical() {
    let context = context(&[1, 2]);
    for sql in [
        "SELECT random()::bigint + 1 FROM t",
        "SELECT a FROM t WHERE EXISTS (SELECT 1 FROM t u WHERE u.a = t.a + 1)",
        "SELECT (SELECT max(u.a) FROM t u WHERE u.a < t.a) + 1 FROM t",
        "SELECT a FROM t WHERE a = $1 + 1",
    ] {
        let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
        let text = plan.display_indent().to_string();
        assert!(text.contains('+') && !text.contains("int8"), "{sql} is planned as\n{text}");
    }
}
