//! The simple protocol: texts with several statements, errors, transactions, start-up.

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

use super::Server;

/// The results as `row,row;row`, a statement without rows as `tag count`.
fn text(messages: &[SimpleQueryMessage]) -> String {
    let mut text = String::new();
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => {
                let values: Vec<_> = (0..row.len()).map(|column| row.get(column).unwrap_or("NULL")).collect();
                text += &format!("({})", values.join(","));
            }
            SimpleQueryMessage::CommandComplete(count) => text += &format!(" {count};"),
            _ => {}
        }
    }
    text
}

#[tokio::test]
async fn statements_of_one_text_run_one_after_another() {
    let server = Server::start().await;
    let client = server.connect().await;
    let answer = client.simple_query("CREATE TABLE t AS SELECT 1 AS x; SELECT x, 'a;b' FROM t; ; SELECT x + 1 FROM t").await.unwrap();
    assert_eq!(text(&answer), " 1;(1,a;b) 1;(2) 1;");
    // The driver shows the answer to an empty text as a statement without rows.
    assert_eq!(text(&client.simple_query("-- nothing\n;").await.unwrap()), " 0;");
}

#[tokio::test]
async fn the_first_error_ends_the_text_and_its_position_counts_from_the_texts_start() {
    let server = Server::start().await;
    let client = server.connect().await;
    let error = client.simple_query("CREATE TABLE a AS SELECT 1 AS x; SELECT nothing FROM a; CREATE TABLE b AS SELECT 1 AS x").await;
    let error = error.unwrap_err();
    assert_eq!(error.code(), Some(&SqlState::UNDEFINED_COLUMN));
    assert_eq!(text(&client.simple_query("SELECT count(*) FROM a").await.unwrap()), "(1) 1;");
    assert_eq!(client.simple_query("SELECT count(*) FROM b").await.unwrap_err().code(), Some(&SqlState::UNDEFINED_TABLE));

    let error = client.simple_query("SELECT 1;\n SELEC 2").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(error.code(), &SqlState::SYNTAX_ERROR);
    assert!(matches!(error.position(), Some(tokio_postgres::error::ErrorPosition::Original(position)) if *position >= 10), "{error:?}");
}

#[tokio::test]
async fn errors_have_a_hint_and_a_state() {
    let server = Server::start().await;
    let client = server.connect().await;
    let error = client.simple_query("SELECT $1::text").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!((error.severity(), error.code()), ("ERROR", &SqlState::UNDEFINED_PARAMETER));
    assert_eq!(error.message(), "there is no parameter $1");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn a_failed_transaction_refuses_until_it_ends() {
    let server = Server::start().await;
    let client = server.connect().await;
    client.simple_query("BEGIN").await.unwrap();
    client.simple_query("SELECT * FROM missing").await.unwrap_err();
    client.simple_query("SELECT 1").await.unwrap_err();
    client.simple_query("ROLLBACK").await.unwrap();
    client.simple_query("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn a_large_result_streams_through_a_small_buffer() {
    let server = Server::start().await;
    let client = server.connect().await;
    let rows = client.simple_query("SELECT value, repeat('x', 100) FROM generate_series(1, 200000)").await.unwrap();
    let rows = rows.iter().filter(|message| matches!(message, SimpleQueryMessage::Row(_))).count();
    assert_eq!(rows, 200_000);
}

#[tokio::test]
async fn a_hundred_clients_work_at_once() {
    let server = Server::start().await;
    let clients = futures::future::join_all((0..100).map(|_| server.connect())).await;
    let answers = clients.iter().enumerate().map(async |(number, client)| {
        let row = client.query_one("SELECT $1::int + sum(value)::int FROM generate_series(1, 1000)", &[&(number as i32)]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), number as i32 + 500_500);
    });
    futures::future::join_all(answers).await;
}

#[tokio::test]
async fn clients_beyond_the_limit_are_refused() {
    let server = Server::with_places(1).await;
    let first = server.connect().await;
    let error = server.try_connect().await.err().unwrap();
    assert_eq!(error.code(), Some(&SqlState::TOO_MANY_CONNECTIONS));
    assert_eq!(error.as_db_error().unwrap().message(), "sorry, too many clients already");
    first.simple_query("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn start_up_options_set_variables() {
    let server = Server::start().await;
    let settings = format!("host=127.0.0.1 port={} user=lakewire options='-c application_name=a\\\\ b'", server.address.port());
    let (client, connection) = tokio_postgres::connect(&settings, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(text(&client.simple_query("SHOW application_name").await.unwrap()), "(a b) 1;");
}
