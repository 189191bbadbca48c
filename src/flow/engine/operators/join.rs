//! Joins of all kinds. Each side is arranged by the join's key; a tick joins the changes of the left with the right as it was, then the
//! changes of the right with the left as it is now: ΔL ⋈ R + L′ ⋈ ΔR.
//!
//! What a side gives by itself, such as the rows of a LEFT JOIN that find nothing, depends on whether a row has a match. Without a further
//! condition that is whether the other side has the key; with one, the matches of each row are counted. A change costs its matches, and the
//! rows that by it find their first match or lose their last one.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::physical_expr::PhysicalExpr;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::arrangement::{Arrangement, Became, KeyNumber, RowNumber};
use crate::flow::engine::program::met;
use crate::flow::engine::state::State;
use crate::model::Changes;

/// So many pairs of rows are put side by side at once, for the condition to be looked at.
const PAIRS_AT_ONCE: usize = 1 << 16;

/// What a side gives by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alone {
    Nothing,
    /// Rows without a match, beside nulls: outer joins.
    Padded,
    /// Rows with a match: semi joins.
    Matched,
    /// Rows without a match: anti joins.
    Unmatched,
    /// All rows, each with whether it has a match: IN and EXISTS within expressions.
    Marked,
}

/// Whether a null key finds another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullKeys {
    Differ,
    AreEqual,
}

/// One side of a join, as it is made.
pub struct SideSpec {
    pub schema: SchemaRef,
    pub key: Vec<usize>,
    /// Columns of it that the result shows: the first so many.
    pub shown: usize,
    pub alone: Alone,
}

pub struct Join {
    left: Side,
    right: Side,
    /// Whether pairs of matching rows are a part of the result.
    gives_pairs: bool,
    condition: Option<Arc<dyn PhysicalExpr>>,
    /// All columns of both sides, for the condition.
    combined: SchemaRef,
    schema: SchemaRef,
    null_keys: NullKeys,
    /// Matches are not saved; after a restore they are counted anew.
    are_counted: bool,
}

struct Side {
    rows: Arrangement,
    key: Vec<usize>,
    shown: usize,
    alone: Alone,
    /// By row: its matches. Only where a condition decides about them and somebody asks.
    matches: Option<Vec<i64>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Near {
    Left,
    Right,
}

/// Rows of the changes and rows of the other side that match.
#[derive(Default)]
struct Pairs {
    near: Vec<u32>,
    far: Vec<RowNumber>,
}

impl Join {
    pub fn new(
        sides: [SideSpec; 2],
        gives_pairs: bool,
        condition: Option<Arc<dyn PhysicalExpr>>,
        combined: SchemaRef,
        schema: SchemaRef,
        null_keys: NullKeys,
    ) -> Result<Join> {
        let [left, right] = sides;
        let side = |spec: SideSpec| -> Result<Side> {
            Ok(Side {
                rows: Arrangement::new(spec.schema, spec.key.clone())?,
                key: spec.key,
                shown: spec.shown,
                alone: spec.alone,
                matches: (condition.is_some() && spec.alone != Alone::Nothing).then(Vec::new),
            })
        };
        let (left, right) = (side(left)?, side(right)?);
        Ok(Join { left, right, gives_pairs, condition, combined, schema, null_keys, are_counted: true })
    }

    fn sides(&mut self, near: Near) -> (&mut Side, &mut Side) {
        match near {
            Near::Left => (&mut self.left, &mut self.right),
            Near::Right => (&mut self.right, &mut self.left),
        }
    }

    /// Joins the changes of one side with the other as it is, and takes them in.
    fn half(&mut self, near: Near, changes: &Changes, made: &mut Vec<Changes>) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let joinable = self.joinable(near, changes);
        let pairs = self.matching_pairs(near, changes, joinable.as_ref(), made)?;
        let matches = self.matches_of(near, changes, joinable.as_ref(), &pairs)?;
        made.push(self.alone(near, changes, &matches.iter().map(|count| *count > 0).collect())?);
        let flips = self.take_in(near, changes, joinable.as_ref(), &pairs, &matches)?;
        self.flip(near, flips, made)
    }

