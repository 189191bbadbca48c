//! What is defined survives every end of the server; an orderly end loses no work either.

use std::time::Duration;

use super::story::{Pace, Story, assert_exact, pipeline, read_all};
use crate::servers::{DEADLINE, Server, get, wait_until};

/// What SIGTERM promises.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

const SLOW: Story = Story { rows: 20_000, pace: Pace::PerSecond(2_000) };

#[tokio::test]
async fn definitions_survive_and_jobs_go_on() {
    let mut server = Server::start().await;
    server.sql("CREATE SECRET s AS 'open sesame'").await;
    server.sql("CREATE TABLE numbers (n bigint); INSERT INTO numbers VALUES (1), (2)").await;
    server.sql(&SLOW.definitions()).await;
    let before = server.sql("SHOW CREATE PIPELINE keep").await;
    server.wait_for("(SELECT count(*) FROM events) > 0").await;

    server.kill();
    server.restart().await;
    assert_eq!(server.sql("SHOW CREATE PIPELINE keep").await, before);
    assert_eq!(server.number("SELECT sum(n) FROM numbers").await, 3);
    assert_eq!(server.refusal("CREATE SECRET s AS 'again'").await.sqlstate, "42710");
    read_all(&mut server, "keep").await;
    assert_exact(&server, &SLOW.summary(), "events", "keep").await;
}

#[tokio::test]
async fn paused_stays_paused() {
    let mut server = Server::start().await;
    server.sql(&SLOW.definitions()).await;
    server.wait_for("(SELECT count(*) FROM events) > 0").await;
    server.sql("ALTER PIPELINE keep PAUSE").await;
    server.wait_for("(SELECT state FROM lakewire.jobs WHERE name = 'keep') = 'paused'").await;
    let paused_at = server.number("SELECT count(*) FROM events").await;

    server.kill();
    server.restart().await;
    server.sql("FLUSH").await;
    assert_eq!(server.text("SELECT state FROM lakewire.jobs WHERE name = 'keep'").await, "paused");
    assert_eq!(server.number("SELECT count(*) FROM events").await, paused_at);

    server.sql("ALTER PIPELINE keep RESUME").await;
    read_all(&mut server, "keep").await;
    assert_exact(&server, &SLOW.summary(), "events", "keep").await;
}

#[tokio::test]
async fn sigterm_commits_the_open_epoch_and_tells_clients() {
    let mut server = Server::start().await;
    let story = Story { rows: 1_000_000, pace: Pace::PerSecond(1_000) };
    let hourly = pipeline("keep", "events", "*").replace("'1s'", "'1h'");
    server.sql(&format!("{}; CREATE TABLE events (); {hourly}", story.source())).await;
    server.wait_for("(SELECT sum(position::bigint) FROM lakewire.job_inputs WHERE job = 'keep') > 0").await;
    assert_eq!(server.number("SELECT count(*) FROM events").await, 0);
    let client = server.connect().await;

    let status = server.terminate(DRAIN_DEADLINE).await;
    assert!(status.success(), "SIGTERM ended the server with {status}");
    wait_until("the client is told", DEADLINE, async || client.is_closed().then_some(())).await;

    // Nothing is committed by itself for an hour: what is there now was committed on the way out.
    server.restart().await;
    assert!(server.number("SELECT count(*) FROM events").await > 0);
    assert_eq!(server.text("SELECT count(*) = count(DISTINCT event_id) FROM events").await, "t");
}

#[tokio::test]
async fn health_and_metrics_are_told_over_http() {
    let mut server = Server::start().await;
    server.sql(&Story::QUICK.definitions()).await;
    server.sql("FLUSH").await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(server.http(), path).await.map(|answer| answer.status), Some(200), "{path}");
    }
    let metrics = get(server.http(), "/metrics").await.expect("the server answers");
    assert_eq!(metrics.status, 200);
    assert!(metrics.body.lines().any(|line| line.starts_with("lakewire_")), "no metrics of ours:\n{}", metrics.body);
    server.assert_alive();
}
