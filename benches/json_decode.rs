//! JSON records to Arrow columns beside arrow-json, which is given the final schema: `cargo bench --bench json_decode`.
//!
//! Ours begins each round knowing nothing and is used as a source uses it: it finds its columns, one of them of two types in `network`. What
//! arrow-json cannot read it is spared: broken records are in neither input; objects, and fields of two types, are not in its schema.

mod peers;

use std::hint::black_box;
use std::time::{Duration, Instant};

use lakewire::formats::json::JsonDecoder;
use lakewire::formats::{Records, RecordsBuilder};
use lakewire::model::{Position, SchemaMode, SourceColumn};
use lakewire::sources::generator::record::{Content, Record};
use lakewire::sources::generator::{Dataset, Recipe, Stream, recipe::SEED_DEFAULT};

const BATCH_RECORDS: usize = 4096;
/// All drift of `network` is in the first 30,000 records.
const BATCHES: u64 = 16;
const ROUNDS: usize = 5;

fn main() {
    let measured = std::env::args().any(|arg| arg == "--bench") && std::env::args().all(|arg| arg != "--test");
    let (batches, rounds) = if measured { (BATCHES, ROUNDS) } else { (2, 1) };
    println!("{:10}{:>12}{:>12}{:>12}{:>12}{:>8}", "", "ours MB/s", "events/s", "arrow MB/s", "events/s", "ratio");
    compare("flat", batches, rounds, flat_event);
    let network = Recipe { dataset: Dataset::Network(Stream::Events), seed: SEED_DEFAULT };
    compare("network", batches, rounds, |number, record| {
        if let Content::Broken(_) = network.make(number, record) {
            record.payload.clear();
        }
    });
}

/// An empty payload of `make` is passed over.
fn compare(name: &str, batches: u64, rounds: usize, make: impl Fn(u64, &mut Record)) {
    let mut numbers = 0..;
    let records: Vec<Records> = (0..batches).map(|_| batch(&mut numbers, &make)).collect();
    let lines: Vec<Vec<u8>> = records.iter().map(ndjson).collect();
    let schema = peers::arrow_json_schema(&ours(&records));
    let mut best = [Duration::MAX; 2];
    for _ in 0..rounds {
        best[0] = best[0].min(time(|| ours(&records)));
        best[1] = best[1].min(time(|| {
            peers::arrow_json(lines.iter().map(Vec::as_slice), BATCH_RECORDS, &schema, |rows| assert_eq!(rows, BATCH_RECORDS))
        }));
    }
    let bytes: usize = records.iter().map(Records::bytes).sum();
    let [ours, peer] = best.map(|took| took.as_secs_f64());
    let (megabytes, events) = (bytes as f64 / 1e6, (records.len() * BATCH_RECORDS) as f64);
    let speeds = [megabytes / ours, events / ours, megabytes / peer, events / peer].map(|speed| format!("{speed:>12.0}")).concat();
    println!("{name:10}{speeds}{:>8.2}", peer / ours);
}

fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    black_box(work());
    began.elapsed()
}

/// Returns the columns it found.
fn ours(batches: &[Records]) -> Vec<SourceColumn> {
    let mut decoder = JsonDecoder::new(&[], SchemaMode::Evolve, false);
    let mut columns = Vec::new();
    for records in batches {
        decoder.set_columns(&columns);
        let decoded = black_box(decoder.decode(records).expect("the columns fit into arrays"));
        assert_eq!(decoded.rejects, [], "no record is broken");
        columns.extend(decoded.found);
    }
    columns
}

fn batch(numbers: &mut impl Iterator<Item = u64>, make: impl Fn(u64, &mut Record)) -> Records {
    let (mut builder, mut record) = (RecordsBuilder::default(), Record::default());
    while builder.len() < BATCH_RECORDS {
        make(numbers.next().expect("numbers do not end"), &mut record);
        if !record.payload.is_empty() {
            builder.push(&record.payload, &Position::new(""), 0, None);
        }
    }
    builder.finish()
}

fn ndjson(records: &Records) -> Vec<u8> {
    records.payload.iter().flatten().flat_map(|payload| payload.iter().chain(b"\n")).copied().collect()
}

/// Twelve fields in about 285 bytes, always the same ones in the same order.
fn flat_event(number: u64, record: &mut Record) {
    let bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number << 7;
    let [a, b, c, d, e, f, g, h] = bits.to_le_bytes();
    let (second, minute, device, load) = (number % 60, number / 60 % 60, bits % 100_000, bits % 1_000_000);
    record.payload = format!(
        r#"{{"event_id":"{bits:016x}-{number:08x}","event_time":"2026-03-01T12:{minute:02}:{second:02}.{load:06}Z","event_type":"connect","tenant_id":{a},"device_id":"dev-{device:06}","src_ip":"10.{b}.{c}.{d}","dst_ip":"198.{e}.{f}.{g}","bytes_in":{load},"bytes_out":{},"duration_ms":{h}.{a:03},"allowed":{},"country":"{}"}}"#,
        bits % 10_000_000,
        h != 0,
        ["DE", "US", "FR", "GB"][h as usize % 4],
    )
    .into_bytes();
}
