//! The server stops dead at each named point, is started again, and the counts are exact.

use lakewire::fault::CRASH_POINTS;

use super::story::{Pace, Story, assert_exact, assert_readers_agree, read_all};
use crate::servers::{Place, Setup, Summary, is_abort};

/// Paced, so that the job passes every point more than once: epochs follow each other, and the dataset's new fields do not all come in the first.
const STORY: Story = Story { rows: 32_000, pace: Pace::PerSecond(6_000) };

#[tokio::test]
async fn the_first_time() {
    at_every_point(1).await;
}

#[tokio::test]
async fn the_second_time() {
    at_every_point(2).await;
}

async fn at_every_point(nth: u32) {
    let expected = STORY.summary();
    for point in CRASH_POINTS {
        eprintln!("{point}:{nth}");
        at(point, nth, &expected).await;
    }
}

async fn at(point: &str, nth: u32, expected: &Summary) {
    let mut server = Setup::default().crash_at(point, nth).start().await;
    // It may die under these statements, or only while the job runs.
    let _ = server.try_sql(&STORY.definitions()).await;
    let status = server.ended().await;
    assert!(is_abort(status), "at {point}:{nth} the server ended with {status}, not by the crash point");

    server.restart_as(Setup::default()).await;
    server.sql(&STORY.definitions()).await;
    read_all(&mut server, "keep").await;
    assert_exact(&server, expected, "events", "keep").await;
    assert_readers_agree(&server, "events", Place::Folder(server.table_folder("events").await)).await;
}
