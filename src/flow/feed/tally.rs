//! Counts what the readers of a source see. A batch costs a look at each of its columns; the catalog store gets the sums now and then.

use std::collections::BTreeMap;

use arrow::array::Array;
use parking_lot::Mutex;

use super::FeedBatch;
use crate::catalog::{Catalog, Seen, Sight};
use crate::clock::Clock;
use crate::error::Result;
use crate::model::ObjectId;

/// What was counted since is lost if the server is killed.
const KEEP_INTERVAL_MICROS: i64 = 60 * 1_000_000;

/// A record that is read again, by a job that came later or after a restart, counts again.
pub struct Tally {
    source: ObjectId,
    catalog: Catalog,
    clock: Clock,
    counted: Mutex<Counted>,
    /// Held while sums are on their way to the store, so that who waits for them waits for all.
    keeping: tokio::sync::Mutex<()>,
}

/// Since the last keeping.
struct Counted {
    since_micros: i64,
    sights: BTreeMap<Sight, Count>,
}

struct Count {
    first_micros: i64,
    times: u64,
}

impl Tally {
    pub fn new(source: ObjectId, catalog: Catalog, clock: Clock) -> Tally {
        let counted = Mutex::new(Counted { since_micros: clock.now_micros(), sights: BTreeMap::new() });
        Tally { source, catalog, clock, counted, keeping: tokio::sync::Mutex::default() }
    }

    pub fn count(&self, batch: &FeedBatch) {
        let (now, rows) = (self.clock.now_micros(), batch.rows.num_rows());
        let records = rows + batch.rejects.len();
        if records == 0 {
            return;
        }
        let mut counted = self.counted.lock();
        counted.add(Sight::Record, records as u64, now);
        let schema = batch.rows.schema();
        for (field, column) in schema.fields().iter().zip(batch.rows.columns()) {
            let times = rows - column.null_count();
            if times > 0 {
                counted.add(Sight::Column(field.name().clone()), times as u64, now);
            }
        }
        for reject in &batch.rejects {
            counted.add(Sight::Reject(reject.kind.clone()), 1, now);
        }
    }

    pub fn is_due(&self) -> bool {
        let counted = self.counted.lock();
        !counted.sights.is_empty() && self.clock.now_micros() - counted.since_micros >= KEEP_INTERVAL_MICROS
    }

    /// Adds what was counted to what the store has. What could not be stored is kept for the next time.
    pub async fn keep(&self) -> Result<()> {
        let _one_at_a_time = self.keeping.lock().await;
        let sights = {
            let mut counted = self.counted.lock();
            counted.since_micros = self.clock.now_micros();
            std::mem::take(&mut counted.sights)
        };
        let seen: Vec<_> =
            sights.into_iter().map(|(sight, count)| Seen { sight, first_micros: count.first_micros, times: count.times }).collect();
        if seen.is_empty() {
            return Ok(());
        }
        let kept = self.catalog.add_seen(self.source, &seen).await;
        if kept.is_err() {
            let mut counted = self.counted.lock();
            seen.into_iter().for_each(|seen| counted.add(seen.sight, seen.times, seen.first_micros));
        }
        kept
    }
}

impl Counted {
    fn add(&mut self, sight: Sight, times: u64, micros: i64) {
        let count = self.sights.entry(sight).or_insert(Count { first_micros: micros, times: 0 });
        count.times += times;
        count.first_micros = count.first_micros.min(micros);
    }
}
