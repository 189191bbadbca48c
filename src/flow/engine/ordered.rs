//! A multiset of rows in an order: what ORDER BY … LIMIT, min and max remember.
//!
//! A row lies as one string of arrow's row format, the columns of its key first, then those of the order, then the others. The rows of a key
//! follow one another, the first of them first, and those that are alike are one string with a count.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use arrow::array::{BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::SortOptions;
use arrow::datatypes::{Schema, SchemaRef};

use super::encoder::{Encoded, Encoder, equal_values_differ};
use super::state::State;
use crate::error::Result;
use crate::model::Changes;

/// Encoded keys, each once.
pub type Keys = HashSet<Box<[u8]>, foldhash::fast::RandomState>;

/// So many changes are not looked through for what cancels.
const LOGGED_MIN: usize = 64 * 1024;

pub struct Ordered {
    schema: SchemaRef,
    key: Encoder,
    row: Encoder,
    rows: BTreeMap<Box<[u8]>, i64>,
    /// The strings, together.
    bytes: usize,
    /// What came since `take_changes`.
    log: Vec<Changes>,
    /// So many rows are in it.
    logged: usize,
    /// With so many it is shortened: twice what was left the last time, so that a change is looked at a few times at most.
    logged_max: usize,
    /// What was forgotten since then, behind the first rows of its key.
    dropped: Vec<(Box<[u8]>, i64)>,
}

/// Changes that are about to be taken in, with their strings.
pub struct Entering {
    changes: Changes,
    /// Of these changes, and perhaps of others that do not enter.
    strings: Encoded,
    /// Where each change's string is.
    places: Vec<usize>,
    pub keys: Keys,
}

/// The columns of an order as they stand in a string behind its key: each once, and those of the key not again. But a key's string does not
/// give all floats back to the bit.
pub fn behind_key(schema: &Schema, key: &[usize], order: impl IntoIterator<Item = (usize, SortOptions)>) -> Vec<(usize, SortOptions)> {
    let is_exact = |column: usize| key.contains(&column) && !equal_values_differ(schema.field(column).data_type());
    let mut columns: Vec<(usize, SortOptions)> = Vec::with_capacity(schema.fields().len());
    for (column, options) in order {
        if !is_exact(column) && columns.iter().all(|(known, _)| *known != column) {
            columns.push((column, options));
        }
    }
    columns
}

/// Each of the keys of so many rows once.
fn distinct<'a>(rows: usize, key: impl Fn(usize) -> &'a [u8]) -> Keys {
    let mut keys = Keys::default();
    for row in 0..rows {
        if !keys.contains(key(row)) {
            keys.insert(key(row).into());
        }
    }
    keys
}

impl Ordered {
    /// Of rows of `schema`, found by the columns `key`, those of one key by `order`.
    pub fn new(schema: SchemaRef, key: Vec<usize>, order: Vec<(usize, SortOptions)>) -> Result<Ordered> {
        let rest = (0..schema.fields().len()).map(|column| (column, SortOptions::default()));
        let columns = behind_key(&schema, &key, order.into_iter().chain(rest));
        Ok(Ordered {
            row: Encoder::ordered(&schema, key.clone(), columns)?,
            key: Encoder::of_keys(&schema, key)?,
            schema,
            rows: BTreeMap::new(),
            bytes: 0,
            log: vec![],
            logged: 0,
            logged_max: LOGGED_MIN,
            dropped: vec![],
        })
    }

    /// The key of each row.
    pub fn encode_keys(&self, rows: &RecordBatch) -> Result<Encoded> {
        self.key.encode(rows)
    }

    /// The rows of a key in their order, each with how often it is there.
    pub fn rows_of<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = (&'a [u8], i64)> + 'a {
        self.rows_from(key, key)
    }

    /// Those from a place on. A place is how the strings of rows begin, the key first.
    pub fn rows_from<'a>(&'a self, key: &'a [u8], place: &'a [u8]) -> impl Iterator<Item = (&'a [u8], i64)> + 'a {
        let from_place = (Bound::Included(place), Bound::Unbounded);
        let rows = self.rows.range::<[u8], _>(from_place).map(|(row, weight)| (row.as_ref(), *weight));
        rows.take_while(move |(row, _)| row.starts_with(key))
    }

    /// Those from a place on and before another of the same key.
    pub fn rows_between<'a>(&'a self, place: &'a [u8], end: &'a [u8]) -> impl DoubleEndedIterator<Item = &'a [u8]> + 'a {
        self.rows.range::<[u8], _>((Bound::Included(place), Bound::Excluded(end))).map(|(row, _)| row.as_ref())
    }

