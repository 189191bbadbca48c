//! Data drift through the whole server: records of every odd kind go into a real Kinesis stream, before the source is made and after. Each
//! is in the table once, as docs/sql/create_source.md says, or among the rejects once, with its bytes. A server that was killed on the way
//! and one that got all records at once have the same columns and rows.

mod cases;

use cases::{Case, Row, STAGES, row};

use super::story::lines;
use crate::servers::{DEADLINE, KinesisLocal, Rows, Server, Setup, wait_until};

/// All records go to one shard, for the order of columns is that of arrival.
const KEY: &str = "k";
/// Columns that a source may have.
const COLUMNS_MAX: usize = 2_000;
/// How much of a row a failure shows.
const SHOWN_CHARACTERS_MAX: usize = 400;

/// Of the source and of the table, in the order in which the records of `cases` need them.
#[rustfmt::skip]
const COLUMNS: &[&str] = &[
    "id bigint", "n bigint", "d double precision", "t text", "at timestamp with time zone", "j json", "ok boolean", "turns bigint",
    "n__text text", "big text", "d__text text", "d__bigint bigint", "_rest json", "twice bigint", "mixed bigint",
    "a\"b bigint", "a b bigint", "a.b bigint", "a,b bigint", "select bigint",
    "turns__text text", "turns__json json", "turns__boolean boolean", "turns__double double precision",
    "at__text text", "at__bigint bigint",
];

/// Some of them: their notes, and their shares of all values of their field.
const READINGS: &[(&str, &str, &str)] = &[
    ("id", "found in the data", "1"),
    ("turns", "found in the data", "0.25"),
    ("turns__text", "another reading of \"turns\"", "0.25"),
    ("turns__json", "another reading of \"turns\"", "0.25"),
    ("turns__boolean", "another reading of \"turns\"", "0.125"),
    ("turns__double", "another reading of \"turns\"", "0.125"),
    ("at", "found in the data", "0.4167"),
    ("at__text", "another reading of \"at\"", "0.5"),
    ("at__bigint", "another reading of \"at\"", "0.0833"),
];

const KINDS_OF_REJECTS: &[&str] = &[
    "rejected: empty 3",
    "rejected: malformed JSON 3",
    "rejected: gzip that cannot be unpacked 1",
    "rejected: invalid UTF-8 1",
    "rejected: nested too deep 1",
    "rejected: not a JSON object 1",
];

#[tokio::test]
async fn every_kind_has_its_outcome_however_it_comes() {
    let (mut server, kinesis) = tokio::join!(Server::start(), KinesisLocal::start("drift:1"));
    let mut other = Setup::default().start_beside(&server).await;
    // The stream is empty: this one finds all columns in its reader's batches.
    other.sql(&source("drift", "drift", &kinesis)).await;
    let put = async |stage: usize| kinesis.put("drift", KEY, STAGES[stage].iter().map(Case::payload)).await;

    put(0).await;
    server.sql(&source("drift", "drift", &kinesis)).await;
    server.sql(&pipeline("events", "drift")).await;
    assert_exact(&mut server, &STAGES[..1]).await;
    put(1).await;
    assert_exact(&mut server, &STAGES[..2]).await;
    let before = server.sql("DESCRIBE SOURCE drift").await;
    put(2).await;
    server.restart().await;
    assert_exact(&mut server, &STAGES[..3]).await;
    put(3).await;
    assert_exact(&mut server, STAGES).await;
    let after = server.sql("DESCRIBE SOURCE drift").await;
    assert_eq!(told(&after, "big", "first_seen"), told(&before, "big", "first_seen"), "told before and after the restart");
    assert!(told(&after, "at__bigint", "first_seen") > told(&after, "big", "first_seen"), "in the order of the stages");

    other.sql(&pipeline("events", "drift")).await;
    assert_exact(&mut other, STAGES).await;
    assert_described(&other.sql("DESCRIBE SOURCE drift").await);
    for server in [&server, &other] {
        assert_eq!(columns(server, "drift").await, COLUMNS, "of the source");
        assert_eq!(columns(server, "events").await, COLUMNS, "of the table");
    }
    assert_eq!(columns_of_a_look(&other, &kinesis).await, columns_if_seen_at_once());
}

/// The columns of a source that is made when all is in the stream. A look has only so much time: one that saw less is repeated.
async fn columns_of_a_look(server: &Server, kinesis: &KinesisLocal) -> Vec<String> {
    wait_until("a look at the source sees the last column", DEADLINE, async || {
        server.sql("DROP SOURCE IF EXISTS looked_at").await;
        server.sql(&source("looked_at", "drift", kinesis)).await;
        let columns = columns(server, "looked_at").await;
        columns.iter().any(|column| Some(&column.as_str()) == COLUMNS.last()).then_some(columns)
    })
    .await
}

