//! Makes steps harder: rows that came are taken back, and some of those come again.

use std::collections::BTreeMap;

use arrow::array::UInt32Array;
use lakewire::model::Changes;

use super::Step;
use super::random::Random;

/// Rows of one table that came in earlier steps.
#[derive(Default)]
struct Rows {
    there: Vec<Changes>,
    gone: Vec<Changes>,
}

/// The steps, each followed by one that takes back some rows of those `tables` whose changes are only inserts, and brings back others.
pub fn with_returns(seed: u64, tables: &'static [&'static str], steps: impl Iterator<Item = Step>) -> impl Iterator<Item = Step> {
    let mut random = Random::new(seed);
    let mut known: BTreeMap<&'static str, Rows> = BTreeMap::new();
    steps.flat_map(move |step| {
        for (name, changes) in step.iter().filter(|(name, _)| tables.contains(name)) {
            assert!(changes.are_inserts(), "{name} has changes that are no inserts");
            known.entry(name).or_default().there.extend((0..changes.len()).map(|row| one(changes, row)));
        }
        let returned = known.iter_mut().filter_map(|(name, rows)| Some((*name, rows.shuffle(&mut random)?)));
        let returned: Step = returned.collect();
        [step, returned]
    })
}

impl Rows {
    fn shuffle(&mut self, random: &mut Random) -> Option<Changes> {
        let mut parts = Vec::new();
        let schema = self.there.first().or(self.gone.first())?.schema();
        for _ in 0..random.below(2 + self.there.len() / 20).min(self.there.len()) {
            let row = self.there.swap_remove(random.below(self.there.len()));
            parts.push(row.negated());
            self.gone.push(row);
        }
        for _ in 0..random.below(2 + self.gone.len() / 10).min(self.gone.len()) {
            let row = self.gone.swap_remove(random.below(self.gone.len()));
            parts.push(row.clone());
            self.there.push(row);
        }
        (!parts.is_empty()).then(|| Changes::concat(&schema, &parts).expect("the rows are of one table"))
    }
}

fn one(changes: &Changes, row: usize) -> Changes {
    changes.take(&UInt32Array::from(vec![row as u32])).expect("the row is there")
}
