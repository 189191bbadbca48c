//! The changes of one side of a join, and how they meet the other side.

use std::collections::HashSet;

use arrow::array::{Array, BooleanArray};

use crate::flow::engine::arrangement::{Arrangement, KeyNumber, RowNumber};
use crate::flow::engine::encoder::Encoded;
use crate::model::Changes;

/// So many pairs of rows are put side by side at once, for the condition to be looked at.
const PAIRS_AT_ONCE: usize = 1 << 16;

/// The changes of one side, as they meet the other.
pub struct Delta<'a> {
    pub changes: &'a Changes,
    pub keys: Encoded,
    /// The rows whose key can find anything. `None` for all.
    pub joinable: Option<BooleanArray>,
    /// By change: its key on the far side.
    pub far_keys: Vec<Option<KeyNumber>>,
}

impl Delta<'_> {
    /// The keys that the far side has, each once.
    pub fn watched(&self) -> Vec<(&[u8], KeyNumber)> {
        let mut seen = HashSet::new();
        let found = self.far_keys.iter().enumerate().filter_map(|(row, key)| Some((row, (*key)?)));
        found.filter(|(_, key)| seen.insert(*key)).map(|(row, key)| (self.keys.row(row), key)).collect()
    }

    /// The next pairs with equal keys, until there are many.
    pub fn next_pairs(&self, far: &Arrangement, search: &mut Search) -> Option<Pairs> {
        let mut pairs = Pairs::default();
        while pairs.near.len() < PAIRS_AT_ONCE && search.row < self.far_keys.len() {
            let Some(key) = self.far_keys[search.row] else {
                search.next_row();
                continue;
            };
            let first = search.far.unwrap_or_else(|| far.first_of(key));
            let room = PAIRS_AT_ONCE - pairs.near.len();
            let mut others = far.rows_from(first);
            pairs.far.extend(others.by_ref().take(room).map(|(other, _)| other));
            pairs.near.resize(pairs.far.len(), search.row as u32);
            match others.next() {
                Some((rest, _)) => search.far = Some(rest),
                None => search.next_row(),
            }
        }
        (!pairs.near.is_empty()).then_some(pairs)
    }
}

/// Rows of the changes and rows of the other side that match.
#[derive(Default)]
pub struct Pairs {
    pub near: Vec<u32>,
    pub far: Vec<RowNumber>,
}

/// How far the pairs of a tick were looked for: a changed row, and the row of the other side that comes next.
#[derive(Default)]
pub struct Search {
    row: usize,
    far: Option<RowNumber>,
}

impl Search {
    fn next_row(&mut self) {
        *self = Search { row: self.row + 1, far: None };
    }
}

/// The rows that have no null in these columns. `None` for all.
pub fn without_nulls(changes: &Changes, columns: &[usize]) -> Option<BooleanArray> {
    let nulls: Vec<_> = columns.iter().filter_map(|column| changes.rows().column(*column).logical_nulls()).collect();
    match nulls.iter().all(|nulls| nulls.null_count() == 0) {
        true => None,
        false => Some((0..changes.len()).map(|row| nulls.iter().all(|nulls| nulls.is_valid(row))).collect()),
    }
}
