//! What a user gets wrong is told clearly: at the statement if it can be known then, else in `lakewire.jobs`. Nothing is lost by it.

use super::story::{Story, TABLE, assert_exact, failure_of, pipeline};
use crate::servers::{KinesisLocal, Server};

#[tokio::test]
async fn an_option_that_does_not_exist() {
    let server = Server::start().await;
    let statement = "CREATE SOURCE g WITH (connector = 'generator', dataset = 'network', rowz = 5)";
    let refusal = server.refusal(statement).await;
    assert_eq!(refusal.sqlstate, "22023");
    assert!(refusal.message.contains("\"rowz\""), "{refusal}");
    assert!(refusal.hint.as_ref().is_some_and(|hint| hint.contains("rows")), "{refusal}");
    assert_eq!(refusal.position, statement.find("rowz").map(|at| at as u32 + 1));
    assert_eq!(server.number("SELECT count(*) FROM lakewire.sources").await, 0);
}

#[tokio::test]
async fn a_stream_that_does_not_exist() {
    let (server, kinesis) = tokio::join!(Server::start(), KinesisLocal::start("pops-eu:1"));
    let source = |streams| {
        let endpoint = kinesis.endpoint();
        format!("CREATE SOURCE s WITH (connector = 'kinesis', stream = '{streams}', region = 'eu-central-1', endpoint = '{endpoint}')")
    };
    let refusal = server.refusal(&source("pops-eu, pops-mars")).await;
    assert!(refusal.message.contains("\"pops-mars\""), "{refusal}");
    assert_eq!(server.number("SELECT count(*) FROM lakewire.sources").await, 0);

    // A stream without a record is a source without columns; only `*` can be asked of it.
    server.sql(&source("pops-eu")).await;
    server.sql("CREATE TABLE t ()").await;
    let refusal = server.refusal("CREATE PIPELINE p AS INSERT INTO t SELECT event_time::date AS day FROM s").await;
    assert_eq!(refusal.sqlstate, "42703", "{refusal}");
    assert!(refusal.hint.is_some(), "no hint to declare the column: {refusal}");
    server.sql("CREATE PIPELINE p AS INSERT INTO t SELECT * FROM s").await;
}

#[tokio::test]
async fn a_target_that_lacks_a_column() {
    let server = Server::start().await;
    server.sql(&Story::QUICK.source()).await;
    server.sql("CREATE TABLE narrow (event_id text) WITH (schema = 'fixed')").await;
    let refusal = server.refusal("CREATE PIPELINE p AS INSERT INTO narrow SELECT event_id, bytes_in FROM pop_events").await;
    assert!(["42703", "42601"].contains(&refusal.sqlstate.as_str()), "{refusal}");
    let named =
        server.refusal("CREATE PIPELINE p AS INSERT INTO narrow (event_id, volume) SELECT event_id, bytes_in FROM pop_events").await;
    assert_eq!(named.sqlstate, "42703");
    assert!(named.message.contains("\"volume\"") && named.message.contains("\"narrow\""), "{named}");
    assert_eq!(server.number("SELECT count(*) FROM lakewire.jobs").await, 0);
}

#[tokio::test]
async fn a_type_that_can_never_be_cast() {
    let server = Server::start().await;
    server.sql(&Story::QUICK.source()).await;
    server.sql("CREATE TABLE t (event_id text, numbers bigint[]) WITH (schema = 'fixed')").await;
    let refusal = server.refusal("CREATE PIPELINE p AS INSERT INTO t SELECT event_id, event_time AS numbers FROM pop_events").await;
    assert!(["42804", "42846"].contains(&refusal.sqlstate.as_str()), "{refusal}");
    assert!(refusal.to_string().contains("numbers"), "the column is not named: {refusal}");
    assert_eq!(server.number("SELECT count(*) FROM lakewire.jobs").await, 0);
}

#[tokio::test]
async fn a_value_that_cannot_be_cast_stops_the_job_and_loses_nothing() {
    let mut server = Server::start().await;
    let expected = Story::QUICK.summary();
    server.sql(&format!("{}; {TABLE}", Story::QUICK.source())).await;
    server.sql(&pipeline("keep", "events", "*, event_time::date AS event_date, event_type::bigint AS number")).await;
    let said = failure_of(&mut server, "keep").await;
    assert!(said.contains("connect") || said.contains("dns") || said.contains("auth"), "the value is not told: {said}");
    assert_eq!(server.number("SELECT count(*) FROM lakewire.rejects").await, 0, "the records were rejected, not kept");

    // The server lives, and the corrected pipeline reads all of it.
    server.sql("DROP PIPELINE keep").await;
    server.sql(&Story::QUICK.definitions()).await;
    server.sql("FLUSH").await;
    assert_exact(&server, &expected, "events", "keep").await;
}

#[tokio::test]
async fn an_expectation_that_fails_stops_the_job() {
    let mut server = Server::start().await;
    server.sql(&format!("{}; CREATE TABLE events ()", Story::QUICK.source())).await;
    let pipeline = "CREATE PIPELINE strict CONSTRAINT has_bytes EXPECT (bytes_in IS NOT NULL) ON VIOLATION FAIL \
                    AS INSERT INTO events SELECT * FROM pop_events";
    server.sql(pipeline).await;
    let said = failure_of(&mut server, "strict").await;
    assert!(said.contains("has_bytes"), "the expectation is not named: {said}");
    assert_eq!(server.number("SELECT count(*) FROM events").await, 0);
}

/// Chains of what may be chained, at the limit and beyond it.
#[tokio::test]
async fn a_statement_that_is_too_deep() {
    let server = Server::start().await;
    let chain = |link: &str, joined: &str, links: usize| vec![link; links].join(joined);
    let sum = |links| format!("SELECT {}", chain("1", " + ", links));
    let text = |links| format!("SELECT length({})", chain("'a'", " || ", links));
    let casts = |links: usize| format!("SELECT 1{}", "::text::bigint".repeat(links / 2));
    let unions = |links| format!("SELECT count(*) FROM ({}) t", chain("SELECT 1", " UNION ALL ", links));
    let ors = |links| format!("SELECT count(*) FROM generate_series(1, 10) AS t(x) WHERE {}", chain("x = 1", " OR ", links));
    // The planner's work grows with the square of the depth: only one of them goes to the limit.
    assert_eq!(server.number(&sum(1_999)).await, 1_999);
    assert_eq!(server.number(&text(500)).await, 500);
    assert_eq!(server.number(&casts(500)).await, 1);
    assert_eq!(server.number(&unions(500)).await, 500);
    // These are no chain: they may be evaluated in any order.
    assert_eq!(server.number(&ors(20_000)).await, 1);
    for statement in [sum(100_000), text(100_000), casts(100_000), unions(100_000), format!("SELECT NULL::int{}", "[]".repeat(100_000))] {
        let refusal = server.refusal(&statement).await;
        assert_eq!(refusal.sqlstate, "54000", "{refusal}");
    }
    assert_eq!(server.number("SELECT 1").await, 1);
}
