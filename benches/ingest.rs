//! From JSON records to a Delta table: `cargo bench --bench ingest -- --events 2000000`.
//!
//! A server, as a user starts it, reads events of the generator's dataset `network`, runs a pipeline over them and commits Snappy Parquet to a Delta
//! table on the local disk. Beside it stand arrow-json, which only decodes the same events, and DuckDB, which turns them from a file of lines into one
//! Snappy Parquet file. Making the events counts as ours, and what that alone takes is told; reading them from the file counts as DuckDB's. Both peers
//! are told the columns and are spared what they cannot read: broken records, and fields of two types.
//!
//! Processor time is what counts: it is nearly the same whatever else the machine does. Each is the best of some rounds, in turn. Memory is the most that was resident.

mod peers;
#[allow(dead_code, unused_imports)]
#[path = "../tests/servers/mod.rs"]
mod servers;

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use lakewire::formats::RecordsBuilder;
use lakewire::formats::json::JsonDecoder;
use lakewire::model::{Position, SchemaMode, SourceColumn};
use lakewire::sources::generator::record::{Content, Record};
use lakewire::sources::generator::{Dataset, Recipe, Stream, recipe::SEED_DEFAULT};
use serde::Deserialize;

const DUCKDB: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/duckdb_ingest.py");
const BATCH_RECORDS: usize = 4096;
/// All drift of `network` is in these.
const RECORDS_WITH_ALL_COLUMNS: u64 = 30_000;
const MEMORY_TARGET_BYTES: u64 = 1 << 30;

/// What a way to take the events in took.
#[derive(Deserialize, Clone, Copy)]
struct Taken {
    rows: u64,
    seconds: f64,
    processor_seconds: f64,
    /// Where it says something: most that was resident.
    memory_bytes: Option<u64>,
}

#[tokio::main]
async fn main() {
    let events = events_from_arguments();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let lines = folder.path().join("events.ndjson");
    write_lines(events, &lines);
    let columns = columns();

    println!("{events} events of about {} bytes", std::fs::metadata(&lines).expect("it was just written").len() / events);
    println!("{:28}{:>10}{:>12}{:>16}{:>10}", "", "rows", "rows/s", "rows/s and core", "memory");
    let [mut ours, mut making, mut decoding, mut one, mut two] = std::array::from_fn(|_| None);
    for _ in 0..rounds() {
        better(&mut ours, lakewire(events).await);
        better(&mut making, made(events));
        better(&mut decoding, arrow_json(&lines, &columns));
        better(&mut one, duckdb(&lines, &columns, 1, folder.path()).await);
        better(&mut two, duckdb(&lines, &columns, 2, folder.path()).await);
    }
    let [ours, making, decoding, one, two] = [ours, making, decoding, one, two].map(|taken| taken.expect("there is a round"));
    print("lakewire, 4 partitions", &ours);
    print("  of it, making the events", &making);
    print("arrow-json, decoding alone", &decoding);
    print("duckdb, 1 thread", &one);
    print("duckdb, 2 threads", &two);

    let per_core = |taken: &Taken| taken.rows as f64 / taken.processor_seconds;
    let taken_in = Taken { processor_seconds: ours.processor_seconds - making.processor_seconds, ..ours };
    let peer = per_core(&one).max(per_core(&two));
    println!("ratio to duckdb per core: {:.2} (target 1)", per_core(&taken_in) / peer);
    println!("ratio to duckdb per core, with making the events: {:.2}", per_core(&ours) / peer);
    println!("ratio to duckdb by the clock, 2 threads: {:.2} (target 1)", two.seconds / ours.seconds * ours.rows as f64 / two.rows as f64);
    println!("memory: {:.2} of 1 GiB", ours.memory_bytes.unwrap_or_default() as f64 / MEMORY_TARGET_BYTES as f64);
}

/// Few, unless this is a measurement: cargo's own test of a bench is a debug build.
fn events_from_arguments() -> u64 {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--events") {
        Some(place) => arguments[place + 1].parse().expect("--events wants a number"),
        None if arguments.iter().any(|argument| argument == "--bench") => 2_000_000,
        None => 40_000,
    }
}

/// One where only that it runs is tested.
fn rounds() -> usize {
    if std::env::args().any(|argument| argument == "--bench") { 3 } else { 1 }
}

/// The least time of all rounds, and the most memory.
fn better(best: &mut Option<Taken>, taken: Taken) {
    let known = best.get_or_insert(taken);
    known.seconds = known.seconds.min(taken.seconds);
    known.processor_seconds = known.processor_seconds.min(taken.processor_seconds);
    known.memory_bytes = known.memory_bytes.max(taken.memory_bytes);
}

fn print(name: &str, taken: &Taken) {
    let (by_clock, per_core) = (taken.rows as f64 / taken.seconds, taken.rows as f64 / taken.processor_seconds);
    let memory = taken.memory_bytes.map_or(String::new(), |bytes| format!("{:>7} MB", bytes / 1_000_000));
    println!("{name:28}{:>10}{by_clock:>12.0}{per_core:>16.0}{memory}", taken.rows);
}

