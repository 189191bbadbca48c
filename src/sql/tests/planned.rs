//! DataFusion takes the queries as we leave them: hidden columns are gone from `*`, and are there where they are named.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::display::array_value_to_string;
use datafusion::datasource::empty::EmptyTable;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser;

use super::query_of;
use crate::model::Name;
use crate::sql::metadata_columns::hide_from_wildcards;
use crate::sql::planner;

async fn columns(sql: &str) -> String {
    let context = SessionContext::new();
    for (table, names) in [("s", &["k", "a", "_offset"][..]), ("s2", &["k", "b", "_offset"]), ("t", &["k", "c", "_offset"])] {
        let schema = Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>());
        context.register_table(table, Arc::new(EmptyTable::new(Arc::new(schema)))).unwrap();
    }
    let mut query = query_of(sql);
    hide_from_wildcards(&mut query, &["_offset"], &|name: &Name| name.as_str().starts_with('s')).unwrap();
    let statement = parser::Statement::Statement(Box::new(sqlparser::ast::Statement::Query(query)));
    let plan = context.state().statement_to_plan(statement).await.unwrap();
    plan.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn hidden_columns_are_left_out_of_every_wildcard() {
    assert_eq!(columns("SELECT * FROM s").await, "k,a");
    assert_eq!(columns("SELECT *, _offset FROM s").await, "k,a,_offset");
    assert_eq!(columns("SELECT *, x._offset AS o FROM s AS x JOIN s2 ON x.k = s2.k").await, "k,a,k,b,o");
    assert_eq!(columns("SELECT * FROM s LEFT JOIN t ON s.k = t.k").await, "k,a,k,c,_offset");
    assert_eq!(columns("SELECT t.*, public.s.* FROM public.s, t").await, "k,c,_offset,k,a");
    assert_eq!(columns("SELECT * EXCLUDE (a) FROM s").await, "k");
    assert_eq!(columns("SELECT * EXCLUDE _offset FROM s").await, "k,a");
    assert_eq!(columns("SELECT * FROM (SELECT *, _offset FROM s) x").await, "k,a,_offset");
    assert_eq!(columns("WITH q AS (SELECT * FROM s) SELECT * FROM q").await, "k,a");
    assert_eq!(columns("SELECT * FROM s UNION ALL SELECT * FROM s2").await, "k,a");
}

/// Rows of `t (id, at, plain, day)`, under our own planner, as text.
async fn rows(sql: &str) -> Vec<String> {
    let context = planner::context(Arc::default(), 1).unwrap();
    let plain = "arrow_cast(column2, 'Timestamp(Microsecond, None)')";
    let data = format!(
        "CREATE TABLE t AS SELECT column1 AS id, arrow_cast(column2, 'Timestamp(Microsecond, Some(\"UTC\"))') AS at, {plain} AS plain,
                arrow_cast({plain}, 'Date32') AS day
         FROM (VALUES (1, '2026-01-01T00:00:00'), (2, '2026-01-01T00:04:59.999999'), (3, '2026-01-31T23:59:59.5'), (4, NULL),
                      (5, '1969-12-31T23:58:00')) v"
    );
    context.sql(&data).await.unwrap().collect().await.unwrap();
    let statement = parser::Statement::Statement(Box::new(sqlparser::ast::Statement::Query(query_of(sql))));
    let plan = context.state().statement_to_plan(statement).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let mut rows = vec![];
    for batch in context.execute_logical_plan(plan).await.unwrap().collect().await.unwrap() {
        for row in 0..batch.num_rows() {
            let values = batch.columns().iter().map(|column| array_value_to_string(column, row).unwrap());
            rows.push(values.collect::<Vec<_>>().join(" "));
        }
    }
    rows.sort();
    rows
}