    pub fn update(&mut self, changes: &Changes) -> Result<()> {
        let encoded = self.row.encode(changes.rows())?;
        for row in 0..changes.len() {
            self.add(encoded.row(row), changes.weight(row));
        }
        self.remember(changes)
    }

    fn remember(&mut self, changes: &Changes) -> Result<()> {
        if !changes.is_empty() {
            self.log.push(changes.clone());
            self.logged += changes.len();
        }
        self.shorten_log()
    }

    /// Rows that came and went again cancel, before they are many more than what is left of them.
    fn shorten_log(&mut self) -> Result<()> {
        if self.logged + self.dropped.len() > self.logged_max {
            let shortened = self.take_changes()?;
            self.logged = shortened.len();
            self.logged_max = LOGGED_MIN.max(2 * shortened.len());
            self.log.push(shortened);
        }
        Ok(())
    }

    /// All of these changes, to be taken in.
    pub fn entering(&self, changes: &Changes) -> Result<Entering> {
        let (keys, strings) = (self.key.encode(changes.rows())?, self.row.encode(changes.rows())?);
        let keys = distinct(changes.len(), |row| keys.row(row));
        Ok(Entering { changes: changes.clone(), strings, places: (0..changes.len()).collect(), keys })
    }

    /// Of rows that came those that come before the last of the first `count` of their key: where rows only come, the others need not even be
    /// stored.
    pub fn entering_first(&self, changes: &Changes, count: usize) -> Result<Entering> {
        let (keys, strings) = (self.key.encode(changes.rows())?, self.row.encode(changes.rows())?);
        let mut last: HashMap<&[u8], Option<&[u8]>, foldhash::fast::RandomState> = HashMap::default();
        let enters = (0..changes.len()).map(|row| {
            let key = keys.row(row);
            let last = *last.entry(key).or_insert_with(|| self.nth(key, count));
            Some(last.is_none_or(|last| strings.row(row) < last))
        });
        let enters = BooleanArray::from_iter(enters);
        let (places, changes): (Vec<usize>, _) = (enters.values().set_indices().collect(), changes.filter(&enters)?);
        let keys = distinct(places.len(), |row| keys.row(places[row]));
        Ok(Entering { changes, strings, places, keys })
    }

    pub fn update_entering(&mut self, entering: &Entering) -> Result<()> {
        for (row, place) in entering.places.iter().enumerate() {
            self.add(entering.strings.row(*place), entering.changes.weight(row));
        }
        self.remember(&entering.changes)
    }

    /// Takes them in, and of each of their keys keeps only the first `count`.
    pub fn update_first(&mut self, entering: &Entering, count: usize) -> Result<()> {
        self.update_entering(entering)?;
        entering.keys.iter().for_each(|key| self.keep_first(key, count));
        Ok(())
    }

    /// The row at this place among those of a key, counted from 1.
    fn nth<'a>(&'a self, key: &'a [u8], place: usize) -> Option<&'a [u8]> {
        let mut left = i64::try_from(place).unwrap_or(i64::MAX);
        let mut rows = self.rows_of(key);
        let nth = rows.find(|(_, weight)| {
            left -= weight;
            left <= 0
        });
        nth.map(|(row, _)| row)
    }

    /// Forgets the rows of a key behind the first `count`.
    fn keep_first(&mut self, key: &[u8], count: usize) {
        let mut left = i64::try_from(count).unwrap_or(i64::MAX);
        let mut dropped: Vec<(Box<[u8]>, i64)> = vec![];
        for (row, weight) in self.rows_of(key) {
            let kept = weight.min(left);
            left -= kept;
            if kept < weight {
                dropped.push((row.into(), kept - weight));
            }
        }
        for (row, weight) in dropped {
            self.add(&row, weight);
            self.dropped.push((row, weight));
        }
    }

    pub fn decode<'a>(&self, rows: impl ExactSizeIterator<Item = &'a [u8]>) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let mut columns = vec![None; self.schema.fields().len()];
        for (place, array) in self.row.columns().iter().zip(self.row.decode(rows)?) {
            columns[*place] = Some(array);
        }
        let columns = columns.into_iter().map(|column| column.expect("a row's string has every column")).collect();
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    fn add(&mut self, row: &[u8], weight: i64) {
        match self.rows.get_mut(row) {
            Some(count) => {
                *count += weight;
                if *count == 0 {
                    self.rows.remove(row);
                    self.bytes -= row.len();
                }
            }
            None => {
                self.rows.insert(row.into(), weight);
                self.bytes += row.len();
            }
        }
    }

    fn changes<'a>(&self, rows: impl ExactSizeIterator<Item = (&'a [u8], i64)> + Clone) -> Result<Changes> {
        let weights: Int64Array = rows.clone().map(|(_, weight)| Some(weight)).collect();
        Ok(Changes::new(self.decode(rows.map(|(row, _)| row))?, weights))
    }
}

