//! What drivers and psql do with a connection beyond simple queries.

use std::process::Command;

use futures::TryStreamExt;
use tokio_postgres::NoTls;
use tokio_postgres::types::Type;

use super::story::Story;
use crate::servers::{DEADLINE, Server, wait_until};

#[tokio::test]
async fn prepared_statements_have_types_and_parameters() {
    let server = Server::start().await;
    server.sql("CREATE TABLE t (id bigint, name text, at timestamptz, ok boolean, ratio double precision, tags text[])").await;
    server
        .sql("INSERT INTO t VALUES (1, 'one', '2026-01-01T00:00:00Z', true, 0.5, ARRAY['a', 'b']), (2, NULL, NULL, NULL, NULL, NULL)")
        .await;
    let client = server.connect().await;
    let statement = client.prepare_typed("SELECT * FROM t WHERE id = $1", &[Type::INT8]).await.unwrap();
    let types: Vec<_> = statement.columns().iter().map(|column| column.type_().clone()).collect();
    assert_eq!(types, [Type::INT8, Type::TEXT, Type::TIMESTAMPTZ, Type::BOOL, Type::FLOAT8, Type::TEXT_ARRAY]);

    let row = client.query_one(&statement, &[&1i64]).await.unwrap();
    assert_eq!((row.get::<_, &str>(1), row.get::<_, bool>(3), row.get::<_, f64>(4)), ("one", true, 0.5));
    let at: chrono::DateTime<chrono::Utc> = row.get(2);
    assert_eq!(at.to_rfc3339(), "2026-01-01T00:00:00+00:00");
    assert_eq!(row.get::<_, Vec<String>>(5), ["a", "b"]);
    let row = client.query_one(&statement, &[&2i64]).await.unwrap();
    assert_eq!(row.get::<_, Option<&str>>(1), None);
}

#[tokio::test]
async fn large_results_are_streamed() {
    let server = Server::start().await;
    let client = server.connect().await;
    let query = "SELECT a.value * 1000 + b.value FROM generate_series(0, 999) a(value), generate_series(0, 999) b(value)";
    let none: [&str; 0] = [];
    let rows = client.query_raw(query, none).await.unwrap();
    let count = rows.try_fold(0u64, |count, _| std::future::ready(Ok(count + 1))).await.unwrap();
    assert_eq!(count, 1_000_000);
}

#[tokio::test]
async fn a_subscription_is_streamed_until_it_is_cancelled() {
    let server = Server::start().await;
    server.sql("CREATE TABLE t (k bigint); INSERT INTO t VALUES (1)").await;
    server.sql("CREATE MATERIALIZED VIEW v AS SELECT k, count(*) AS n FROM t GROUP BY k").await;
    let client = server.connect().await;
    let cancel = client.cancel_token();
    let rows = client.query_raw("SUBSCRIBE TO v WHERE k < $1", [&5i64]).await.unwrap();
    let mut rows = std::pin::pin!(rows);
    // `_weight`, `k` and `n`.
    let change = |row: tokio_postgres::Row| [1, 2, 3].map(|column| row.get::<_, i64>(column));
    assert_eq!(change(rows.try_next().await.unwrap().unwrap()), [1, 1, 1]);
    server.sql("INSERT INTO t VALUES (1), (9)").await;
    let mut changes = [rows.try_next().await.unwrap().unwrap(), rows.try_next().await.unwrap().unwrap()].map(change);
    changes.sort();
    assert_eq!(changes, [[-1, 1, 1], [1, 1, 2]]);
    cancel.cancel_query(NoTls).await.unwrap();
    let error = rows.try_next().await.expect_err("the subscription was cancelled");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error}");
}

#[tokio::test]
async fn a_query_can_be_cancelled_and_the_session_goes_on() {
    let server = Server::start().await;
    let client = server.connect().await;
    let cancel = client.cancel_token();
    let endless = "SELECT count(*) FROM generate_series(1, 100000000) a, generate_series(1, 100000000) b";
    // Again and again: a request that comes before the query has begun cancels nothing.
    let cancelling = wait_until("the query is cancelled", DEADLINE, async || {
        let _ = cancel.cancel_query(NoTls).await;
        None::<()>
    });
    let answer = tokio::select! {
        answer = client.simple_query(endless) => answer,
        () = cancelling => unreachable!("it waits for what never comes"),
    };
    let error = answer.expect_err("the query was cancelled");
    assert_eq!(error.code().map(|code| code.code()), Some("57014"), "{error}");
    assert!(client.simple_query("SELECT 1").await.is_ok());
}

#[tokio::test]
async fn psql_starts_cleanly_and_describes() {
    if Command::new("psql").arg("--version").output().is_err() {
        eprintln!("psql is not installed: skipped");
        return;
    }
    let server = Server::start().await;
    server.sql(&Story::QUICK.source()).await;
    server.sql("CREATE TABLE t (id bigint NOT NULL, name text)").await;
    let said = psql(&server, &["-c", "\\dt", "-c", "\\d t", "-c", "SELECT 40 + 2 AS answer"]);
    for expected in ["| t ", "id", "bigint", "not null", "42"] {
        assert!(said.contains(expected), "no {expected:?} in:\n{said}");
    }
}

fn psql(server: &Server, commands: &[&str]) -> String {
    let (host, port) = server.pg();
    let mut psql = Command::new("psql");
    psql.args(["-X", "-v", "ON_ERROR_STOP=1", "-h", host, "-p", port, "-U", "lakewire", "-d", "lakewire"]).args(commands);
    let output = psql.output().expect("psql can be started");
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && !text.contains("WARNING") && !text.contains("ERROR"), "{psql:?}\n{text}");
    text
}
