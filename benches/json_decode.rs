//! Decoding events of 12 fields and about 270 bytes, against arrow-json's decoder in the same run: `cargo bench --bench json_decode`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use lakewire::formats::json::JsonDecoder;
use lakewire::formats::{Records, RecordsBuilder};
use lakewire::model::column::to_arrow_schema;
use lakewire::model::{Position, SchemaMode, SourceColumn, SqlType};

const BATCH_ROWS: u64 = 8192;
const BATCHES: usize = 8;
const PASSES: usize = 25;

/// Writes the n-th event.
type Event = fn(u64) -> String;

fn main() {
    let kinds: [(&str, Event); 4] = [
        ("columns found", plain_event),
        ("five event types", typed_event),
        ("blanks and nulls", loose_event),
        ("one drifting field", drifting_event),
    ];
    let plain = batches(plain_event);
    let mut runs = vec![Run::new("arrow-json, schema given", &plain, arrow_json(&plain))];
    runs.push(Run::new("ours, columns declared", &plain, ours(&plain, &declared(), SchemaMode::Fixed)));
    for (name, event) in kinds {
        let events = batches(event);
        runs.push(Run::new(&format!("ours, {name}"), &events, ours(&events, &[], SchemaMode::Evolve)));
    }
    // In turns, so that what else the machine does hits all alike.
    for batch in (0..BATCHES).cycle().take(BATCHES * PASSES) {
        runs.iter_mut().for_each(|run| run.decode(batch));
    }
    let peer = runs[0].megabytes_per_second;
    for Run { name, megabytes_per_second: ours, .. } in &runs {
        println!("{name:28} {ours:7.0} MB/s   {:5.2} x arrow-json", ours / peer);
    }
}

/// One decoder and what it decodes.
struct Run<'d> {
    name: String,
    bytes: Vec<usize>,
    decode: Box<dyn FnMut(usize) + 'd>,
    /// Of the fastest batch; the others were disturbed.
    megabytes_per_second: f64,
}

