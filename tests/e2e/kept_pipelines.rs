//! Pipelines that remember something from row to row write each of their rows once, whatever happens to the server.

use std::collections::HashSet;

use lakewire::fault::VIEW_CRASH_POINTS;

use super::story::{lines, pipeline, read_all};
use crate::servers::{Setup, is_abort};

/// Paced, so that ticks and epochs follow each other. A record may be late by more than the two partitions come apart, unless the machine lets
/// one of them wait for very long.
const SOURCE: &str = "CREATE SOURCE IF NOT EXISTS pop_events (event_id text, event_time timestamptz, event_type text, bytes_in bigint,
                          WATERMARK FOR event_time AS event_time - INTERVAL '30 minutes')
                      WITH (connector = 'generator', dataset = 'network', seed = 11, rows = 8000, partitions = 2, rate = 4000)";
const PER_MINUTE: &str = "SELECT window_start, event_type, count(*) AS n, sum(bytes_in) AS bytes
                          FROM tumble(pop_events, event_time, INTERVAL '1 minute') GROUP BY window_start, event_type";
const DISTINCT: &str = "SELECT DISTINCT ON (event_id) event_id, bytes_in FROM pop_events";
const JOINED: &str =
    "SELECT a.event_id, b.event_type FROM pop_events a JOIN pop_events b ON a.event_id = b.event_id WHERE a.bytes_in > 100";

fn kept(name: &str, query: &str) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {name} (); CREATE PIPELINE IF NOT EXISTS {name} WITH (commit_interval = '500ms') AS INSERT INTO {name} {query}"
    )
}

fn definitions() -> String {
    let windows = kept("per_minute", &format!("{PER_MINUTE} EMIT ON WINDOW CLOSE"));
    format!("{SOURCE}; {windows}; {}; {}", kept("once", DISTINCT), kept("joined", JOINED))
}

#[tokio::test]
async fn every_row_is_written_once_over_every_crash_point() {
    for point in VIEW_CRASH_POINTS {
        eprintln!("{point}:2");
        at(point).await;
    }
}

async fn at(point: &str) {
    let mut server = Setup::default().crash_at(point, 2).start().await;
    // It may die under these statements, or only while the jobs run.
    let _ = server.try_sql(&definitions()).await;
    let status = server.ended().await;
    assert!(is_abort(status), "at {point} the server ended with {status}, not by the crash point");

    server.restart_as(Setup::default()).await;
    server.sql(&definitions()).await;
    server.sql(&format!("CREATE TABLE events (); {}", pipeline("keep", "events", "*"))).await;
    for job in ["keep", "per_minute", "once", "joined"] {
        read_all(&mut server, job).await;
    }
    let late = server.number("SELECT sum(late) FROM lakewire.jobs").await;
    let counted = server.number("SELECT sum(n) FROM per_minute").await;
    assert_eq!(counted + late, server.number("SELECT count(event_time) FROM events").await, "after {point}");
    let windows = lines(&server, "SELECT window_start, event_type FROM per_minute").await;
    assert_eq!(windows.len(), windows.iter().collect::<HashSet<_>>().len(), "a window was written twice after {point}");
    for (table, query) in [("per_minute", PER_MINUTE), ("once", DISTINCT), ("joined", JOINED)] {
        let written = lines(&server, &format!("SELECT * FROM {table}")).await;
        assert!(written.len() > 10);
        if late == 0 || table != "per_minute" {
            assert_eq!(written, lines(&server, &query.replace("pop_events", "events")).await, "{table} after {point}");
        }
    }
}
