//! Queries of every kind, each kept while tables change at random, restored from its saved state now and then.

use super::churn::{Churn, schemas};
use super::kept::{Kept, Tables};
use crate::flow::engine::Dataflow;
use crate::model::Changes;

const QUERIES: &[&str] = &[
    "SELECT * FROM a",
    "SELECT id, v + 1 AS v1, upper(s) AS s FROM a WHERE v > 0",
    "SELECT id FROM a WHERE v IS NULL UNION ALL SELECT id FROM b WHERE w < 3",
    "SELECT id, unnest([v, k]) AS x FROM a",
    "SELECT 1 AS one",
    "VALUES (1, 'a'), (2, 'b')",
    "SELECT DISTINCT k, s FROM a",
    "SELECT DISTINCT ON (k) k, v, id FROM a ORDER BY k, v DESC, id",
    "SELECT k FROM a UNION SELECT k FROM b",
    "SELECT k, s FROM a INTERSECT SELECT k, s FROM b",
    "SELECT k, s FROM a EXCEPT SELECT k, s FROM b",
    "SELECT count(*), sum(v), min(v), max(f) FROM a",
    "SELECT k, count(*) AS n, count(v) AS nv, sum(v) AS sv, avg(v) AS av FROM a GROUP BY k",
    "SELECT k, sum(f) AS sf, avg(f) AS af, stddev(f) AS sd, var_pop(v) AS vp FROM a GROUP BY k",
    "SELECT k, s, min(v) AS lo, max(t) AS hi FROM a GROUP BY k, s",
    "SELECT k, count(*) FILTER (WHERE v > 0) AS pos, sum(v) FILTER (WHERE s = 'ant') AS ants FROM a GROUP BY k",
    "SELECT k, min(s) AS lo, max(s) AS hi, min(f) AS lf, max(k) FILTER (WHERE v > 0) AS mk, sum(v) AS sv FROM a GROUP BY k",
    "SELECT s, min(v % 3) AS lo, max(t) AS hi, bool_or(v > 3) AS b, avg(DISTINCT v % 5) AS d FROM a GROUP BY s",
    "SELECT k, count(DISTINCT s) FILTER (WHERE v < 0) AS ds, sum(DISTINCT v % 4) AS sd, stddev(f) AS sf FROM a GROUP BY k",
    "SELECT count(DISTINCT k) AS dk, count(DISTINCT s) AS ds, max(v) AS m FROM a",
    "SELECT k, count(DISTINCT s) AS ds FROM a GROUP BY k",
    "SELECT k, count(DISTINCT s) AS ds, count(DISTINCT v) AS dv, sum(v) AS sv FROM a GROUP BY k",
    "SELECT k, array_agg(id ORDER BY id) AS ids, string_agg(s, ',' ORDER BY id) AS ss FROM a GROUP BY k",
    "SELECT k, sum(v) AS sv FROM a GROUP BY k HAVING sum(v) > 5",
    "SELECT k, s, count(*) AS n, grouping(k) AS g FROM a GROUP BY GROUPING SETS ((k, s), (k), ())",
    "SELECT k, s, sum(v) AS sv FROM a GROUP BY CUBE (k, s)",
    "SELECT a.id, b.id AS bid, a.v + b.w AS vw FROM a JOIN b ON a.k = b.k",
    "SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k",
    "SELECT a.id, b.id AS bid FROM a RIGHT JOIN b ON a.k = b.k AND a.v < b.w",
    "SELECT a.id, b.id AS bid FROM a FULL JOIN b ON a.k = b.k AND a.v > b.w",
    "SELECT a.id, b.id AS bid FROM a FULL JOIN b ON a.k = b.k",
    "SELECT a.id, b.id AS bid FROM a CROSS JOIN b WHERE a.v = 3",
    "SELECT a.id, b.id AS bid FROM a JOIN b ON a.v < b.w AND a.s = b.s",
    "SELECT x.id, y.id AS yid FROM a x JOIN a y ON x.k = y.v",
    "SELECT x.id, y.id AS yid FROM a x LEFT JOIN a y ON x.k = y.v AND x.f < y.f",
    "SELECT id FROM a WHERE k IN (SELECT k FROM b WHERE w > 0)",
    "SELECT id FROM a WHERE k NOT IN (SELECT k FROM b WHERE k IS NOT NULL AND w > 5)",
    "SELECT id, k FROM a WHERE k NOT IN (SELECT k FROM b WHERE w > 3)",
    "SELECT id, v FROM a WHERE v NOT IN (SELECT w FROM b WHERE id < 4) AND k NOT IN (SELECT k FROM b WHERE k > 1)",
    "SELECT id FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.w > a.v)",
    "SELECT id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k AND b.w <> a.v)",
    "SELECT id FROM a WHERE v > 8 OR k IN (SELECT k FROM b)",
    "SELECT id, (SELECT max(w) FROM b) AS m FROM a",
    "SELECT id, (SELECT id FROM b ORDER BY id LIMIT 1) AS m FROM a",
    "SELECT id, v > (SELECT w FROM (SELECT DISTINCT 3 AS w FROM b) x) AS is_more FROM a",
    "SELECT id, (SELECT sum(w) FROM b WHERE b.k = a.k) AS m FROM a",
    "SELECT id FROM a WHERE v > (SELECT avg(w) FROM b)",
    "SELECT id, row_number() OVER (PARTITION BY k ORDER BY v DESC NULLS LAST, id) AS rn FROM a",
    "SELECT * FROM (SELECT id, k, row_number() OVER (PARTITION BY k ORDER BY v, id) AS rn FROM a) r WHERE rn <= 2",
    "SELECT id, sum(v) OVER (PARTITION BY k ORDER BY id) AS running, lag(v) OVER (PARTITION BY k ORDER BY id) AS before FROM a",
    "SELECT id, rank() OVER (ORDER BY v) AS r, count(*) OVER (PARTITION BY s) AS n FROM a",
    "SELECT id, row_number() OVER w AS rn, lag(v, 2, 0) OVER w AS l, lead(s) OVER w AS n, sum(v) OVER w AS sv, count(v) FILTER (WHERE v > 0) OVER w AS c, \
     min(s) OVER w AS lo, max(t) OVER w AS hi FROM a WINDOW w AS (PARTITION BY k ORDER BY v DESC NULLS LAST, id)",
    "SELECT id, rank() OVER w AS r, dense_rank() OVER w AS d, sum(v) OVER w AS sv, count(*) OVER w AS c, min(v) OVER w AS lo FROM a WINDOW w AS (PARTITION BY k ORDER BY s)",
    "SELECT id, avg(v) OVER (ORDER BY t, id ROWS 3 PRECEDING) AS moving FROM a",
    "SELECT id, sum(v) OVER (ORDER BY t, id ROWS 3 PRECEDING) AS moving, max(v) OVER (ORDER BY t, id ROWS BETWEEN 1 PRECEDING AND 2 FOLLOWING) AS peak, \
     first_value(s) OVER (ORDER BY t, id ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS earlier, dense_rank() OVER (ORDER BY t, id) AS d FROM a",
    "SELECT id, sum(v * 1.5) OVER (PARTITION BY s ORDER BY v + 1, id) AS running, lag(id) OVER (PARTITION BY s ORDER BY v + 1, id) AS before FROM a",
    "SELECT k, s, n, sum(n) OVER (PARTITION BY k ORDER BY s) AS sn, lag(n) OVER (PARTITION BY k ORDER BY s) AS before \
     FROM (SELECT k, s, count(*) AS n FROM a GROUP BY k, s) g",
    "SELECT k, session, count(*) AS n, min(v) AS lo FROM (SELECT k, v, sum(begins) OVER (PARTITION BY k ORDER BY v, id ROWS UNBOUNDED PRECEDING) AS session \
     FROM (SELECT k, v, id, CASE WHEN v <= lag(v) OVER (PARTITION BY k ORDER BY v, id) + 2 THEN 0 ELSE 1 END AS begins FROM a) AS steps) AS sessions GROUP BY k, session",
    "SELECT id, row_number() OVER (PARTITION BY upper(s) ORDER BY id) AS rn, sum(v) OVER (PARTITION BY k % 2, upper(s)) AS sv FROM a",
    "SELECT id, v FROM a ORDER BY v DESC NULLS LAST, id LIMIT 5",
    "SELECT id, v FROM a ORDER BY id OFFSET 2 LIMIT 3",
    "SELECT id, v + k AS vk FROM a ORDER BY v + k DESC, id LIMIT 4 OFFSET 1",
    "SELECT k, s FROM a ORDER BY k, s LIMIT 6 OFFSET 2",
    "SELECT * FROM (SELECT id, f, row_number() OVER (ORDER BY f DESC, id) AS rn FROM a) r WHERE rn < 4 AND id > 3",
    "SELECT * FROM (SELECT k, s, row_number() OVER (PARTITION BY k ORDER BY s DESC) AS rn FROM (SELECT k, s FROM a) x) r WHERE rn = 2",
    "WITH t AS (SELECT k, sum(v) AS sv FROM a GROUP BY k) SELECT t.k, t.sv, u.sv AS usv FROM t JOIN t u ON t.sv > u.sv",
    "WITH t AS (SELECT k, sum(v) AS sv FROM a GROUP BY k) SELECT b.id, t.sv FROM b JOIN t ON b.k = t.k WHERE t.sv > (SELECT avg(sv) FROM t)",
    "SELECT date_bin(INTERVAL '5 minutes', t) AS bucket, count(*) AS n FROM a GROUP BY 1",
    "SELECT k, array_agg(av ORDER BY bucket) AS avs FROM (SELECT k, date_bin(INTERVAL '20 minutes', t) AS bucket, avg(v) AS av FROM a GROUP BY 1, 2) x GROUP BY k",
    "SELECT k, sum(v) AS sv, row_number() OVER (ORDER BY sum(v) DESC NULLS LAST, k) AS r FROM a GROUP BY k",
    "WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < 4) SELECT a.id, c.n FROM a JOIN c ON a.k = c.n",
    "SELECT k, max(n) AS m FROM (SELECT k, s, count(*) AS n FROM a GROUP BY k, s) x GROUP BY k",
    "SELECT coalesce(a.k, b.k) AS k, sum(a.v) AS sv, sum(b.w) AS sw FROM a FULL JOIN b ON a.k = b.k GROUP BY 1",
    "SELECT median(v) AS m, approx_distinct(s) AS d, bool_and(v > 0) AS ba, bit_or(v) AS bo FROM a",
    "SELECT percentile_cont(CAST(v AS DOUBLE), 0.25) AS p, count(*) AS n FROM a",
    "SELECT k, percentile_cont(CAST(v AS DOUBLE), 0.25) AS p, median(f) AS m FROM a GROUP BY k",
    "SELECT k, first_value(v ORDER BY id) AS fv, last_value(s ORDER BY id) AS lv, corr(v, f) AS c FROM a GROUP BY k",
];

