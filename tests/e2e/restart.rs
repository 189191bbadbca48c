//! What is defined survives the end of the server.

use super::story::{Pace, Story, assert_exact, read_all};
use crate::servers::{Server, get};

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
