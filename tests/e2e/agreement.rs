//! Money moves between accounts, and no read of any view sees it on one side alone: views over one table, over each other, and over both
//! (a diamond) are always of one moment. The server dies in between.
//!
//! `LAKEWIRE_TRANSFERS_SECONDS=60 cargo test --test main agreement` moves money for a minute before the end, and as long as the server lives
//! before its death.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio_postgres::error::SqlState;

use super::story::lines;
use crate::servers::setting;
use crate::servers::{Server, Setup, is_abort};

/// How many transfers there are if no time is given.
const TRANSFERS: i64 = 150;
const ACCOUNTS: i64 = 40;
/// It dies in the middle of it: when this tick of any view was shown.
const LAST_TICK: u32 = 400;

/// Each row of `transfers` takes from one account what it gives to another.
const VIEWS: [(&str, &str); 7] = [
    ("credits", "SELECT target AS account, sum(amount) AS amount, count(*) AS n FROM transfers GROUP BY target"),
    ("debits", "SELECT source AS account, sum(amount) AS amount, count(*) AS n FROM transfers GROUP BY source"),
    ("balance", "SELECT c.account, c.amount - d.amount AS balance FROM credits c JOIN debits d ON c.account = d.account"),
    ("total", "SELECT sum(balance) AS balance FROM balance"),
    // A view and the table that it is computed from.
    (
        "checked",
        "SELECT sum(t.amount) - max(c.amount) AS missed, count(*) - max(c.n) AS lost \
         FROM transfers t CROSS JOIN (SELECT sum(amount) AS amount, sum(n) AS n FROM credits) c",
    ),
    // What is computed from a view, beside a view of the same table that is not.
    ("credited", "SELECT sum(amount) AS amount FROM credits"),
    (
        "compared",
        "SELECT c.amount - d.amount + t.balance AS difference FROM credited c CROSS JOIN (SELECT sum(amount) AS amount FROM debits) d \
         CROSS JOIN total t",
    ),
];

/// What is nothing, whenever it is asked.
const NOTHING: [&str; 6] = [
    "SELECT balance FROM total",
    "SELECT missed + lost FROM checked",
    "SELECT difference FROM compared",
    "SELECT (SELECT sum(amount) FROM credits) - (SELECT sum(amount) FROM debits)",
    "SELECT (SELECT amount FROM credited) - (SELECT sum(amount) FROM debits) + (SELECT missed FROM checked)",
    "SELECT (SELECT sum(balance) FROM balance) + (SELECT sum(amount) FROM credits) - (SELECT amount FROM credited) \
     + (SELECT difference FROM compared)",
];

#[tokio::test]
async fn the_total_of_all_accounts_never_changes() {
    let mut server = Setup::default().crash_at("view-tick-published", LAST_TICK).start().await;
    server.sql("CREATE TABLE transfers (id bigint, source bigint, target bigint, amount bigint)").await;
    // Each account has something on both sides.
    let around = format!("SELECT -value AS id, value AS source, value % {ACCOUNTS} + 1 AS target, 100 AS amount");
    server.sql(&format!("INSERT INTO transfers {around} FROM generate_series(1, {ACCOUNTS})")).await;
    for (name, query) in VIEWS {
        server.sql(&format!("CREATE MATERIALIZED VIEW {name} WITH (commit_interval = '500ms') AS {query}")).await;
    }
    let reads = transfer_and_read(&server, Until::ItDies).await;
    assert!(reads > 0);
    let status = server.ended().await;
    assert!(is_abort(status), "the server ended with {status}, not by the crash point");

    server.restart_as(Setup::default()).await;
    let reads = transfer_and_read(&server, Until::of_setting()).await;
    assert!(reads > 0);
    server.sql("FLUSH").await;
    for (name, query) in VIEWS {
        assert_eq!(lines(&server, &format!("SELECT * FROM {name}")).await, lines(&server, query).await, "{name} is {query}");
    }
    assert_eq!(server.number("SELECT count(*) FROM lakewire.events WHERE event = 'view computed anew'").await, 0);
}

/// In a row. The server has waited ten seconds for each.
const REFUSALS_MAX: u32 = 18;

/// How long money moves.
#[derive(Clone, Copy)]
enum Until {
    ItDies,
    Transfers(i64),
    Time(Instant),
}

impl Until {
    fn of_setting() -> Until {
        match setting("LAKEWIRE_TRANSFERS_SECONDS") {
            Some(seconds) => Until::Time(Instant::now() + Duration::from_secs(seconds)),
            None => Until::Transfers(TRANSFERS),
        }
    }

    fn is_over(self, transfers: i64) -> bool {
        match self {
            Until::ItDies => false,
            Until::Transfers(limit) => transfers >= limit,
            Until::Time(end) => Instant::now() >= end,
        }
    }
}

/// Moves money while others look. Returns how many looks were answered.
async fn transfer_and_read(server: &Server, until: Until) -> u64 {
    let is_over = AtomicBool::new(false);
    let (_, first, second) = tokio::join!(transfer(server, until, &is_over), read(server, &is_over, 0), read(server, &is_over, 3));
    first + second
}

async fn transfer(server: &Server, until: Until, is_over: &AtomicBool) {
    let mut round = 0;
    while !until.is_over(round) {
        let (from, to) = (round % ACCOUNTS + 1, (round * 7 + 3) % ACCOUNTS + 1);
        let insert = format!("INSERT INTO transfers VALUES ({round}, {from}, {to}, {})", round % 9 + 1);
        // What was moved becomes more, and is taken back.
        let change = match round % 10 {
            4 => format!("UPDATE transfers SET amount = amount + 1 WHERE id = {}", round - 2),
            9 => format!("DELETE FROM transfers WHERE id = {}", round - 1),
            _ => insert,
        };
        match server.try_sql(&change).await {
            Ok(_) => round += 1,
            Err(error) => {
                assert!(error.as_db_error().is_none() && matches!(until, Until::ItDies), "{change}: {error:?}");
                break;
            }
        }
    }
    is_over.store(true, Ordering::SeqCst);
}

/// Until it is over, and each query was answered at least once, or the server is gone.
async fn read(server: &Server, is_over: &AtomicBool, first: usize) -> u64 {
    let (mut reads, mut refusals) = (0, 0);
    let mut answered = HashSet::new();
    for turn in first.. {
        if is_over.load(Ordering::SeqCst) && answered.len() == NOTHING.len() {
            break;
        }
        let query = NOTHING[turn % NOTHING.len()];
        match server.try_sql(query).await {
            Ok(rows) => {
                assert_eq!(rows.value(), Some("0"), "after {reads} reads: {query}");
                answered.insert(query);
                (reads, refusals) = (reads + 1, 0);
            }
            // A machine may be so slow that they do not come to agree in time. They are told to try again, and no number.
            Err(error) if error.code() == Some(&SqlState::T_R_SERIALIZATION_FAILURE) => {
                refusals += 1;
                assert!(refusals < REFUSALS_MAX, "they do not come to agree: {error:?}");
            }
            Err(error) => {
                assert!(error.as_db_error().is_none(), "{query}: {error:?}");
                return reads;
            }
        }
    }
    reads
}
