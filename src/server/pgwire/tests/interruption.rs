//! Cancel requests, clients that leave, and shutdown.

use std::time::Duration;

use futures::TryStreamExt;
use tokio::time::timeout;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use super::Server;
use super::raw::Raw;

/// More rows than anybody waits for.
const ENDLESS: &str = "SELECT value FROM generate_series(1, 1000000000000)";
/// As long, but no row before the end.
const SILENT: &str = "SELECT count(*) FROM generate_series(1, 1000000000000)";
/// Long enough for a busy machine; reached only when the server hangs.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_cancel_request_stops_a_stream() {
    let server = Server::start().await;
    let client = server.connect().await;
    let rows = client.query_raw(ENDLESS, Vec::<i32>::new()).await.unwrap();
    let mut rows = Box::pin(rows);
    rows.try_next().await.unwrap().unwrap();
    client.cancel_token().cancel_query(NoTls).await.unwrap();
    let error = loop {
        match timeout(PATIENCE, rows.try_next()).await.unwrap() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended as if it were complete"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    assert_eq!(error.as_db_error().unwrap().message(), "canceling statement due to user request");
    client.query_one("SELECT 1", &[]).await.unwrap();
}

#[tokio::test]
async fn a_cancel_request_stops_a_query_without_rows_yet() {
    let server = Server::start().await;
    let client = server.connect().await;
    let cancel = client.cancel_token();
    let running = tokio::spawn(async move {
        let error = client.simple_query(SILENT).await.unwrap_err();
        (client, error)
    });
    // The request may come before the statement has begun, and is void then: so it is sent again.
    while !running.is_finished() {
        cancel.cancel_query(NoTls).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (client, error) = running.await.unwrap();
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    client.simple_query("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_frees_its_place() {
    let server = Server::with_places(1).await;
    let mut client = Raw::greeted(&server).await;
    client.query(ENDLESS).send().await;
    assert_eq!(client.read().await, "T");
    drop(client);
    let again = async {
        while server.try_connect().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.unwrap();
}

#[tokio::test]
async fn shutdown_tells_idle_clients_and_ends() {
    let server = Server::start().await;
    let settings = format!("host=127.0.0.1 port={} user=lakewire", server.address.port());
    let (client, connection) = tokio_postgres::connect(&settings, NoTls).await.unwrap();
    let told = tokio::spawn(connection);
    client.simple_query("SELECT 1").await.unwrap();
    server.shutdown.cancel();
    let error = timeout(PATIENCE, told).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::ADMIN_SHUTDOWN));
    timeout(PATIENCE, server.running).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn shutdown_ends_a_statement_that_runs_on() {
    let server = Server::start().await;
    let client = server.connect().await;
    let rows = client.query_raw(ENDLESS, Vec::<i32>::new()).await.unwrap();
    let mut rows = Box::pin(rows);
    rows.try_next().await.unwrap().unwrap();
    server.shutdown.cancel();
    let error = loop {
        match timeout(PATIENCE, rows.try_next()).await.unwrap() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended as if it were complete"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), Some(&SqlState::ADMIN_SHUTDOWN));
    timeout(PATIENCE, server.running).await.unwrap().unwrap().unwrap();
}