async fn keep(query: &str, seed: u64, appends_only: bool) {
    let mut churn = Churn::new(seed);
    let mut tables = Tables::of(&schemas());
    let mut relations = tables.relations();
    if appends_only {
        relations.iter_mut().for_each(|relation| relation.arrival = crate::flow::engine::Arrival::AppendOnly);
    }
    let mut kept = Kept::new(query, &relations).await;
    for tick in 0..8 {
        let changes = match appends_only {
            true => churn.insert(6),
            false => churn.churn(8),
        };
        tables.apply(&changes);
        kept.tick(&changes, 0).await;
        let answer = tables.ask(query).await;
        if tick % 3 == 2 {
            kept.save_and_restore(&relations).await;
        }
        if let Some(difference) = kept.differs_from(&answer) {
            panic!("seed {seed}, tick {tick}: {difference}");
        }
    }
}

/// Conditions on the clock, and the same with the time of the tick written out.
const CLOCKED: &[&str] = &[
    "SELECT id, t FROM a WHERE t > now() - INTERVAL '30 minutes'",
    "SELECT k, sum(f) AS sf, count(*) AS n FROM a WHERE v > -5 AND now() - INTERVAL '10 minutes' <= t GROUP BY k",
    "SELECT id FROM a WHERE t < now()",
    "SELECT id FROM a WHERE now() - t < INTERVAL '25 minutes'",
    "SELECT id FROM a WHERE INTERVAL '15 minutes' <= now() - t AND INTERVAL '10 minutes' + now() >= t",
    "SELECT id FROM a WHERE t - now() > INTERVAL '1 minute'",
    "SELECT id FROM a WHERE date_trunc('hour', t) = date_trunc('hour', now())",
    "SELECT id FROM a WHERE t BETWEEN TIMESTAMPTZ '1970-01-01 00:10:00Z' AND now()",
    "SELECT id FROM a WHERE t BETWEEN now() - INTERVAL '20 minutes' AND now() + INTERVAL '5 minutes'",
    "SELECT a.id, b.id AS bid FROM a LEFT JOIN b ON a.k = b.k WHERE a.t >= date_trunc('hour', now())",
    "SELECT s, min(t) AS first FROM a WHERE t + INTERVAL '40 minutes' > now() GROUP BY s",
];