impl State for Ordered {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn take_changes(&mut self) -> Result<Changes> {
        (self.logged, self.logged_max) = (0, LOGGED_MIN);
        let (mut log, dropped) = (std::mem::take(&mut self.log), std::mem::take(&mut self.dropped));
        log.push(self.changes(dropped.iter().map(|(row, weight)| (row.as_ref(), *weight)))?);
        let changes = Changes::concat(&self.schema, &log)?;
        // Of rows that only came none cancel; the same row twice is restored as well as once with a weight of two.
        if changes.are_inserts() { Ok(changes) } else { changes.consolidated() }
    }

    fn everything(&self) -> Result<Changes> {
        self.changes(self.rows.iter().map(|(row, weight)| (row.as_ref(), *weight)))
    }

    fn restore(&mut self, changes: &Changes) -> Result<()> {
        let encoded = self.row.encode(changes.rows())?;
        (0..changes.len()).for_each(|row| self.add(encoded.row(row), changes.weight(row)));
        Ok(())
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn bytes(&self) -> usize {
        let entry = size_of::<Box<[u8]>>() + size_of::<i64>();
        let log: usize = self.log.iter().map(|changes| changes.rows().get_array_memory_size()).sum();
        let dropped: usize = self.dropped.iter().map(|(row, _)| row.len() + entry).sum();
        self.bytes + self.rows.len() * entry + log + dropped
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::ArrayRef;

    use super::*;

    const ROWS: i64 = 10_000;

    fn rows(from: i64) -> RecordBatch {
        let column = |values: Vec<i64>| Arc::new(Int64Array::from(values)) as ArrayRef;
        let ids: Vec<i64> = (from..from + ROWS).collect();
        let keys = ids.iter().map(|id| id % 100).collect();
        RecordBatch::try_from_iter([("k", column(keys)), ("id", column(ids))]).unwrap()
    }

    fn ordered() -> Ordered {
        Ordered::new(rows(0).schema(), vec![0], vec![(1, SortOptions::default())]).unwrap()
    }

    fn assert_saved(ordered: &mut Ordered, saved: &mut Vec<Changes>) {
        saved.push(ordered.take_changes().unwrap());
        let saved = Changes::concat(&ordered.schema, saved).unwrap();
        let difference = Changes::concat(&ordered.schema, &[saved, ordered.everything().unwrap().negated()]).unwrap();
        assert!(difference.consolidated().unwrap().is_empty(), "what was saved is not what is there");
    }

    #[test]
    fn what_came_and_went_is_not_remembered() {
        let (mut ordered, mut saved) = (ordered(), vec![]);
        ordered.update(&Changes::inserted(rows(0))).unwrap();
        assert_saved(&mut ordered, &mut saved);
        for nth in 1..40 {
            ordered.update(&Changes::inserted(rows(nth * ROWS))).unwrap();
            ordered.update(&Changes::removed(rows((nth - 1) * ROWS))).unwrap();
            assert!(ordered.logged <= LOGGED_MIN, "{} changes are remembered", ordered.logged);
        }
        assert_saved(&mut ordered, &mut saved);
    }

    #[test]
    fn what_is_pushed_out_is_not_remembered() {
        let (mut ordered, mut saved) = (ordered(), vec![]);
        for nth in (0..40).rev() {
            let entering = ordered.entering_first(&Changes::inserted(rows(nth * ROWS)), 3).unwrap();
            ordered.update_first(&entering, 3).unwrap();
            let remembered = ordered.logged + ordered.dropped.len();
            assert!(remembered <= LOGGED_MIN + 2 * ROWS as usize, "{remembered} changes are remembered");
            if nth % 15 == 0 {
                assert_saved(&mut ordered, &mut saved);
            }
        }
        assert_eq!(State::rows(&ordered), 300);
    }

    #[test]
    fn what_does_not_cancel_is_looked_at_a_few_times() {
        let mut ordered = ordered();
        let (mut shortened, mut logged_max) = (0, ordered.logged_max);
        for nth in 0..100 {
            ordered.update(&Changes::inserted(rows(nth * ROWS))).unwrap();
            shortened += usize::from(ordered.logged_max != logged_max);
            logged_max = ordered.logged_max;
        }
        assert_eq!(ordered.logged, 100 * ROWS as usize);
        assert!((1..=5).contains(&shortened), "shortened {shortened} times");
    }
}
