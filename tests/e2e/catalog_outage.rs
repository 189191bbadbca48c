//! The catalog in PostgreSQL is away for a while: what runs goes on, what must be stored waits or is refused, and nothing is lost.

use super::story::{PIPELINE_AND_VIEW, Pace, Story, begin_with_view, ends_exact_with_view};
use crate::servers::{Gate, Postgres, Server, Setup};

/// What grows as long as the jobs go on.
const GROWING: [&str; 4] = [
    "(SELECT epoch FROM lakewire.jobs WHERE name = 'keep')",
    "(SELECT epoch FROM lakewire.jobs WHERE name = 'per_tenant')",
    "(SELECT count(*) FROM events)",
    "(SELECT sum(events) FROM per_tenant)",
];

#[tokio::test]
async fn running_jobs_go_on() {
    let story = Story { rows: 40_000, pace: Pace::PerSecond(1_250) };
    let (_postgres, gate, mut server) = behind_a_gate().await;
    begin_with_view(&mut server, &story.declared_definitions()).await;

    gate.shut();
    jobs_go_on(&mut server).await;
    let refusal = server.refusal("CREATE TABLE other (a bigint)").await;
    assert_eq!((refusal.sqlstate.as_str(), refusal.message.as_str()), ("08006", "the catalog store cannot be reached"), "{refusal}");
    assert_eq!(server.refusal("SELECT * FROM other").await.sqlstate, "42P01");

    gate.open();
    server.sql("CREATE TABLE other (a bigint); INSERT INTO other VALUES (1)").await;
    assert_eq!(server.number("SELECT sum(a) FROM other").await, 1);
    let location = "SELECT location FROM lakewire.tables WHERE name = 'other'";
    assert!(server.text(location).await.ends_with("/other"), "what was refused has left nothing behind");
    ends_exact_with_view(&mut server, story).await;
    assert_eq!(server.number("SELECT count(*) FROM lakewire.events WHERE event = 'job retries'").await, 0, "a job was interrupted");
}

/// A new column is stored before anybody sees a row that has it: without the catalog nobody gets past the first of these rows.
#[tokio::test]
async fn new_columns_wait_for_the_catalog() {
    let story = Story { rows: 24_000, pace: Pace::PerSecond(1_250) };
    let (_postgres, gate, mut server) = behind_a_gate().await;
    begin_with_view(&mut server, &story.definitions()).await;

    gate.shut();
    for job in PIPELINE_AND_VIEW {
        let of_job = |column: &str| format!("(SELECT {column} FROM lakewire.jobs WHERE name = '{job}')");
        server.wait_for(&format!("{} LIKE 'the catalog store%'", of_job("error"))).await;
        assert_ne!(server.text(&format!("SELECT {}", of_job("state"))).await, "failed", "an outage is worth another try");
    }

    gate.open();
    ends_exact_with_view(&mut server, story).await;
    // The last field that the dataset gets within these rows.
    assert!(server.number("SELECT count(risk_score) FROM events").await > 0);
}

/// What is named last is dropped first: the server goes before what it uses.
async fn behind_a_gate() -> (Postgres, Gate, Server) {
    let postgres = Postgres::start().await;
    let gate = Gate::before(&postgres.address()).await;
    let server = Setup::default().catalog(&postgres.url_behind(&gate)).start().await;
    (postgres, gate, server)
}

/// Each goes up twice: the first time may have been on its way before.
async fn jobs_go_on(server: &mut Server) {
    let mut before = Vec::new();
    for what in GROWING {
        before.push(server.number(&format!("SELECT {what}")).await);
    }
    for (what, before) in GROWING.into_iter().zip(before) {
        server.wait_for(&format!("{what} > {}", before + 1)).await;
    }
}