    /// The rows whose key can find anything. `None` for all.
    fn joinable(&mut self, near: Near, changes: &Changes) -> Option<BooleanArray> {
        if self.null_keys == NullKeys::AreEqual {
            return None;
        }
        let (near, _) = self.sides(near);
        let nulls: Vec<_> = near.key.iter().filter_map(|column| changes.rows().column(*column).logical_nulls()).collect();
        if nulls.iter().all(|nulls| nulls.null_count() == 0) {
            return None;
        }
        Some((0..changes.len()).map(|row| nulls.iter().all(|nulls| nulls.is_valid(row))).collect())
    }

    /// Finds the pairs that match, and gives them where the join does. Where nobody asks for them later, none are returned.
    fn matching_pairs(&mut self, near: Near, changes: &Changes, joinable: Option<&BooleanArray>, made: &mut Vec<Changes>) -> Result<Pairs> {
        let has_condition = self.condition.is_some();
        let counts = self.left.matches.is_some() || self.right.matches.is_some();
        if !self.gives_pairs && !counts {
            return Ok(Pairs::default());
        }
        let found = self.find(near, changes, joinable)?;
        let mut kept = Pairs::default();
        for start in (0..found.near.len()).step_by(PAIRS_AT_ONCE) {
            let end = found.near.len().min(start + PAIRS_AT_ONCE);
            let (near_rows, far_rows) = (&found.near[start..end], &found.far[start..end]);
            let combined = self.combine(near, changes, near_rows, far_rows)?;
            let keep = self.condition.as_ref().map(|condition| met(condition, &combined)).transpose()?;
            if counts && has_condition {
                let kept_places = keep.iter().flat_map(|keep| keep.values().set_indices());
                for place in kept_places {
                    kept.near.push(near_rows[place]);
                    kept.far.push(far_rows[place]);
                }
            }
            if self.gives_pairs {
                let (_, far) = self.sides(near);
                let weight = |(row, other): (&u32, &RowNumber)| changes.weight(*row as usize) * far.rows.weight(*other);
                let weights: Vec<i64> = near_rows.iter().zip(far_rows).map(weight).collect();
                let rows = self.shown(&combined)?;
                let all = match weights.iter().all(|weight| *weight == 1) {
                    true => Changes::inserted(rows),
                    false => Changes::new(rows, Int64Array::from(weights)),
                };
                made.push(match &keep {
                    Some(keep) => all.filter(keep)?,
                    None => all,
                });
            }
        }
        Ok(kept)
    }

    fn find(&mut self, near: Near, changes: &Changes, joinable: Option<&BooleanArray>) -> Result<Pairs> {
        let (near, far) = self.sides(near);
        let keys = near.rows.encode_keys(changes.rows())?;
        let mut pairs = Pairs::default();
        for row in (0..changes.len()).filter(|row| joinable.is_none_or(|joinable| joinable.value(*row))) {
            if let Some(key) = far.rows.find_key(keys.row(row)) {
                for (other, _) in far.rows.rows_of(key) {
                    pairs.near.push(row as u32);
                    pairs.far.push(other);
                }
            }
        }
        Ok(pairs)
    }

    /// All columns of the left and then all of the right.
    fn combine(&mut self, near: Near, changes: &Changes, near_rows: &[u32], far_rows: &[RowNumber]) -> Result<RecordBatch> {
        let combined = self.combined.clone();
        let (_, far) = self.sides(near);
        let taken = changes.take(&UInt32Array::from(near_rows.to_vec()))?;
        let found = far.rows.decode(far_rows)?;
        let (left, right) = match near {
            Near::Left => (taken.rows(), &found),
            Near::Right => (&found, taken.rows()),
        };
        let columns = left.columns().iter().chain(right.columns()).cloned().collect();
        let options = RecordBatchOptions::new().with_row_count(Some(near_rows.len()));
        Ok(RecordBatch::try_new_with_options(combined, columns, &options)?)
    }

    /// The columns of the result, of all columns of both sides.
    fn shown(&self, combined: &RecordBatch) -> Result<RecordBatch> {
        let width = self.left.rows.schema().fields().len();
        let left = combined.columns()[..self.left.shown].iter();
        let right = combined.columns()[width..width + self.right.shown].iter();
        self.result(left.chain(right).cloned().collect(), combined.num_rows())
    }

