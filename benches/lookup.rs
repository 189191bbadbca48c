//! Rows of a view by its key, beside PostgreSQL: `cargo bench --bench lookup -- --rows 1000000`.
//!
//! Both servers have the same rows, ours as a materialized view and PostgreSQL as a table with a primary key, and PostgreSQL's own `pgbench` asks
//! both for the row of a random key, with eight connections. The servers take turns; each is the best of some rounds. Then the same while events
//! arrive for another view: how long an answer takes then.

#[allow(dead_code, unused_imports)]
#[path = "../tests/servers/mod.rs"]
mod servers;

use std::path::Path;
use std::time::Duration;

use servers::{Postgres, Server};
use tokio::process::Command;

const CLIENTS: &str = "8";
const THREADS: &str = "2";
/// Rows that are inserted by one statement.
const ROWS_AT_ONCE: u64 = 250_000;
const COLUMNS: &str = "account bigint, payments bigint, latest timestamp, name text";
const EVENTS_PER_SECOND: u64 = 100_000;

/// How a statement reaches a server.
#[derive(Clone, Copy)]
struct Mode {
    name: &'static str,
    /// Times PostgreSQL's transactions per second.
    target: f64,
}

const MODES: [Mode; 2] = [Mode { name: "prepared", target: 1.2 }, Mode { name: "simple", target: 2.0 }];

/// A server to be asked.
struct Asked<'a> {
    host: String,
    port: String,
    database: &'a str,
}

struct Answered {
    per_second: f64,
    /// Of each transaction, in ascending order.
    micros: Vec<u64>,
}

#[tokio::main]
async fn main() {
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let rows = number_after("--rows").unwrap_or(if is_measured { 1_000_000 } else { 2_000 });
    let seconds = number_after("--seconds").unwrap_or(if is_measured { 10 } else { 1 });
    let rounds = if is_measured { 3 } else { 1 };

    let lakewire = filled_lakewire(rows).await;
    let postgres = filled_postgres(rows).await;
    let (host, port) = lakewire.pg();
    let ours = Asked { host: host.to_string(), port: port.to_string(), database: "lakewire" };
    let address = postgres.address();
    let (host, port) = address.split_once(':').expect("an address has a port");
    let theirs = Asked { host: host.to_string(), port: port.to_string(), database: "postgres" };

    println!("a view of {rows} rows, {CLIENTS} clients of pgbench with {THREADS} threads, {seconds} s");
    println!("{:12}{:>16}{:>16}{:>8}", "", "lakewire", "PostgreSQL", "ratio");
    for mode in MODES {
        let (mut best, mut peer) = (0_f64, 0_f64);
        for _ in 0..rounds {
            best = best.max(ours.ask(mode, rows, seconds).await.per_second);
            peer = peer.max(theirs.ask(mode, rows, seconds).await.per_second);
        }
        println!("{:12}{best:>12.0} tps{peer:>12.0} tps{:>8.2} (target {})", mode.name, best / peer, mode.target);
    }
    while_events_arrive(&lakewire, &ours, rows, seconds).await;
}