#[tokio::test]
async fn rows_come_and_go_with_the_clock() {
    for (seed, query) in CLOCKED.iter().enumerate() {
        let mut churn = Churn::new(seed as u64);
        let mut tables = Tables::of(&schemas());
        let relations = tables.relations();
        let mut kept = Kept::new(query, &relations).await;
        assert!(kept.dataflow.follows_the_clock());
        for tick in 0..12_i64 {
            let changes = match tick % 4 {
                3 => schemas().into_iter().map(|(_, schema)| Changes::empty(schema)).collect(),
                _ => churn.churn(8),
            };
            tables.apply(&changes);
            let now = tick * 9 * 60_000_000;
            kept.tick(&changes, now).await;
            if tick % 5 == 4 {
                kept.save_and_restore(&relations).await;
            }
            let at = format!("TIMESTAMPTZ '1970-01-01 {:02}:{:02}:00Z'", tick * 9 / 60, tick * 9 % 60);
            let answer = tables.ask(&query.replace("now()", &at)).await;
            if let Some(difference) = kept.differs_from(&answer) {
                panic!("seed {seed}, tick {tick}: {difference}");
            }
        }
    }
}

#[tokio::test]
async fn what_the_clock_would_change_at_once_is_refused() {
    let relations = Tables::of(&schemas()).relations();
    for query in [
        "SELECT now() FROM a",
        "SELECT id FROM a WHERE t <> now()",
        "SELECT id FROM a JOIN (VALUES (now())) v (n) ON a.t > v.n",
        "SELECT id, now() AS n FROM a ORDER BY v OFFSET 2",
        "SELECT id FROM a WHERE now() - t < INTERVAL '1 month'",
        "SELECT id, random() AS r FROM a",
        "SELECT id FROM a WHERE t > now() OR v > 1",
    ] {
        let parsed = crate::sql::parse_query(query).unwrap();
        let error = Dataflow::plan(&parsed, &relations).await.err().unwrap_or_else(|| panic!("{query} was accepted"));
        assert!(error.hint().is_some(), "{query}: {error}");
    }
}

#[tokio::test]
async fn each_query_equals_itself_run_once() {
    for (seed, query) in QUERIES.iter().enumerate() {
        keep(query, seed as u64, false).await;
        keep(query, seed as u64 + 1000, true).await;
    }
}
