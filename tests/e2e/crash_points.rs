//! The server stops dead at each named point, is started again, and the counts are exact.

use lakewire::fault::{self, CRASH_POINTS};

use super::story::{Pace, Story, assert_exact, assert_readers_agree, read_all};
use crate::servers::{Place, Postgres, Setup, Summary, is_abort};

/// Paced, so that the job passes every point more than once: epochs follow each other, and the dataset's new fields do not all come in the first.
const STORY: Story = Story { rows: 32_000, pace: Pace::PerSecond(6_000) };

/// Where a change of the catalog has just been made, where a table changes at the beginning of a job, and on the way of a commit.
const POSTGRES_POINTS: &[&str] =
    &[fault::SOURCE_COLUMNS_SAVED, fault::TABLE_EVOLVED, fault::EPOCH_FILES_WRITTEN, fault::EPOCH_DECIDED, fault::EPOCH_PUBLISHED];

#[tokio::test]
async fn the_first_time() {
    at_every_point(1).await;
}

#[tokio::test]
async fn the_second_time() {
    at_every_point(2).await;
}

/// The first time, so that the server may also die while it still stores definitions.
#[tokio::test]
async fn with_the_definitions_in_postgres() {
    let expected = STORY.summary();
    for point in POSTGRES_POINTS {
        let postgres = Postgres::start().await;
        at(point, 1, &Setup::default().catalog(&postgres.url()), &expected).await;
    }
}

async fn at_every_point(nth: u32) {
    let expected = STORY.summary();
    for point in CRASH_POINTS {
        at(point, nth, &Setup::default(), &expected).await;
    }
}

async fn at(point: &str, nth: u32, setup: &Setup, expected: &Summary) {
    eprintln!("{point}:{nth}");
    let mut server = setup.clone().crash_at(point, nth).start().await;
    // It may die under these statements, or only while the job runs.
    let _ = server.try_sql(&STORY.definitions()).await;
    let status = server.ended().await;
    assert!(is_abort(status), "at {point}:{nth} the server ended with {status}, not by the crash point");

    server.restart_as(setup.clone()).await;
    server.sql(&STORY.definitions()).await;
    read_all(&mut server, "keep").await;
    assert_exact(&server, expected, "events", "keep").await;
    assert_readers_agree(&server, "events", Place::Folder(server.table_folder("events").await)).await;
}