#[tokio::test]
async fn a_row_falls_in_one_tumbling_window() {
    assert_eq!(
        rows("SELECT id, window_start, window_end FROM tumble(t, at, INTERVAL '5 minutes')").await,
        [
            "1 2026-01-01T00:00:00Z 2026-01-01T00:05:00Z",
            "2 2026-01-01T00:00:00Z 2026-01-01T00:05:00Z",
            "3 2026-01-31T23:55:00Z 2026-02-01T00:00:00Z",
            "5 1969-12-31T23:55:00Z 1970-01-01T00:00:00Z",
        ]
    );
    let months = rows("SELECT w.id, b, e FROM tumble(t, t.plain, INTERVAL '1 month') AS w (id, x, y, z, b, e) WHERE id IN (3, 5)").await;
    assert_eq!(months, ["3 2026-01-01T00:00:00 2026-02-01T00:00:00", "5 1969-12-01T00:00:00 1970-01-01T00:00:00"]);
    let days = rows("SELECT tumble.id, window_start FROM tumble(t, day, INTERVAL '12 hours', INTERVAL '6 hours') WHERE id = 1").await;
    assert_eq!(days, ["1 2025-12-31T18:00:00"]);
    let with_zone = rows("SELECT window_start FROM tumble(t, at, INTERVAL '1 day', INTERVAL '-1 hour') WHERE id IN (1, 3)").await;
    assert_eq!(with_zone, ["2025-12-31T23:00:00Z", "2026-01-31T23:00:00Z"]);
    let of_query = "WITH c AS (SELECT * FROM t) SELECT count(*) FROM tumble(c, at, INTERVAL '1 day') a
                    JOIN tumble((SELECT * FROM c), at, INTERVAL '1 day') b ON a.window_start = b.window_start";
    assert_eq!(rows(of_query).await, ["6"]);
}

/// By the definition: all s = offset + k * slide with s <= t < s + size.
#[tokio::test]
async fn a_row_falls_in_every_hopping_window_around_it() {
    let times = [(1, 1_767_225_600_000_000_i64), (2, 1_767_225_899_999_999), (3, 1_769_903_999_500_000), (5, -120_000_000)];
    for (slide, size, offset) in [(120, 360, 0), (120, 300, 0), (120, 121, 30), (300, 300, 0), (60, 40, 0), (7, 100, -3)] {
        let offset_argument = if offset == 0 { String::new() } else { format!(", INTERVAL '{offset} seconds'") };
        let sql = format!(
            "SELECT id, arrow_cast(arrow_cast(window_start, 'Timestamp(Second, None)'), 'Int64'),
                    arrow_cast(arrow_cast(window_end, 'Timestamp(Second, None)'), 'Int64')
             FROM hop(t, plain, INTERVAL '{slide} seconds', INTERVAL '{size} seconds'{offset_argument})"
        );
        let mut expected = vec![];
        for (id, micros) in times {
            let (mut start, time) = ((micros.div_euclid(1_000_000) - offset).div_euclid(slide) * slide + offset, micros);
            while time < (start + size) * 1_000_000 {
                expected.push(format!("{id} {start} {}", start + size));
                start -= slide;
            }
        }
        expected.sort();
        assert_eq!(rows(&sql).await, expected, "{sql}");
    }
    let months =
        "SELECT window_start, window_end FROM hop(t, plain, INTERVAL '2 months', INTERVAL '5 months', INTERVAL '1 month') WHERE id = 3";
    assert_eq!(rows(months).await, ["2025-10-01T00:00:00 2026-03-01T00:00:00", "2025-12-01T00:00:00 2026-05-01T00:00:00"]);
}

#[tokio::test]
async fn date_bin_needs_no_origin() {
    let both = "SELECT date_bin(INTERVAL '5 minutes', at), date_bin(INTERVAL '5 minutes', at, TIMESTAMP '2001-01-01') FROM t WHERE id = 3";
    assert_eq!(rows(both).await, ["2026-01-31T23:55:00Z 2026-01-31T23:55:00Z"]);
    let types = "SELECT arrow_typeof(date_bin(INTERVAL '1 day', at)), arrow_typeof(date_bin(INTERVAL '1 day', plain)) FROM t WHERE id = 1";
    assert_eq!(rows(types).await, ["Timestamp(µs, \"UTC\") Timestamp(µs)"]);
    let far = "SELECT date_bin(INTERVAL '1 hour', arrow_cast('9999-12-31T23:30:00Z', 'Timestamp(Microsecond, Some(\"UTC\"))')) WHERE true";
    assert_eq!(rows(far).await, ["9999-12-31T23:00:00Z"]);
    let origins =
        "SELECT date_bin('1 month', plain, '2026-01-15'::timestamp), date_bin('1 day', plain, '2000-01-01'::date), date_bin('15 days', at, '2025-12-20')
                   FROM t WHERE id IN (1, 5)";
    assert_eq!(
        rows(origins).await,
        ["1969-12-15T00:00:00 1969-12-31T00:00:00 1969-12-29T00:00:00Z", "2025-12-15T00:00:00 2026-01-01T00:00:00 2025-12-20T00:00:00Z"]
    );
    assert_eq!(
        rows("SELECT date_bin(NULL, at), date_bin(INTERVAL '1 day', at, NULL), date_bin('1 day', NULL) FROM t WHERE id = 1").await,
        ["  "]
    );
}
