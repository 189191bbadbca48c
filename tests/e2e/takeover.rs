//! Two servers on one catalog and one lake run the same job: one of them stops, and the data is exact.

use super::story::{SEED, TABLE, assert_exact, failure_of, pipeline};
use crate::servers::{Part, Postgres, Setup, summary};

/// Without an end, so that whoever has lost the job has something to commit and finds out. One partition: what was read is the first so many records.
const SOURCE: &str = "CREATE SOURCE pop_events WITH (connector = 'generator', dataset = 'network', seed = 7, rate = 1000)";

#[tokio::test]
async fn the_loser_stops_and_the_data_is_exact() {
    let postgres = Postgres::start().await;
    let lake = tempfile::tempdir().unwrap();
    let setup = Setup::default().catalog(&postgres.url()).lake(lake.path());
    let mut first = setup.clone().start().await;
    first.sql(&format!("{SOURCE}; {TABLE}; {}", pipeline("keep", "events", "*, event_time::date AS event_date"))).await;
    first.wait_for("(SELECT count(*) FROM events) > 0").await;

    let mut second = setup.start_beside(&first).await;
    let said = failure_of(&mut first, "keep").await;
    assert!(said.contains("another server has taken the job over"), "{said}");
    second.wait_for("(SELECT state FROM lakewire.jobs WHERE name = 'keep') = 'running'").await;

    first.sql("ALTER PIPELINE keep RESUME").await;
    let said = failure_of(&mut second, "keep").await;
    assert!(said.contains("another server has taken the job over"), "{said}");
    first.wait_for("(SELECT rows_out FROM lakewire.jobs) > 5000").await;
    first.sql("ALTER PIPELINE keep PAUSE").await;

    let rows = first.number("SELECT records_in FROM lakewire.jobs").await.unsigned_abs();
    let expected = summary(Part { seed: SEED, skip: 0, rows });
    for server in [&first, &second] {
        assert_exact(server, &expected, "events", "keep").await;
    }
}
