//! Each record once.

use std::collections::BTreeMap;

use lakewire::sources::generator::record::{Content, Record};
use serde_json::Value;

use super::super::case::Story;
use super::super::server::Server;

/// How many ids a failure names.
const NAMED_MAX: usize = 5;

/// What was sent, sorted.
struct Sent {
    ids: Vec<String>,
    /// In hexadecimal digits.
    broken: Vec<String>,
}

pub async fn assert_exact(server: &Server, story: &Story) {
    let sent = Sent::of(story);
    let ids = server.sql("SELECT event_id FROM events").await.sorted_values();
    assert_same("records in the table", &sent.ids, &ids);
    for job in ["keep", "of_source"] {
        let rejects = format!("SELECT bytes FROM lakewire.rejects WHERE pipeline = '{job}'");
        let bytes = server.sql(&rejects).await.sorted_values();
        assert_same(&format!("rejects of {job}"), &sent.broken, &bytes);
    }
}

impl Sent {
    fn of(story: &Story) -> Sent {
        let (recipe, mut record) = (story.recipe(), Record::default());
        let mut sent = Sent { ids: vec![], broken: vec![] };
        for number in 0..story.records {
            match recipe.make(number, &mut record) {
                Content::Broken(_) => sent.broken.push(record.payload.iter().map(|byte| format!("{byte:02x}")).collect()),
                _ => sent.ids.push(id_of(&record.payload)),
            }
        }
        sent.ids.sort();
        sent.broken.sort();
        sent
    }
}

fn id_of(payload: &[u8]) -> String {
    let event: Value = serde_json::from_slice(payload).expect("a good record is JSON");
    event["event_id"].as_str().expect("an event has an id").to_string()
}

/// The same values as often.
fn assert_same(what: &str, sent: &[String], found: &[String]) {
    if sent == found {
        return;
    }
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    sent.iter().for_each(|value| *balance.entry(value).or_default() -= 1);
    found.iter().for_each(|value| *balance.entry(value).or_default() += 1);
    let named = |wanted: fn(i64) -> bool| {
        let all: Vec<_> = balance.iter().filter(|(_, difference)| wanted(**difference)).map(|(value, _)| *value).collect();
        format!("{} ({})", all.len(), all[..all.len().min(NAMED_MAX)].join(", "))
    };
    panic!("{what}: {} sent, {} found; lost {}; too many {}", sent.len(), found.len(), named(|n| n < 0), named(|n| n > 0));
}
