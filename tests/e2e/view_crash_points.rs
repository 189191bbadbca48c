//! The server stops dead at each named point of a view's job, is started again, and every view is its query: over tables that are changed in
//! every way, over a source, over other views.

use lakewire::fault::VIEW_CRASH_POINTS;

use super::story::{assert_rejects, lines, pipeline, read_all, read_partitions};
use crate::servers::{Part, Server, Setup, is_abort, summary};

/// Paced, so that ticks and epochs follow each other. Each reader has its own pace: the two of `pop_events` come apart on a slow machine, so its
/// watermark allows for all of its time, and its windows close at its end. `in_order` has the same records in one partition.
const SOURCES: &str = "CREATE SOURCE IF NOT EXISTS pop_events (event_id text, event_time timestamptz, tenant_id bigint, bytes_in bigint,
                           WATERMARK FOR event_time AS event_time - INTERVAL '30 days')
                       WITH (connector = 'generator', dataset = 'network', seed = 11, rows = 8000, partitions = 2, rate = 4000); \
                       CREATE SOURCE IF NOT EXISTS in_order (event_id text, event_time timestamptz, tenant_id bigint, bytes_in bigint,
                           WATERMARK FOR event_time AS event_time - INTERVAL '30 minutes')
                       WITH (connector = 'generator', dataset = 'network', seed = 11, rows = 8000, rate = 4000)";
const TABLES: &str = "CREATE TABLE IF NOT EXISTS sales (id bigint, shop bigint, amount bigint, due timestamptz); \
                      CREATE TABLE IF NOT EXISTS shops (shop bigint, city text)";

/// Each with whether rows of windows come only when these close.
const VIEWS: [(&str, &str, &str); 10] = [
    ("per_tenant", "SELECT tenant_id, count(*) AS events, sum(bytes_in) AS bytes FROM pop_events GROUP BY tenant_id", ""),
    ("of_tenants", "SELECT count(*) AS tenants, sum(events) AS events, sum(bytes) AS bytes FROM per_tenant", ""),
    (
        "per_minute",
        "SELECT window_start, count(*) AS n FROM tumble(in_order, event_time, INTERVAL '1 minute') GROUP BY window_start",
        "EMIT ON WINDOW CLOSE",
    ),
    (
        "per_hour",
        "SELECT window_start, count(*) AS n FROM tumble(pop_events, event_time, INTERVAL '1 hour') GROUP BY window_start",
        "EMIT ON WINDOW CLOSE",
    ),
    ("by_city", "SELECT city, count(*) AS n, sum(amount) AS amount FROM sales JOIN shops ON sales.shop = shops.shop GROUP BY city", ""),
    (
        "best",
        "SELECT * FROM (SELECT shop, id, amount, rank() OVER (PARTITION BY shop ORDER BY amount DESC, id) AS place FROM sales) r WHERE place <= 3",
        "",
    ),
    ("recent", "SELECT id, amount FROM sales WHERE due > now() - INTERVAL '1 day'", ""),
    // A diamond: two views of a table, and a view of both and the table.
    ("per_shop", "SELECT shop, sum(amount) AS amount FROM sales GROUP BY shop", ""),
    ("largest", "SELECT shop, max(amount) AS amount FROM sales GROUP BY shop", ""),
    (
        "shares",
        "SELECT s.id, s.amount, p.amount AS of_shop, l.amount AS most FROM sales s JOIN per_shop p ON s.shop = p.shop \
         JOIN largest l ON s.shop = l.shop",
        "",
    ),
];

/// Done over and over until the server dies.
const CHANGES: [&str; 6] = [
    "INSERT INTO sales SELECT value AS id, value % 5 AS shop, value * 7 % 100 AS amount, \
     CASE WHEN value % 2 = 0 THEN timestamptz '2001-01-01 00:00:00Z' ELSE timestamptz '2101-01-01 00:00:00Z' END AS due \
     FROM generate_series(1, 40)",
    "INSERT INTO shops VALUES (0, 'Bern'), (1, 'Chur'), (2, 'Bern'), (3, NULL)",
    "UPDATE sales SET amount = amount + 1, shop = (shop + 1) % 5 WHERE id % 3 = 0",
    "MERGE INTO sales t USING (SELECT value AS id FROM generate_series(38, 42)) s ON t.id = s.id \
     WHEN MATCHED AND t.id = 40 THEN DELETE WHEN MATCHED THEN UPDATE SET amount = t.amount * 2 \
     WHEN NOT MATCHED THEN INSERT VALUES (s.id, 1, 50, timestamptz '2101-01-01 00:00:00Z')",
    "DELETE FROM sales WHERE id < 5",
    "DELETE FROM shops WHERE city = 'Chur'",
];

#[tokio::test]
async fn the_first_time() {
    at_every_point(1).await;
}

/// By then every view has been made, and has more to come.
#[tokio::test]
async fn the_thirtieth_time() {
    at_every_point(30).await;
}

async fn at_every_point(nth: u32) {
    for point in VIEW_CRASH_POINTS {
        eprintln!("{point}:{nth}");
        at(point, nth).await;
    }
}

async fn at(point: &str, nth: u32) {
    let mut server = Setup::default().crash_at(point, nth).start().await;
    // It may die under any of these, or only while the jobs run.
    let _ = server.try_sql(&definitions()).await;
    while change(&server).await {}
    let status = server.ended().await;
    assert!(is_abort(status), "at {point}:{nth} the server ended with {status}, not by the crash point");

    server.restart_as(Setup::default()).await;
    server.sql(&definitions()).await;
    server.sql(&format!("CREATE TABLE events (); {}", pipeline("keep", "events", "*"))).await;
    assert!(change(&server).await, "the server lives");
    for job in ["keep", "per_tenant", "per_hour"] {
        read_all(&mut server, job).await;
    }
    read_partitions(&mut server, "per_minute", 1).await;
    assert_eq!(server.number("SELECT sum(late) FROM lakewire.jobs").await, 0, "after {point}:{nth}");
    assert_rejects(&server, summary(Part { seed: 11, skip: 0, rows: 8000 }).broken, "per_tenant").await;
    let per_tenant = format!("({}) t", VIEWS[0].1.replace("pop_events", "events"));
    for (name, query, _) in VIEWS {
        let query = query.replace("pop_events", "events").replace("in_order", "events").replace("per_tenant", &per_tenant);
        let shown = lines(&server, &format!("SELECT * FROM {name}")).await;
        assert_eq!(shown, lines(&server, &query).await, "{name} after {point}:{nth}");
        assert!(!shown.is_empty(), "{name}");
    }
}

fn definitions() -> String {
    let view = |(name, query, emit): (&str, &str, &str)| {
        format!("; CREATE MATERIALIZED VIEW IF NOT EXISTS {name} WITH (commit_interval = '500ms') AS {query} {emit}")
    };
    format!("{SOURCES}; {TABLES}{}", VIEWS.map(view).concat())
}

/// Whether the server has outlived all changes.
async fn change(server: &Server) -> bool {
    for change in CHANGES {
        match server.try_sql(change).await {
            Ok(_) => {}
            Err(error) if error.as_db_error().is_some() => panic!("{error:?}"),
            Err(_) => return false,
        }
    }
    true
}