async fn lakewire(events: u64) -> Taken {
    let server = servers::Server::start().await;
    let create = format!(
        "CREATE SOURCE events WITH (connector = 'generator', rows = {events}, partitions = 4);
         CREATE TABLE lake_events ();
         CREATE PIPELINE p AS INSERT INTO lake_events SELECT * FROM events"
    );
    let process = process_of(&server);
    let (began, processor) = (Instant::now(), processor_seconds(process));
    server.sql(&create).await;
    server.sql("FLUSH").await;
    let (seconds, processor_seconds) = (began.elapsed().as_secs_f64(), processor_seconds(process) - processor);
    let rows = server.number("SELECT count(*) FROM lake_events").await as u64;
    let read = server.number("SELECT records_in FROM lakewire.jobs").await as u64;
    assert_eq!(read, events, "everything was read");
    Taken { rows, seconds, processor_seconds, memory_bytes: Some(memory_bytes(process)) }
}

/// What the server's source does before anything is taken in.
fn made(events: u64) -> Taken {
    let (began, processor) = (Instant::now(), processor_seconds(std::process::id()));
    let mut rows = 0;
    for_each(events, |payload| rows += u64::from(!std::hint::black_box(payload).is_empty()));
    let seconds = began.elapsed().as_secs_f64();
    let processor_seconds = processor_seconds(std::process::id()) - processor;
    Taken { rows, seconds, processor_seconds, memory_bytes: None }
}

fn arrow_json(lines: &Path, columns: &[SourceColumn]) -> Taken {
    let text = std::fs::read(lines).expect("it was just written");
    let batches = batches(&text);
    let schema = peers::arrow_json_schema(columns);
    let (began, processor) = (Instant::now(), processor_seconds(std::process::id()));
    let mut rows = 0;
    peers::arrow_json(batches, BATCH_RECORDS, &schema, |decoded| rows += decoded as u64);
    Taken {
        rows,
        seconds: began.elapsed().as_secs_f64(),
        processor_seconds: processor_seconds(std::process::id()) - processor,
        memory_bytes: Some(memory_bytes(std::process::id())),
    }
}

async fn duckdb(lines: &Path, columns: &[SourceColumn], threads: u32, folder: &Path) -> Taken {
    let kinds: BTreeMap<&str, String> =
        peers::plain_columns(columns).map(|column| (column.name.as_str(), column.data_type.to_string())).collect();
    let question = serde_json::json!({
        "lines": lines, "columns": kinds, "threads": threads, "into": folder.join(format!("{threads}.parquet")),
    });
    let mut command = tokio::process::Command::new(servers::delta_readers::python().await);
    let output = command.arg(DUCKDB).arg(question.to_string()).stderr(Stdio::inherit()).output().await.expect("python can be started");
    assert!(output.status.success(), "DuckDB cannot do it");
    serde_json::from_slice(&output.stdout).expect("the script prints one JSON object")
}

/// What is not broken, one record on a line.
fn write_lines(events: u64, path: &Path) {
    let mut file = BufWriter::new(std::fs::File::create(path).expect("a file can be made"));
    for_each(events, |payload| {
        file.write_all(payload).and_then(|()| file.write_all(b"\n")).expect("the disk has room");
    });
    file.flush().expect("the disk has room");
}

fn for_each(events: u64, mut work: impl FnMut(&[u8])) {
    let recipe = Recipe { dataset: Dataset::Network(Stream::Events), seed: SEED_DEFAULT };
    let mut record = Record::default();
    for number in 0..events {
        if !matches!(recipe.make(number, &mut record), Content::Broken(_)) {
            work(&record.payload);
        }
    }
}

/// What our decoder finds.
fn columns() -> Vec<SourceColumn> {
    let mut builder = RecordsBuilder::default();
    for_each(RECORDS_WITH_ALL_COLUMNS, |payload| builder.push(payload, &Position::new(""), 0, None));
    let mut decoder = JsonDecoder::new(&[], SchemaMode::Evolve, false);
    decoder.set_columns(&[]);
    decoder.decode(&builder.finish()).expect("the columns fit into arrays").found
}

/// Lines in batches.
fn batches(text: &[u8]) -> Vec<&[u8]> {
    let mut ends: Vec<usize> = memchr::memchr_iter(b'\n', text).skip(BATCH_RECORDS - 1).step_by(BATCH_RECORDS).map(|end| end + 1).collect();
    if ends.last() != Some(&text.len()) {
        ends.push(text.len());
    }
    let starts = std::iter::once(0).chain(ends.iter().copied());
    starts.zip(&ends).map(|(start, end)| &text[start..*end]).collect()
}

/// As it tells itself, where it tells its addresses.
fn process_of(server: &servers::Server) -> u32 {
    #[derive(Deserialize)]
    struct Listen {
        pid: u32,
    }
    let listen = std::fs::read(server.data_dir().join("listen.json")).expect("the server is ready");
    serde_json::from_slice::<Listen>(&listen).expect("the server writes JSON").pid
}

/// User and system time of a process so far.
fn processor_seconds(process: u32) -> f64 {
    /// What the kernel counts in, for every program on Linux.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs, on Linux");
    let (_, fields) = stat.rsplit_once(')').expect("the name stands in brackets");
    let ticks: f64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().expect("a number")).sum();
    ticks / TICKS_PER_SECOND
}

fn memory_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process runs, on Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("the kernel tells the peak");
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("a number") * 1024
}
