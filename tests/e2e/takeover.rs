//! Two servers on one catalog and one lake run the same job: one of them stops, and the data is exact.

use super::story::{Pace, Story, assert_exact, failure_of, read_all};
use crate::servers::{Postgres, Setup};

/// Long enough for both servers to take the job over while there is something left to read.
const STORY: Story = Story { rows: 60_000, pace: Pace::PerSecond(2_000) };

#[tokio::test]
async fn the_loser_stops_and_the_data_is_exact() {
    let expected = STORY.summary();
    let postgres = Postgres::start().await;
    let lake = tempfile::tempdir().unwrap();
    let setup = Setup::default().catalog(&postgres.url()).lake(lake.path());
    let mut first = setup.clone().start().await;
    first.sql(&STORY.definitions()).await;
    first.wait_for("(SELECT count(*) FROM events) > 0").await;

    let mut second = setup.start().await;
    let said = failure_of(&mut first, "keep").await;
    assert!(said.contains("another server has taken the job over"), "{said}");
    second.wait_for("(SELECT state FROM lakewire.jobs WHERE name = 'keep') = 'running'").await;

    first.sql("ALTER PIPELINE keep RESUME").await;
    let said = failure_of(&mut second, "keep").await;
    assert!(said.contains("another server has taken the job over"), "{said}");
    read_all(&mut first, "keep").await;
    for server in [&first, &second] {
        assert_exact(server, &expected, "events", "keep").await;
    }
}
