//! `lakewire generate`: the lines and the summary agree, and the seed determines both.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::servers::{Part, Summary, generate, lakewire_command, summary};

const PART: Part = Part { seed: 7, skip: 0, rows: 10_000 };

#[test]
fn the_summary_counts_what_the_lines_hold() {
    let lines = generate(PART);
    let lines: Vec<&[u8]> = lines.strip_suffix(b"\n").unwrap().split(|byte| *byte == b'\n').collect();
    let events = lines.iter().filter_map(|line| serde_json::from_slice::<serde_json::Map<String, Value>>(line).ok());
    let events: Vec<_> = events.collect();
    let ids: BTreeSet<_> = events.iter().map(|event| event["event_id"].as_str().unwrap()).collect();
    let mut counted = Summary {
        records: lines.len() as i64,
        valid: ids.len() as i64,
        broken: (lines.len() - events.len()) as i64,
        bytes_in_sum: events.iter().filter_map(|event| event.get("bytes_in")?.as_i64()).sum(),
        types: Default::default(),
    };
    for event in &events {
        *counted.types.entry(event["event_type"].as_str().unwrap().to_string()).or_default() += 1;
    }
    assert_eq!(summary(PART), counted);
    assert_eq!(counted.records, 10_000);
    assert!(counted.broken > 0 && counted.types.len() >= 5);
}

#[test]
fn parts_make_up_the_whole() {
    let parts = [generate(Part { rows: 3_000, ..PART }), generate(Part { skip: 3_000, rows: 7_000, ..PART })];
    assert!(parts.concat() == generate(PART), "the parts are not the whole");
    assert!(generate(Part { seed: 8, ..PART }) != generate(PART), "another seed, the same events");
}

#[test]
fn events_share_records_only_where_nothing_is_lost() {
    let alone = refusal(["--per-record", "5"]);
    assert!(alone.contains("--kinesis-stream"), "{alone}");
    let none = refusal(["--per-record", "0", "--kinesis-stream", "s"]);
    assert!(none.contains("--per-record"), "{none}");
    let keyed = refusal(["--stream", "management", "--per-record", "5", "--kinesis-stream", "s"]);
    assert!(keyed.contains("would lose the keys"), "{keyed}");
}

/// What `lakewire generate` says when it is asked for this and does nothing.
fn refusal<const N: usize>(arguments: [&str; N]) -> String {
    let output = lakewire_command().arg("generate").args(["--rows", "1"]).args(arguments).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{arguments:?} was not refused");
    String::from_utf8_lossy(&output.stderr).into_owned()
}
