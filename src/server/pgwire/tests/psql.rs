//! The real psql against the server.

use std::process::{Output, Stdio};

use tokio::process::Command;

use super::Server;

/// What psql prints for the commands, run one after another on one connection. `None` where there is no psql.
async fn psql(server: &Server, commands: &[&str]) -> Option<String> {
    let mut command = Command::new("psql");
    command.args(["-X", "-h", "127.0.0.1", "-U", "lakewire", "-d", "lakewire", "-v", "ON_ERROR_STOP=1", "-p"]);
    command.arg(server.address.port().to_string());
    for text in commands {
        command.args(["-c", text]);
    }
    let Output { status, stdout, stderr } = match command.stdin(Stdio::null()).output().await {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIPPED: psql cannot be run: {error}");
            return None;
        }
    };
    let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(status.success() && stderr.is_empty(), "{commands:?}: {status}\n{stdout}\n{stderr}");
    Some(stdout)
}

const TABLES: &str = "CREATE TABLE events (id bigint NOT NULL, name text, price numeric(10,2), at timestamp, tags text[]);
                      CREATE TABLE other AS SELECT 1 AS one";

#[tokio::test]
async fn starts_and_selects() {
    let server = Server::start().await;
    let Some(out) = psql(&server, &["SELECT 1 AS one, NULL AS none, 'x' AS text", "SELECT 2 AS two; SELECT 3 AS three"]).await else {
        return;
    };
    assert_eq!(
        out,
        " one | none | text \n-----+------+------\n   1 |      | x\n(1 row)\n\n two \n-----\n   2\n(1 row)\n\n three \n-------\n     3\n(1 row)\n\n"
    );
}

#[tokio::test]
async fn lists_relations() {
    let server = Server::start().await;
    let Some(out) = psql(&server, &[TABLES, "\\dt", "\\d"]).await else { return };
    let tables = "         List of relations\n Schema |  Name  | Type  |  Owner   \n--------+--------+-------+----------\n public | events | table | lakewire\n public | other  | table | lakewire\n(2 rows)\n";
    assert_eq!(out.matches(tables).count(), 2, "{out}");
}

#[tokio::test]
async fn describes_a_table() {
    let server = Server::start().await;
    let Some(out) = psql(&server, &[TABLES, "\\d events", "\\d+ events", "\\d ev*"]).await else { return };
    assert!(out.contains("Table \"public.events\""), "{out}");
    for line in [
        " id     | bigint                      |           | not null | ",
        " name   | text                        |           |          | ",
        " price  | numeric(10,2)               |           |          | ",
        " at     | timestamp without time zone |           |          | ",
        " tags   | text[]                      |           |          | ",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
}

#[tokio::test]
async fn lists_databases_schemas_and_functions() {
    let server = Server::start().await;
    let Some(out) = psql(&server, &["\\l", "\\dn", "\\df nothing", "\\du", "\\conninfo"]).await else { return };
    assert!(out.contains(" lakewire | lakewire | UTF8 "), "{out}");
    assert!(out.contains(" public   | lakewire\n"), "{out}");
    assert!(out.contains("You are connected to database \"lakewire\" as user \"lakewire\""), "{out}");
}

#[tokio::test]
async fn describes_a_materialized_view() {
    let server = Server::start().await;
    let view = "CREATE MATERIALIZED VIEW totals AS SELECT name, sum(price) AS total FROM events GROUP BY name";
    let Some(out) = psql(&server, &[TABLES, view, "\\dm", "\\d totals", "\\d+ totals"]).await else { return };
    assert!(out.contains(" public | totals | materialized view | lakewire\n"), "{out}");
    assert_eq!(out.matches("Materialized view \"public.totals\"").count(), 2, "{out}");
    assert!(out.contains(" total  | numeric(20,2) |           |          | "), "{out}");
}
