//! SIGTERM: within ten seconds what is open is committed and the server has ended, whatever it was doing.

use std::time::Duration;

use super::story::{Pace, Story, pipeline};
use crate::servers::{DEADLINE, Gate, Ministack, Server, Setup, wait_until};

/// What SIGTERM promises.
const DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// A generator without an end, at full speed.
const ENDLESS: &str = "CREATE SOURCE pop_events WITH (connector = 'generator', dataset = 'network', partitions = 2)";

const READING: &str = "(SELECT sum(position::bigint) FROM lakewire.job_inputs WHERE job = 'keep') > 0";

#[tokio::test]
async fn commits_the_open_epoch_and_tells_clients() {
    let mut server = Server::start().await;
    let story = Story { rows: 1_000_000, pace: Pace::PerSecond(1_000) };
    server.sql(&format!("{}; CREATE TABLE events (); {}", story.source(), hourly())).await;
    server.wait_for(READING).await;
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
async fn ends_in_time_at_full_speed() {
    let mut server = Server::start().await;
    server.sql(&format!("{ENDLESS}; CREATE TABLE events (); {}", pipeline("keep", "events", "*"))).await;
    server.wait_for("(SELECT count(*) FROM events) > 0").await;
    let status = server.terminate(DRAIN_DEADLINE).await;
    assert!(status.success(), "SIGTERM ended the server with {status}");

    server.restart().await;
    assert_eq!(server.text("SELECT count(*) = count(DISTINCT event_id) FROM events").await, "t");
}

#[tokio::test]
async fn ends_in_time_while_the_bucket_is_shut() {
    let s3 = Ministack::start("lake").await;
    let gate = Gate::before(s3.address()).await;
    let mut server = Setup::default().s3_behind(&gate, "s3://lake/warehouse").start().await;
    server.sql(&format!("{ENDLESS}; CREATE TABLE events (); {}", hourly())).await;
    server.wait_for(READING).await;
    gate.shut();
    let status = server.terminate(DRAIN_DEADLINE).await;
    assert!(status.success(), "SIGTERM ended the server with {status}");
}

/// A pipeline that commits nothing by itself while a test runs.
fn hourly() -> String {
    pipeline("keep", "events", "*").replace("'1s'", "'1h'")
}
