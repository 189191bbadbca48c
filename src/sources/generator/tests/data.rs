//! What the records of the dataset `network` are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::super::network::management::INVENTORY_RECORDS;
use super::super::record::{Breakage, Content, RECORD_BYTES_MAX, Record};
use super::super::{Stream, Summary};
use super::{made, recipe};

const MANY: u64 = 45_000;

fn object(payload: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(payload) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// The valid events with their numbers.
fn events(seed: u64, rows: u64) -> Vec<(u64, Map<String, Value>)> {
    let all = (0u64..).zip(made(recipe(Stream::Events, seed), 0..rows));
    all.filter_map(|(number, (_, payload))| Some((number, object(&payload)?))).collect()
}

/// FNV-1a over all payloads.
fn checksum(stream: Stream, rows: u64) -> u64 {
    let all = made(recipe(stream, 7), 0..rows);
    let bytes = all.iter().flat_map(|(_, payload)| payload);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// People write down what a seed sends. Who changes a dataset on purpose changes the numbers here.
#[test]
fn the_records_of_seed_7_never_change() {
    let first = made(recipe(Stream::Events, 7), 0..1);
    let expected = concat!(
        r#"{"event_id":"74b5abcc-66b8-4dc1-aeb6-a94d34aa8643","event_type":"connect","event_time":"2026-01-01T00:00:01.134Z","#,
        r#""tenant_id":88,"pop":"sin3","user_id":"usr-1741","device_id":"dev-3482","src_ip":"10.88.1.1","#,
        r#""protocol":"tcp","dst_ip":"198.51.100.211","dst_port":8443,"bytes_in":23,"bytes_out":3679}"#,
    );
    assert_eq!(String::from_utf8_lossy(&first[0].1), expected);
    assert_eq!(
        (checksum(Stream::Events, 35_000), checksum(Stream::Management, 10_000)),
        (14_492_262_280_305_982_453, 4_937_670_506_966_892_642)
    );
}

#[test]
fn a_seed_gives_its_own_records_and_always_the_same() {
    for stream in [Stream::Events, Stream::Management] {
        let seven = made(recipe(stream, 7), 0..10_000);
        assert_eq!(seven, made(recipe(stream, 7), 0..10_000));
        let eight = made(recipe(stream, 8), 0..10_000);
        let same = seven.iter().zip(&eight).filter(|(a, b)| a.1 == b.1).count();
        // Two broken ones can be the same, and so can two organisations or tombstones.
        assert!(same < 500, "{stream:?}: {same} of 10000 records are the same");
    }
}

#[test]
fn valid_records_are_objects_and_broken_ones_are_not() {
    for stream in [Stream::Events, Stream::Management] {
        for (number, (content, payload)) in (0u64..).zip(made(recipe(stream, 3), 0..MANY)) {
            let shown = String::from_utf8_lossy(&payload);
            assert_eq!(object(&payload).is_none(), matches!(content, Content::Broken(_)), "record {number} of {stream:?}: {shown}");
            assert!(!payload.is_empty() && payload.len() <= RECORD_BYTES_MAX && !payload.contains(&b'\n'), "record {number}: {shown}");
            if content == Content::Broken(Breakage::NotUtf8) {
                assert!(std::str::from_utf8(&payload).is_err());
            }
        }
    }
}

#[test]
fn event_ids_are_unique() {
    let events = events(7, MANY);
    let ids: BTreeSet<_> = events.iter().map(|(_, event)| event["event_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len());
    assert!(ids.iter().all(|id| uuid::Uuid::parse_str(id).is_ok()));
}

#[test]
fn the_summary_is_what_a_recount_finds() {
    let (skip, rows) = (1_000, 30_000);
    let summary = Summary::of(&recipe(Stream::Events, 11), skip, rows);
    let all = made(recipe(Stream::Events, 11), skip..skip + rows);
    let valid: Vec<_> = all.iter().filter_map(|(_, payload)| object(payload)).collect();
    let mut types = BTreeMap::<_, u64>::new();
    for event in &valid {
        *types.entry(event["event_type"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!((summary.records, summary.valid, summary.broken), (rows, valid.len() as u64, rows - valid.len() as u64));
    assert_eq!(summary.bytes, all.iter().map(|(_, payload)| payload.len() as u64).sum::<u64>());
    assert_eq!(summary.bytes_in_sum, valid.iter().filter_map(|event| event.get("bytes_in")?.as_u64()).sum::<u64>());
    assert_eq!(summary.types, types);
    assert_eq!(summary.breakages.values().sum::<u64>(), summary.broken);
    assert_eq!((summary.types.len(), summary.breakages.len()), (5, 4));
    let in_thousand = summary.broken as f64 * 1000.0 / rows as f64;
    assert!((4.0..6.0).contains(&in_thousand), "{in_thousand} in 1000 are broken");
    assert!((250..320).contains(&(summary.bytes / rows)), "{} bytes each", summary.bytes / rows);
}

#[test]
fn fields_drift_where_the_table_says() {
    let events = events(7, MANY);
    let numbers_where = |field: &str, wanted: fn(&Value) -> bool| -> Vec<u64> {
        events.iter().filter(|(_, event)| event.get(field).is_some_and(wanted)).map(|(number, _)| *number).collect()
    };
    for (field, from) in [("client_version", 2_000), ("tls", 8_000), ("risk_score", 20_000)] {
        let first = numbers_where(field, |_| true)[0];
        assert!((from..from + 200).contains(&first), "{field} appears with record {first}");
    }
    let text = numbers_where("policy_id", Value::is_string);
    let whole = numbers_where("policy_id", Value::is_u64);
    assert!((4_000..4_200).contains(&text[0]), "policy_id is text from record {}", text[0]);
    assert!((29_800..30_000).contains(whole.last().unwrap()), "policy_id is a number until record {}", whole.last().unwrap());
    assert!(!numbers_where("duration_ms", Value::is_f64).is_empty() && numbers_where("duration_ms", |value| !value.is_f64()).is_empty());
    assert!(!numbers_where("details", Value::is_object).is_empty() && numbers_where("details", |value| !value.is_object()).is_empty());
}

#[test]
fn a_hundred_thousand_events_span_three_days() {
    let recipe = recipe(Stream::Events, 7);
    let days: BTreeSet<_> = (0..100_000u64)
        .step_by(500)
        .flat_map(|number| made(recipe, number..number + 1))
        .filter_map(|(_, payload)| Some(object(&payload)?["event_time"].as_str()?[..10].to_string()))
        .collect();
    assert_eq!(days.into_iter().collect::<Vec<_>>(), ["2026-01-01", "2026-01-02", "2026-01-03"]);
}

#[test]
fn the_management_stream_knows_whom_the_events_name() {
    let known: BTreeSet<_> = made(recipe(Stream::Management, 5), 0..INVENTORY_RECORDS)
        .iter()
        .map(|(_, payload)| object(payload).expect("the inventory is valid")["id"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(known.len() as u64, INVENTORY_RECORDS);
    for (_, event) in events(7, 5_000) {
        assert!(known.contains(event["device_id"].as_str().unwrap()));
        assert!(event["user_id"].as_str().is_none_or(|user| known.contains(user)));
        assert!(known.contains(&format!("org-{}", event["tenant_id"])));
    }
}

#[test]
fn the_last_record_of_a_key_tells_whether_it_lives() {
    let (recipe, rows) = (recipe(Stream::Management, 5), 20_000);
    let mut record = Record::default();
    let mut last = BTreeMap::new();
    for number in 0..rows {
        recipe.make(number, &mut record);
        let Some(state) = object(&record.payload) else { continue };
        assert_eq!(state["id"].as_str().unwrap().as_bytes(), record.key);
        last.insert(record.key.clone(), state.contains_key("deleted"));
    }
    let summary = Summary::of(&recipe, 0, rows);
    assert_eq!(summary.live_keys, last.values().filter(|deleted| !**deleted).count() as u64);
    assert!(summary.tombstones > 0 && summary.live_keys < INVENTORY_RECORDS);
}

#[test]
fn numbers_have_no_end() {
    for stream in [Stream::Events, Stream::Management] {
        for (content, payload) in made(recipe(stream, 7), u64::MAX - 50..u64::MAX) {
            assert!(object(&payload).is_some() || matches!(content, Content::Broken(_)));
        }
    }
}
