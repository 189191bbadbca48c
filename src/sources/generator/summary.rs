//! What a run sends, counted, so that tests know what must arrive.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;

use super::recipe::Recipe;
use super::record::{Content, Record};

/// Printed as one JSON line by `lakewire generate --summary`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub records: u64,
    pub valid: u64,
    pub broken: u64,
    /// Of all payloads, broken ones too.
    pub bytes: u64,
    /// The sum of the field `bytes_in` over the valid records.
    pub bytes_in_sum: u64,
    /// Valid records by `event_type`, in the management stream by `kind` (tombstones too), in `nexmark` by table.
    pub types: BTreeMap<&'static str, u64>,
    /// Broken records by the way they are broken.
    pub breakages: BTreeMap<&'static str, u64>,
    pub tombstones: u64,
    /// Keys whose last valid record is no tombstone. 0 for events and rows, which are not kept by key.
    pub live_keys: u64,
    #[serde(skip)]
    live: HashSet<Vec<u8>>,
}

impl Summary {
    /// What the `rows` records that begin with number `skip` come to.
    pub fn of(recipe: &Recipe, skip: u64, rows: u64) -> Summary {
        let mut summary = Summary::default();
        let mut record = Record::default();
        for number in skip..skip.saturating_add(rows) {
            summary.count(recipe.make(number, &mut record), &record);
        }
        summary
    }

    /// Counts one record, after those before it.
    pub fn count(&mut self, content: Content, record: &Record) {
        self.records += 1;
        self.bytes += record.payload.len() as u64;
        match content {
            Content::Event { kind, bytes_in } => {
                self.bytes_in_sum += bytes_in;
                self.count_valid(kind.as_str());
            }
            Content::Upsert(kind) => {
                self.live.insert(record.key.clone());
                self.count_valid(kind.as_str());
            }
            Content::Tombstone(kind) => {
                self.live.remove(&record.key);
                self.tombstones += 1;
                self.count_valid(kind.as_str());
            }
            Content::Row(table) => self.count_valid(table.as_str()),
            Content::Broken(breakage) => {
                self.broken += 1;
                *self.breakages.entry(breakage.as_str()).or_default() += 1;
            }
        }
        self.live_keys = self.live.len() as u64;
    }

    fn count_valid(&mut self, kind: &'static str) {
        self.valid += 1;
        *self.types.entry(kind).or_default() += 1;
    }
}