impl<'d> Run<'d> {
    fn new(name: &str, events: &[Vec<String>], decode: impl FnMut(usize) + 'd) -> Run<'d> {
        let bytes = events.iter().map(|events| events.iter().map(String::len).sum()).collect();
        Run { name: name.to_string(), bytes, decode: Box::new(decode), megabytes_per_second: 0.0 }
    }

    fn decode(&mut self, batch: usize) {
        let start = Instant::now();
        (self.decode)(batch);
        let speed = self.bytes[batch] as f64 / 1e6 / start.elapsed().as_secs_f64();
        self.megabytes_per_second = self.megabytes_per_second.max(speed);
    }
}

fn ours(events: &[Vec<String>], columns: &[SourceColumn], mode: SchemaMode) -> impl FnMut(usize) + use<> {
    let batches: Vec<Records> = events.iter().map(|events| records(events)).collect();
    let mut decoder = JsonDecoder::new(columns, mode, false);
    move |batch| {
        let decoded = decoder.decode(&batches[batch]).expect("the events are good");
        assert!(decoded.rejects.is_empty(), "{:?}", decoded.rejects.first());
        if !decoded.found.is_empty() {
            decoder.set_columns(&[decoder.columns(), &decoded.found].concat());
        }
        black_box(decoded.batch);
    }
}

fn arrow_json(events: &[Vec<String>]) -> impl FnMut(usize) + use<> {
    let batches: Vec<String> = events.iter().map(|events| events.join("\n")).collect();
    let mut decoder =
        ReaderBuilder::new(arrow_json_schema()).with_batch_size(BATCH_ROWS as usize).build_decoder().expect("the schema is good");
    move |batch| {
        let read = decoder.decode(batches[batch].as_bytes()).expect("the events are good");
        let flushed = decoder.flush().expect("the events are good").expect("there are events");
        assert_eq!((read, flushed.num_rows()), (batches[batch].len(), BATCH_ROWS as usize));
        black_box(flushed);
    }
}

/// Ours, but UTC as an offset: zones by name are a feature that may be off.
fn arrow_json_schema() -> SchemaRef {
    let ours = to_arrow_schema(&declared());
    let fields = ours.fields().iter().map(|field| match field.data_type() {
        DataType::Timestamp(unit, Some(_)) => Field::new(field.name(), DataType::Timestamp(*unit, Some("+00:00".into())), true),
        _ => field.as_ref().clone(),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn declared() -> Vec<SourceColumn> {
    use SqlType::{BigInt, Boolean, Double, Text, TimestampTz};
    [
        ("event_id", Text),
        ("event_time", TimestampTz),
        ("event_type", Text),
        ("tenant_id", BigInt),
        ("device_id", Text),
        ("src_ip", Text),
        ("dst_ip", Text),
        ("bytes_in", BigInt),
        ("bytes_out", BigInt),
        ("duration", Double),
        ("allowed", Boolean),
        ("country", Text),
    ]
    .map(|(name, data_type)| SourceColumn { declared: true, ..SourceColumn::found(name, data_type) })
    .to_vec()
}

fn records(events: &[String]) -> Records {
    let mut builder = RecordsBuilder::default();
    for event in events {
        builder.push(event.as_bytes(), &Position::new("0"), 0, None);
    }
    builder.finish()
}

fn batches(event: Event) -> Vec<Vec<String>> {
    (0..BATCHES as u64).map(|batch| (0..BATCH_ROWS).map(|row| event(batch * BATCH_ROWS + row)).collect()).collect()
}

/// Well mixed bits of `n` (S. Vigna, splitmix64).
fn mix(n: u64) -> u64 {
    let n = (n ^ n >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ n >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ n >> 31
}

fn begin(n: u64, kind: &str) -> String {
    let (id, time) = (mix(n), n / 50);
    format!(
        r#"{{"event_id":"{:08x}-{:04x}","event_time":"2026-03-{:02}T{:02}:{:02}:{:02}.{:06}Z","event_type":"{kind}","tenant_id":{}"#,
        id >> 32,
        id & 0xffff,
        1 + time / 86_400 % 28,
        time / 3600 % 24,
        time / 60 % 60,
        time % 60,
        id % 1_000_000,
        id % 5000,
    )
}

fn plain_event(n: u64) -> String {
    let more = mix(n ^ 1 << 40);
    let (ip, country) = (more.to_le_bytes(), ["DE", "US", "FR", "GB", "JP"][(more % 5) as usize]);
    format!(
        r#"{},"device_id":"dev-{:06}","src_ip":"10.{}.{}.{}","dst_ip":"{}.{}.{}.{}","bytes_in":{},"bytes_out":{},"duration":{}.{:03},"allowed":{},"country":"{country}"}}"#,
        begin(n, ["connect", "disconnect", "dns", "auth", "security"][(more >> 8) as usize % 5]),
        more % 100_000,
        ip[0],
        ip[1],
        ip[2],
        ip[3],
        ip[4],
        ip[5],
        ip[6],
        (more % 1_000_000) >> (more % 16),
        (more % 10_000_000) >> (more % 20),
        more % 3600,
        more % 1000,
        !more.is_multiple_of(7),
    )
}

/// Five types that alternate without order, each with fields of its own.
fn typed_event(n: u64) -> String {
    let more = mix(n ^ 1 << 41);
    let own = match more % 5 {
        0 => format!(r#""src_ip":"10.1.{}.7","src_port":{},"protocol":"tcp","session":"{more:016x}""#, more % 256, more % 65536),
        1 => format!(r#""session":"{more:016x}","bytes_in":{},"bytes_out":{},"reason":"closed by peer""#, more % 1_000_000, more % 999_999),
        2 => format!(
            r#""query":"host-{}.example.com","query_type":"A","answers":["10.0.0.{}"],"latency_ms":{}.5"#,
            more % 9999,
            more % 256,
            more % 90
        ),
        3 => format!(r#""user":"user{}@example.com","method":"saml","success":{}"#, more % 99_999, !more.is_multiple_of(9)),
        _ => format!(r#""severity":{},"rule":"rule-{}","message":"blocked a connection to a listed address""#, more % 10, more % 999),
    };
    let kind = ["connect", "disconnect", "dns", "auth", "security"][(more % 5) as usize];
    format!(r#"{},"device_id":"dev-{:06}",{own},"country":"DE","site":"ber-{}"}}"#, begin(n, kind), more % 100_000, more % 100)
}

/// As Python's `json.dumps` writes, with a null now and then and a field that is sometimes left out.
fn loose_event(n: u64) -> String {
    let mut event = plain_event(n).replace("\",\"", "\", \"").replace("\":", "\": ").replace(",\"", ", \"").replace(",  ", ", ");
    if n.is_multiple_of(3) {
        event = event.replace("\"country\": ", "\"region\": null, \"country\": ");
    }
    if n.is_multiple_of(7) {
        event = event.replace("\"allowed\": true, ", "");
    }
    event
}

/// `tenant_id` is a text in every second event.
fn drifting_event(n: u64) -> String {
    let event = plain_event(n);
    match n % 2 {
        0 => event,
        _ => event.replacen("\"tenant_id\":", "\"tenant_id\":\"t", 1).replacen(",\"device_id\"", "\",\"device_id\"", 1),
    }
}
