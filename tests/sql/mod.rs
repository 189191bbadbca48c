//! SQL scripts, one per statement under the statement's name, each run over a real socket against a fresh server.
//!
//! The format is sqllogictest's. NULL is written `NULL`, an empty text `(empty)`; an error is matched by a regular expression over
//! `SQLSTATE: message`, `DETAIL: …` and `HINT: …`, or by the SQLSTATE alone in parentheses.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, Runner};
use tokio_postgres::Client;

use crate::servers::{Refusal, Rows, Server};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sql");

macro_rules! scripts {
    ($($name:ident),* $(,)?) => {
        const SCRIPTS: &[&str] = &[$(stringify!($name)),*];

        $(
            #[tokio::test]
            async fn $name() {
                run(stringify!($name)).await;
            }
        )*
    };
}

scripts! {
    alter_materialized_view,
    alter_pipeline,
    alter_table,
    create_index,
    create_materialized_view,
    create_pipeline,
    create_secret,
    create_source,
    create_table,
    cursor,
    delete,
    describe,
    describe_source,
    drop,
    errors,
    explain,
    flush,
    insert,
    merge,
    query,
    set,
    show,
    subscribe,
    system_tables,
    transaction,
    truncate,
    types,
    update,
    windows,
}

#[test]
fn every_script_is_run() {
    let files = std::fs::read_dir(FOLDER).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let scripts: BTreeSet<_> = files.filter_map(|name| name.strip_suffix(".slt").map(str::to_string)).collect();
    assert_eq!(scripts, SCRIPTS.iter().map(|name| name.to_string()).collect());
}

#[test]
fn every_script_can_be_parsed() {
    for name in SCRIPTS {
        sqllogictest::parse_file::<DefaultColumnType>(format!("{FOLDER}/{name}.slt")).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

async fn run(name: &str) {
    let server = Arc::new(Server::start().await);
    let mut runner = Runner::new(|| {
        let server = server.clone();
        async move { Ok(Session { client: server.connect().await }) }
    });
    if let Err(error) = runner.run_file_async(format!("{FOLDER}/{name}.slt")).await {
        panic!("{}", error.display(false));
    }
}

/// One connection of a script.
struct Session {
    client: Client,
}

#[async_trait]
impl AsyncDB for Session {
    type Error = Failure;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Failure> {
        Ok(output(Rows::from_messages(self.client.simple_query(sql).await.map_err(Failure::from)?)))
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        "lakewire"
    }

    fn error_sql_state(failure: &Failure) -> Option<String> {
        match failure {
            Failure::Refused(refusal) => Some(refusal.sqlstate.clone()),
            Failure::Broken(_) => None,
        }
    }
}

fn output(answer: Rows) -> DBOutput<DefaultColumnType> {
    if !answer.is_result {
        return DBOutput::StatementComplete(answer.affected);
    }
    let types = vec![DefaultColumnType::Any; answer.columns.len()];
    let rows = answer.rows.into_iter().map(|row| row.into_iter().map(value).collect()).collect();
    DBOutput::Rows { types, rows }
}

fn value(value: Option<String>) -> String {
    match value {
        None => "NULL".to_string(),
        Some(text) if text.is_empty() => "(empty)".to_string(),
        Some(text) => text,
    }
}

#[derive(Debug)]
enum Failure {
    Refused(Refusal),
    Broken(tokio_postgres::Error),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Failure {
        match Refusal::from_error(&error) {
            Some(refusal) => Failure::Refused(refusal),
            None => Failure::Broken(error),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Refused(refusal) => refusal.fmt(f),
            Failure::Broken(error) => write!(f, "the connection broke: {error}"),
        }
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::Postgres;

    /// The runner itself, against the server that ours imitates.
    #[tokio::test]
    async fn rows_nulls_counts_and_errors_are_told() {
        let postgres = Postgres::start().await;
        let mut runner = Runner::new(|| {
            let url = postgres.url();
            async move {
                let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
                tokio::spawn(connection);
                Ok(Session { client })
            }
        });
        let script = "
statement ok
CREATE TABLE t (id bigint, name text)

statement count 2
INSERT INTO t VALUES (1, NULL), (2, '')

query IT
SELECT 'before'; SELECT id, name FROM t ORDER BY id
----
1 NULL
2 (empty)

query I
SELECT id FROM t WHERE false
----

statement error (42P01)
SELECT * FROM nothing

statement error ^42703: column \"b\" does not exist
SELECT b FROM t

statement error HINT: Perhaps
SELECT nam FROM t
";
        runner.run_script_async(script).await.unwrap_or_else(|error| panic!("{}", error.display(false)));
        let wrong = runner.run_script_async("query I\nSELECT 1\n----\n2\n").await;
        assert!(wrong.is_err());
    }
}
