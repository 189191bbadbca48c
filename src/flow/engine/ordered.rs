//! A multiset of rows in an order: what ORDER BY … LIMIT, min and max remember.
//!
//! A row lies as one string of arrow's row format, the columns of its key first, then those of the order, then the others. The rows of a key
//! follow one another, the first of them first, and those that are alike are one string with a count.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;

use arrow::array::{BooleanArray, Int64Array, RecordBatch, RecordBatchOptions};
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;

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

impl Ordered {
    /// Of rows of `schema`, found by the columns `key`, those of one key by `order`.
    pub fn new(schema: SchemaRef, key: Vec<usize>, order: Vec<(usize, SortOptions)>) -> Result<Ordered> {
        // A key's string does not give all floats back to the bit: those stand behind once more.
        let is_exact = |column: &usize| key.contains(column) && !equal_values_differ(schema.field(*column).data_type());
        let mut columns: Vec<(usize, SortOptions)> = Vec::with_capacity(schema.fields().len());
        let rest = (0..schema.fields().len()).map(|column| (column, SortOptions::default()));
        for column in order.into_iter().chain(rest) {
            if !is_exact(&column.0) && !columns.iter().any(|(known, _)| *known == column.0) {
                columns.push(column);
            }
        }
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

    /// The keys of these rows.
    pub fn keys_of(&self, rows: &RecordBatch) -> Result<Keys> {
        let encoded = self.key.encode(rows)?;
        let mut keys = Keys::default();
        for row in 0..rows.num_rows() {
            if !keys.contains(encoded.row(row)) {
                keys.insert(encoded.row(row).into());
            }
        }
        Ok(keys)
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
        if !changes.is_empty() {
            self.log.push(changes.clone());
            self.logged += changes.len();
        }
        self.shorten_log()
    }

    /// Rows that came and went again cancel, before they are many more than what is left of them.
    fn shorten_log(&mut self) -> Result<()> {
        if self.logged + self.dropped.len() > self.logged_max {
            let shortened = self.take_changes()?.consolidated()?;
            self.logged = shortened.len();
            self.logged_max = LOGGED_MIN.max(2 * shortened.len());
            self.log.push(shortened);
        }
        Ok(())
    }

    /// Takes in rows that came, and of each key keeps only the first `count`.
    pub fn update_first(&mut self, changes: &Changes, count: usize) -> Result<()> {
        let entering = changes.filter(&self.enter_first(changes, count)?)?;
        let keys = self.keys_of(entering.rows())?;
        self.update(&entering)?;
        keys.iter().for_each(|key| self.keep_first(key, count));
        Ok(())
    }

    /// Which of these rows come before the last of the first `count` of their key: the others need not even be stored, where rows only come.
    pub fn enter_first(&self, changes: &Changes, count: usize) -> Result<BooleanArray> {
        let (keys, rows) = (self.key.encode(changes.rows())?, self.row.encode(changes.rows())?);
        let mut last: HashMap<&[u8], Option<&[u8]>, foldhash::fast::RandomState> = HashMap::default();
        let enters = (0..changes.len()).map(|row| {
            let key = keys.row(row);
            let last = *last.entry(key).or_insert_with(|| self.nth(key, count));
            Some(last.is_none_or(|last| rows.row(row) < last))
        });
        Ok(BooleanArray::from_iter(enters))
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
    pub fn keep_first(&mut self, key: &[u8], count: usize) {
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
            ordered.update_first(&Changes::inserted(rows(nth * ROWS)), 3).unwrap();
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
