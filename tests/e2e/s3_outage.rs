//! A bucket that refuses, from the beginning or for a while.

use super::story::{Pace, Story, assert_exact, read_all};
use crate::servers::{Gate, Ministack, Setup};

#[tokio::test]
async fn a_bucket_that_refuses_is_told_at_the_start() {
    let gate = Gate::shut_for_ever().await;
    let said = Setup::default().s3_behind(&gate, "s3://lake/warehouse").start_in_vain().await;
    assert!(said.contains("s3://lake"), "the bucket is not named: {said}");
    assert!(said.contains("403") || said.contains("AccessDenied") || said.contains("Access Denied"), "the reason is not told: {said}");
}

#[tokio::test]
async fn a_job_outlives_an_outage() {
    let story = Story { rows: 20_000, pace: Pace::PerSecond(4_000) };
    let expected = story.summary();
    let s3 = Ministack::start("lake").await;
    let gate = Gate::before(s3.address()).await;
    let mut server = Setup::default().s3_behind(&gate, "s3://lake/warehouse").start().await;
    server.sql(&story.definitions()).await;
    server.wait_for("(SELECT count(*) FROM events) > 0").await;

    gate.shut();
    server.wait_for("(SELECT error FROM lakewire.jobs WHERE name = 'keep') IS NOT NULL").await;
    let state = server.text("SELECT state FROM lakewire.jobs WHERE name = 'keep'").await;
    assert_ne!(state, "failed", "an outage is worth another try");
    gate.open();
    read_all(&mut server, "keep").await;
    assert_exact(&server, &expected, "events", "keep").await;
    server.wait_for("(SELECT error FROM lakewire.jobs WHERE name = 'keep') IS NULL").await;
}