async fn while_events_arrive(lakewire: &Server, ours: &Asked<'_>, rows: u64, seconds: u64) {
    lakewire
        .sql(&format!(
            "CREATE SOURCE arriving WITH (connector = 'generator', rate = {EVENTS_PER_SECOND}, partitions = 4);
             CREATE MATERIALIZED VIEW by_tenant AS SELECT tenant_id, count(*) AS n, sum(bytes_in) AS bytes FROM arriving GROUP BY tenant_id"
        ))
        .await;
    let counted = "SELECT sum(n)::bigint FROM by_tenant";
    let (before, began) = (lakewire.number(counted).await, std::time::Instant::now());
    let answered = ours.ask(MODES[0], rows, seconds).await;
    let arrived = (lakewire.number(counted).await - before) as f64 / began.elapsed().as_secs_f64();
    let at = |share: f64| answered.micros[((answered.micros.len() - 1) as f64 * share) as usize] as f64 / 1000.0;
    println!(
        "while {arrived:.0} events/s arrive ({EVENTS_PER_SECOND} wanted): {:.0} tps, median {:.2} ms, p99 {:.2} ms (target 5), longest {:.1} ms",
        answered.per_second,
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

async fn filled_lakewire(rows: u64) -> Server {
    let server = Server::start().await;
    server.sql(&format!("CREATE TABLE payments ({COLUMNS})")).await;
    for first in (1..=rows).step_by(ROWS_AT_ONCE as usize) {
        server.sql(&format!("INSERT INTO payments {}", rows_between(first, rows.min(first + ROWS_AT_ONCE - 1)))).await;
    }
    let query = "SELECT account, count(*) AS payments, max(latest) AS latest, max(name) AS name FROM payments GROUP BY account";
    server.sql(&format!("CREATE MATERIALIZED VIEW accounts AS {query}; FLUSH")).await;
    assert_eq!(server.number("SELECT count(*) FROM accounts").await as u64, rows);
    server
}

async fn filled_postgres(rows: u64) -> Postgres {
    let postgres = Postgres::start().await;
    let (client, connection) = tokio_postgres::connect(&postgres.url(), tokio_postgres::NoTls).await.expect("it was just started");
    tokio::spawn(connection);
    let fill = format!(
        "CREATE TABLE accounts ({COLUMNS}, PRIMARY KEY (account));
         INSERT INTO accounts {};",
        rows_between(1, rows)
    );
    client.batch_execute(&fill).await.expect("the table is filled");
    client.batch_execute("VACUUM ANALYZE accounts").await.expect("the table is analyzed");
    postgres
}

fn rows_between(first: u64, last: u64) -> String {
    format!(
        "SELECT value, 1, to_timestamp(1767225600 + value % 86400), 'account ' || value
         FROM generate_series({first}, {last}) AS s (value)"
    )
}

impl Asked<'_> {
    async fn ask(&self, mode: Mode, rows: u64, seconds: u64) -> Answered {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let script = folder.path().join("lookup.sql");
        let text = format!("\\set account random(1, {rows})\nSELECT payments, latest, name FROM accounts WHERE account = :account;\n");
        std::fs::write(&script, text).expect("the script can be written");
        let mut pgbench = Command::new("pgbench");
        pgbench.args(["-n", "-M", mode.name, "-c", CLIENTS, "-j", THREADS, "-T", &seconds.to_string(), "-l", "--log-prefix"]);
        pgbench.arg(folder.path().join("times")).args([
            "--sampling-rate",
            "0.2",
            "-h",
            &self.host,
            "-p",
            &self.port,
            "-U",
            "lakewire",
            "-f",
        ]);
        pgbench.arg(&script).arg(self.database);
        let output = tokio::time::timeout(Duration::from_secs(seconds + 60), pgbench.output()).await.expect("it ends in time");
        let output = output.expect("pgbench is installed: it comes with PostgreSQL");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "pgbench failed: {text}{}", String::from_utf8_lossy(&output.stderr));
        let per_second = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
        Answered { per_second: per_second.unwrap_or_else(|| panic!("pgbench told no rate: {text}")), micros: micros_in(folder.path()) }
    }
}

/// The times that pgbench has written down: `client transaction time …`.
fn micros_in(folder: &Path) -> Vec<u64> {
    let files = std::fs::read_dir(folder).expect("it is there").map(|file| file.expect("it is there").path());
    let logs = files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("times")));
    let texts: Vec<String> = logs.map(|path| std::fs::read_to_string(path).expect("it can be read")).collect();
    let mut micros: Vec<u64> = texts.iter().flat_map(|text| text.lines()).filter_map(|line| line.split(' ').nth(2)?.parse().ok()).collect();
    micros.sort_unstable();
    micros
}

fn number_after(name: &str) -> Option<u64> {
    let arguments: Vec<String> = std::env::args().collect();
    let place = arguments.iter().position(|argument| argument == name)?;
    Some(arguments.get(place + 1).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{name} wants a number")))
}
