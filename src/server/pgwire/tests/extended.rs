//! The extended protocol through a driver: portals, pipelines, parameters.

use futures::TryStreamExt;
use tokio_postgres::error::SqlState;

use super::Server;

#[tokio::test]
async fn prepared_statements_run_again_and_again() {
    let server = Server::start().await;
    let client = server.connect().await;
    let statement = client.prepare("SELECT $1::bigint * 2 AS twice, $2::text AS word").await.unwrap();
    assert_eq!(statement.columns()[0].name(), "twice");
    assert_eq!(statement.params(), [tokio_postgres::types::Type::INT8, tokio_postgres::types::Type::TEXT]);
    for number in 0..50_i64 {
        let row = client.query_one(&statement, &[&number, &"w"]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, &str>(1)), (number * 2, "w"));
    }
    let row = client.query_one(&statement, &[&None::<i64>, &None::<&str>]).await.unwrap();
    assert_eq!((row.get::<_, Option<i64>>(0), row.get::<_, Option<&str>>(1)), (None, None));
}

#[tokio::test]
async fn sums_are_described_as_they_come() {
    let server = Server::start().await;
    let client = server.connect().await;
    let query = "SELECT sum(a), sum(b), sum(c), sum($1::bigint)
                 FROM (SELECT value AS a, value::int AS b, value::double precision AS c FROM generate_series(1, 3)) t";
    let statement = client.prepare(query).await.unwrap();
    let types: Vec<_> = statement.columns().iter().map(|column| column.type_().name()).collect();
    assert_eq!(types, ["numeric", "int8", "float8", "numeric"]);
    let row = client.query_one(&statement, &[&i64::MAX]).await.unwrap();
    assert_eq!((row.get::<_, i64>(1), row.get::<_, f64>(2)), (6, 6.0));
}

#[tokio::test]
async fn a_portal_gives_its_rows_in_pieces() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let transaction = client.transaction().await.unwrap();
    let portal = transaction.bind("SELECT value FROM generate_series(1, 10000) ORDER BY value", &[]).await.unwrap();
    let mut seen = 0;
    loop {
        let rows = transaction.query_portal(&portal, 3_000).await.unwrap();
        for row in &rows {
            seen += 1;
            assert_eq!(row.get::<_, i64>(0), seen);
        }
        // Another statement between the pieces does not disturb them.
        transaction.query_one("SELECT 1", &[]).await.unwrap();
        if rows.len() < 3_000 {
            break;
        }
    }
    assert_eq!(seen, 10_000);
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn queries_may_be_pipelined() {
    let server = Server::start().await;
    let client = server.connect().await;
    let statement = client.prepare("SELECT ($1::int + 1)::int").await.unwrap();
    let answers = (0..200_i32).map(|number| {
        let (client, statement) = (&client, &statement);
        async move { client.query_one(statement, &[&number]).await.unwrap().get::<_, i32>(0) }
    });
    let answers = futures::future::join_all(answers).await;
    assert_eq!(answers, (1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_error_in_a_pipeline_hits_only_its_own_query() {
    let server = Server::start().await;
    let client = server.connect().await;
    let (good, bad, after) =
        tokio::join!(client.query("SELECT 1", &[]), client.query("SELECT * FROM missing", &[]), client.query("SELECT 3", &[]));
    assert_eq!(good.unwrap().len(), 1);
    assert_eq!(bad.unwrap_err().code(), Some(&SqlState::UNDEFINED_TABLE));
    assert_eq!(after.unwrap()[0].get::<_, i64>(0), 3);
}

#[tokio::test]
async fn a_stream_may_be_left_before_its_end() {
    let server = Server::start().await;
    let client = server.connect().await;
    let rows = client.query_raw("SELECT value FROM generate_series(1, 100000)", Vec::<i32>::new()).await.unwrap();
    let mut rows = Box::pin(rows);
    assert!(rows.try_next().await.unwrap().is_some());
    drop(rows);
    assert_eq!(client.query_one("SELECT 5", &[]).await.unwrap().get::<_, i64>(0), 5);
}

#[tokio::test]
async fn statements_without_rows_and_empty_ones_have_no_columns() {
    let server = Server::start().await;
    let client = server.connect().await;
    assert!(client.query("", &[]).await.unwrap().is_empty());
    client.execute("CREATE TABLE t AS SELECT 1 AS x", &[]).await.unwrap();
    let error = client.prepare("SELECT 1; SELECT 2").await.unwrap_err();
    assert_eq!(error.as_db_error().unwrap().message(), "cannot insert multiple commands into a prepared statement");
}