/// The one difference: a field that has whole and fractional numbers has one column for both.
fn columns_if_seen_at_once() -> Vec<&'static str> {
    let settled = COLUMNS.iter().filter(|column| !column.starts_with("turns__double"));
    settled.map(|column| if *column == "turns bigint" { "turns double precision" } else { *column }).collect()
}

#[tokio::test]
async fn beyond_the_limit_of_columns_it_is_rest() {
    let (mut server, kinesis) = tokio::join!(Server::start(), KinesisLocal::start("growing:1,wide:1"));
    a_new_field_in_every_record(&mut server, &kinesis).await;
    many_fields_in_one_record(&mut server, &kinesis).await;
}

async fn a_new_field_in_every_record(server: &mut Server, kinesis: &KinesisLocal) {
    let records = COLUMNS_MAX + 100;
    // One column is `id`, and one `_rest`.
    let named = COLUMNS_MAX - 2;
    let record = |n: usize| format!(r#"{{"id":{n},"k{n}":"v"}}"#);
    kinesis.put("growing", KEY, (0..records / 3).map(record)).await;
    server.sql(&source("growing", "growing", kinesis)).await;
    server.sql(&pipeline("grown", "growing")).await;
    kinesis.put("growing", KEY, (records / 3..records).map(record)).await;
    all_in(server, "grown", records, 0).await;

    let counts = server.sql("SELECT count(*), count(DISTINCT id) FROM grown").await;
    assert_eq!(counts.rows, [vec![Some(records.to_string()); 2]]);
    // All cells of some rows, and how many values each column has.
    let looked_at = |n: &usize| n.is_multiple_of(100) || (named - 3..named + 3).contains(n);
    let sent: Vec<Row> = (0..records).filter(looked_at).map(|n| grown_row(n, named)).collect();
    let query = format!("SELECT * FROM grown WHERE id % 100 = 0 OR id BETWEEN {} AND {} ORDER BY id", named - 3, named + 2);
    assert_rows(&sent, &rows(&server.sql(&query).await));
    let found = (0..named).map(|n| format!("k{n} 1"));
    let all = [format!("id {records}")].into_iter().chain(found).chain([format!("_rest {}", records - named), format!("- {records}")]);
    let described = server.sql("DESCRIBE SOURCE growing").await;
    let counted = described.column("column").into_iter().zip(described.column("records"));
    let counted = counted.map(|(column, records)| format!("{} {}", column.unwrap_or("-"), records.unwrap_or("-")));
    assert!(counted.eq(all), "not one value in each column: {:?}", &described.rows[..3]);
}

fn grown_row(n: usize, named: usize) -> Row {
    match n < named {
        true => row(n, &[(&format!("k{n}"), "v")]),
        false => row(n, &[("_rest", &format!(r#"{{"k{n}":"v"}}"#))]),
    }
}

async fn many_fields_in_one_record(server: &mut Server, kinesis: &KinesisLocal) {
    server.sql(&source("wide", "wide", kinesis)).await;
    server.sql(&pipeline("widened", "wide")).await;
    let fields: Vec<String> = (1..2_000).map(|n| format!(r#""f{n}":{n}"#)).collect();
    let wide = format!(r#"{{"id":2,{}}}"#, fields.join(","));
    kinesis.put("wide", KEY, [r#"{"id":1,"word":"x"}"#, wide.as_str(), r#"{"id":3,"word":5,"new":[1]}"#]).await;
    all_in(server, "widened", 3, 0).await;

    // `id`, `word`, `_rest` and so many of the fields.
    let named = COLUMNS_MAX - 3;
    let mut second = row(2, &[("_rest", r#"{"f1998":1998,"f1999":1999}"#)]);
    second.extend((1..=named).map(|n| (format!("f{n}"), n.to_string())));
    let sent = [row(1, &[("word", "x")]), second, row(3, &[("_rest", r#"{"word":5,"new":[1]}"#)])];
    assert_rows(&sent, &rows(&server.sql("SELECT * FROM widened ORDER BY id").await));
    assert_eq!(columns(server, "widened").await.len(), COLUMNS_MAX);
}

fn source(name: &str, stream: &str, kinesis: &KinesisLocal) -> String {
    let endpoint = kinesis.endpoint();
    format!("CREATE SOURCE {name} WITH (connector = 'kinesis', stream = '{stream}', region = 'eu-central-1', endpoint = '{endpoint}')")
}

/// The pipeline that keeps a source in a table has the table's name.
fn pipeline(table: &str, source: &str) -> String {
    format!("CREATE TABLE {table} (); CREATE PIPELINE {table} WITH (commit_interval = '1s') AS INSERT INTO {table} SELECT * FROM {source}")
}

/// What was sent in these stages has arrived, each record once.
async fn assert_exact(server: &mut Server, stages: &[&[Case]]) {
    let cases: Vec<&Case> = stages.iter().copied().flatten().collect();
    let sent: Vec<Row> = cases.iter().flat_map(|case| case.rows()).collect();
    let mut rejects: Vec<String> = cases.iter().filter_map(|case| case.reject()).map(|reject| format!("{reject:?}")).collect();
    rejects.sort();
    all_in(server, "events", sent.len(), rejects.len()).await;
    assert_rows(&sent, &rows(&server.sql("SELECT * FROM events ORDER BY id").await));
    assert_eq!(lines(server, "SELECT reason, bytes FROM lakewire.rejects WHERE pipeline = 'events'").await, rejects);
}

/// Waits until so much has come. What comes twice is there too then.
async fn all_in(server: &mut Server, table: &str, rows: usize, rejects: usize) {
    let rejected = format!("SELECT count(*) FROM lakewire.rejects WHERE pipeline = '{table}'");
    server.wait_for(&format!("(SELECT count(*) FROM {table}) >= {rows} AND ({rejected}) >= {rejects}")).await;
    server.sql("FLUSH").await;
}

/// Of the columns, exactly what the rows have; of the rejects, their kinds.
fn assert_described(described: &Rows) {
    let cases: Vec<&Case> = STAGES.iter().copied().flatten().collect();
    let rows: Vec<Row> = cases.iter().flat_map(|case| case.rows()).collect();
    let all = rows.len() + cases.iter().filter(|case| case.reject().is_some()).count();
    for column in described.column("column").into_iter().flatten() {
        let records = rows.iter().filter(|row| row.contains_key(column)).count();
        assert_eq!(told(described, column, "records"), records.to_string(), "records with {column}");
        assert_eq!(told(described, column, "share"), share(records, all), "share of {column}");
    }
    for (column, note, share_of_field) in READINGS {
        assert_eq!([told(described, column, "note"), told(described, column, "share_of_field")], [*note, *share_of_field], "{column}");
    }
    let each = described.column("column").into_iter().zip(described.column("note")).zip(described.column("records"));
    let others = each.filter(|((column, _), _)| column.is_none());
    let others: Vec<String> = others.map(|((_, note), records)| format!("{} {}", note.unwrap_or("-"), records.unwrap_or("-"))).collect();
    let (last, kinds) = others.split_last().expect("a line for all records");
    assert_eq!(kinds, KINDS_OF_REJECTS);
    assert_eq!(*last, format!("all records {all}"));
}

/// To four places.
fn share(records: usize, all: usize) -> String {
    ((records as f64 / all as f64 * 1e4).round() / 1e4).to_string()
}

/// What DESCRIBE SOURCE says of a column under one of its headings.
fn told<'r>(described: &'r Rows, column: &str, heading: &str) -> &'r str {
    let line = described.column("column").iter().position(|name| *name == Some(column)).expect("the column is described");
    described.column(heading)[line].expect("a found column has all headings")
}

async fn columns(server: &Server, relation: &str) -> Vec<String> {
    let described = server.sql(&format!("DESCRIBE {relation}")).await;
    let columns = described.column("column").into_iter().zip(described.column("type"));
    columns.map(|(name, data_type)| format!("{} {}", name.unwrap_or("-"), data_type.unwrap_or("-"))).collect()
}

fn rows(answer: &Rows) -> Vec<Row> {
    let row = |cells: &Vec<Option<String>>| {
        let cells = answer.columns.iter().zip(cells);
        cells.filter_map(|(column, cell)| Some((column.clone(), cell.clone()?))).collect::<Row>()
    };
    answer.rows.iter().map(row).collect()
}

fn assert_rows(sent: &[Row], found: &[Row]) {
    let shown = |row: &Row| format!("{row:?}").chars().take(SHOWN_CHARACTERS_MAX).collect::<String>();
    for (sent, found) in sent.iter().zip(found) {
        assert!(sent == found, "sent {}\nfound {}", shown(sent), shown(found));
    }
    assert_eq!(found.len(), sent.len(), "rows");
}