    fn result(&self, columns: Vec<ArrayRef>, count: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    /// How many matches each changed row has; without a condition, whether it has any.
    fn matches_of(&mut self, near: Near, changes: &Changes, joinable: Option<&BooleanArray>, pairs: &Pairs) -> Result<Vec<i64>> {
        let (near, far) = self.sides(near);
        let mut matches = vec![0; changes.len()];
        if near.alone == Alone::Nothing {
            return Ok(matches);
        }
        if near.matches.is_some() {
            for (row, other) in pairs.near.iter().zip(&pairs.far) {
                matches[*row as usize] += far.rows.weight(*other);
            }
            return Ok(matches);
        }
        let keys = near.rows.encode_keys(changes.rows())?;
        for row in (0..changes.len()).filter(|row| joinable.is_none_or(|joinable| joinable.value(*row))) {
            matches[row] = i64::from(far.rows.find_key(keys.row(row)).is_some());
        }
        Ok(matches)
    }

    /// What rows of one side give by themselves.
    fn alone(&mut self, near: Near, changes: &Changes, matched: &BooleanArray) -> Result<Changes> {
        let schema = self.schema.clone();
        let (side, other) = self.sides(near);
        let (alone, shown, padding) = (side.alone, side.shown, other.shown);
        let chosen = match alone {
            Alone::Nothing => return Ok(Changes::empty(schema)),
            Alone::Marked => changes.clone(),
            Alone::Matched => changes.filter(matched)?,
            Alone::Padded | Alone::Unmatched => changes.filter(&arrow::compute::not(matched)?)?,
        };
        let mut columns = chosen.rows().columns()[..shown].to_vec();
        match alone {
            Alone::Marked => columns.push(Arc::new(matched.clone())),
            Alone::Padded => {
                let fields = schema.fields();
                let nulls =
                    |range: std::ops::Range<usize>| fields[range].iter().map(|field| new_null_array(field.data_type(), chosen.len()));
                match near {
                    Near::Left => columns.extend(nulls(shown..shown + padding)),
                    Near::Right => columns = nulls(0..padding).chain(columns).collect(),
                }
            }
            _ => {}
        }
        Ok(chosen.with_rows(self.result(columns, chosen.len())?))
    }

    /// Stores the changes of one side. Returns the rows of the other that by this found their first match, and those that lost their last.
    fn take_in(&mut self, near: Near, changes: &Changes, joinable: Option<&BooleanArray>, pairs: &Pairs, matches: &[i64]) -> Result<Flips> {
        let (near, far) = self.sides(near);
        let stored = joinable.map(|joinable| changes.filter(joinable)).transpose()?;
        let places: Option<Vec<usize>> = joinable.map(|joinable| joinable.values().set_indices().collect());
        let stored = stored.as_ref().unwrap_or(changes);
        let by_key = far.alone != Alone::Nothing && far.matches.is_none();
        let watched = match by_key {
            true => far_keys(near, far, stored)?,
            false => vec![],
        };
        let had: Vec<bool> = watched.iter().map(|(key, _)| near.rows.find_key(key).is_some()).collect();
        let counts = &mut near.matches;
        near.rows.update(stored, |row, number, became| {
            if let (Some(counts), Became::New) = (counts.as_mut(), became) {
                let place = places.as_ref().map_or(row, |places| places[row]);
                counts.resize(counts.len().max(number.0 as usize + 1), 0);
                counts[number.0 as usize] = matches[place];
            }
        })?;
        let mut flips = Flips::default();
        for ((key, number), had) in watched.iter().zip(had) {
            match (had, near.rows.find_key(key).is_some()) {
                (false, true) => flips.found.extend(far.rows.rows_of(*number).map(|(row, _)| row)),
                (true, false) => flips.lost.extend(far.rows.rows_of(*number).map(|(row, _)| row)),
                _ => {}
            }
        }
        if let Some(counts) = &mut far.matches {
            count_matches(counts, pairs, changes, &mut flips);
        }
        Ok(flips)
    }

    /// Takes back what the rows of the other side gave, and gives what they give now.
    fn flip(&mut self, near: Near, flips: Flips, made: &mut Vec<Changes>) -> Result<()> {
        let far = match near {
            Near::Left => Near::Right,
            Near::Right => Near::Left,
        };
        for (rows, is_matched) in [(flips.found, true), (flips.lost, false)] {
            if rows.is_empty() {
                continue;
            }
            let (side, _) = self.sides(far);
            let weights: Int64Array = rows.iter().map(|row| Some(side.rows.weight(*row))).collect();
            let changed = Changes::new(side.rows.decode(&rows)?, weights);
            let as_matched = |matched: bool| BooleanArray::from(vec![matched; rows.len()]);
            made.push(self.alone(far, &changed.negated(), &as_matched(!is_matched))?);
            made.push(self.alone(far, &changed, &as_matched(is_matched))?);
        }
        Ok(())
    }

    /// Counts the matches of all rows, after a restore.
    fn count_all(&mut self) -> Result<()> {
        self.are_counted = true;
        if self.left.matches.is_none() && self.right.matches.is_none() {
            return Ok(());
        }
        for side in [&mut self.left, &mut self.right] {
            if let Some(matches) = &mut side.matches {
                *matches = vec![0; side.rows.row_numbers()];
            }
        }
        let all = self.left.rows.all_numbers();
        let left = self.left.rows.decode(&all)?;
        let weights: Int64Array = all.iter().map(|row| Some(self.left.rows.weight(*row))).collect();
        let left = Changes::new(left, weights);
        let gives_pairs = std::mem::replace(&mut self.gives_pairs, false);
        let pairs = self.matching_pairs(Near::Left, &left, None, &mut vec![])?;
        self.gives_pairs = gives_pairs;
        for (row, other) in pairs.near.iter().zip(&pairs.far) {
            let number = all[*row as usize];
            if let Some(matches) = &mut self.left.matches {
                matches[number.0 as usize] += self.right.rows.weight(*other);
            }
            if let Some(matches) = &mut self.right.matches {
                matches[other.0 as usize] += self.left.rows.weight(number);
            }
        }
        Ok(())
    }
}

/// Rows of the other side whose state of being matched changes.
#[derive(Default)]
struct Flips {
    found: Vec<RowNumber>,
    lost: Vec<RowNumber>,
}

/// The keys of the changes that the far side has, each once.
fn far_keys(near: &Side, far: &Side, changes: &Changes) -> Result<Vec<(Vec<u8>, KeyNumber)>> {
    let keys = near.rows.encode_keys(changes.rows())?;
    let mut found = HashMap::new();
    for row in 0..changes.len() {
        if let Some(number) = far.rows.find_key(keys.row(row)) {
            found.entry(number).or_insert_with(|| keys.row(row).to_vec());
        }
    }
    Ok(found.into_iter().map(|(number, key)| (key, number)).collect())
}

fn count_matches(counts: &mut [i64], pairs: &Pairs, changes: &Changes, flips: &mut Flips) {
    let mut gained: HashMap<RowNumber, i64> = HashMap::new();
    for (row, other) in pairs.near.iter().zip(&pairs.far) {
        *gained.entry(*other).or_default() += changes.weight(*row as usize);
    }
    for (row, gained) in gained {
        let count = &mut counts[row.0 as usize];
        let had = *count > 0;
        *count += gained;
        match (had, *count > 0) {
            (false, true) => flips.found.push(row),
            (true, false) => flips.lost.push(row),
            _ => {}
        }
    }
}

#[async_trait]
impl Operator for Join {
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes> {
        let [left, right] = inputs else { unreachable!("a join has two inputs") };
        if !self.are_counted && !moment.is_first {
            self.count_all()?;
        }
        let mut made = Vec::new();
        self.half(Near::Left, left, &mut made)?;
        self.half(Near::Right, right, &mut made)?;
        Changes::concat(&self.schema, &made)
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("left".to_string(), &mut self.left.rows), ("right".to_string(), &mut self.right.rows)]
    }

    fn restored(&mut self) {
        self.are_counted = false;
    }
}
