//! Pipelines that remember something from row to row write each of their rows once, whatever happens to the server.

use lakewire::fault::VIEW_CRASH_POINTS;

use super::story::{lines, pipeline, read_all, read_partitions};
use crate::servers::{Setup, is_abort};

/// Paced, so that ticks and epochs follow each other. Each reader has its own pace: the two of this source come apart on a slow machine, so its
/// watermark allows for all of its time, and its windows close at its end.
const SOURCE: &str = "CREATE SOURCE IF NOT EXISTS pop_events (event_id text, event_time timestamptz, event_type text, bytes_in bigint,
                          WATERMARK FOR event_time AS event_time - INTERVAL '30 days')
                      WITH (connector = 'generator', dataset = 'network', seed = 11, rows = 8000, partitions = 2, rate = 4000)";
/// The same records in one partition.
const ORDERED: &str = "CREATE SOURCE IF NOT EXISTS in_order (event_id text, event_time timestamptz, event_type text, bytes_in bigint,
                           WATERMARK FOR event_time AS event_time - INTERVAL '30 minutes')
                       WITH (connector = 'generator', dataset = 'network', seed = 11, rows = 8000, rate = 4000)";
const PER_MINUTE: &str = "SELECT window_start, event_type, count(*) AS n, sum(bytes_in) AS bytes
                          FROM tumble(in_order, event_time, INTERVAL '1 minute') GROUP BY window_start, event_type";
const PER_TYPE: &str = "SELECT window_start, event_type, count(*) AS n
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
    let windows = [("per_minute", PER_MINUTE), ("per_type", PER_TYPE)];
    let windows = windows.map(|(name, query)| kept(name, &format!("{query} EMIT ON WINDOW CLOSE"))).join("; ");
    format!("{SOURCE}; {ORDERED}; {windows}; {}; {}", kept("once", DISTINCT), kept("joined", JOINED))
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
    for job in ["keep", "per_type", "once", "joined"] {
        read_all(&mut server, job).await;
    }
    read_partitions(&mut server, "per_minute", 1).await;
    assert_eq!(server.number("SELECT sum(late) FROM lakewire.jobs").await, 0);
    for (table, query) in [("per_minute", PER_MINUTE), ("per_type", PER_TYPE), ("once", DISTINCT), ("joined", JOINED)] {
        let written = lines(&server, &format!("SELECT * FROM {table}")).await;
        assert!(written.len() > 10);
        assert_eq!(
            written,
            lines(&server, &query.replace("pop_events", "events").replace("in_order", "events")).await,
            "{table} after {point}"
        );
    }
}
