//! Joins of all kinds. Each side is arranged by the join's key; a tick joins the changes of the left with the right as it was, then the
//! changes of the right with the left as it is now: ΔL ⋈ R + L′ ⋈ ΔR.
//!
//! What a side gives by itself, such as the rows of a LEFT JOIN that find nothing, depends on whether a row has a match. Without a further
//! condition that is whether the other side has the key; with one, the matches of each row are counted. A change costs its matches, and the
//! rows that by it find their first match or lose their last one.

mod delta;
mod side;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::physical_expr::PhysicalExpr;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::arrangement::{Became, RowNumber};
use crate::flow::engine::program::met;
use crate::flow::engine::state::State;
use crate::model::Changes;

use delta::{Delta, Pairs, Search, without_nulls};
use side::{Matching, Side};

pub use side::{Alone, Horizon, SideSpec};

/// Whether a null key finds another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullKeys {
    Differ,
    AreEqual,
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Near {
    Left,
    Right,
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
        let matching = if condition.is_some() { Matching::ByCondition } else { Matching::ByKey };
        let [left, right] = sides;
        let (left, right) = (Side::new(left, matching)?, Side::new(right, matching)?);
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
        let delta = self.delta(near, changes)?;
        let pairs = self.matching_pairs(near, &delta, made)?;
        let matches = self.matches_of(near, &delta, &pairs);
        made.push(self.alone(near, changes, &matches.iter().map(|count| *count > 0).collect())?);
        let flips = self.take_in(near, &delta, &pairs, &matches)?;
        self.flip(near, flips, made)
    }

    fn delta<'a>(&mut self, near: Near, changes: &'a Changes) -> Result<Delta<'a>> {
        let null_keys = self.null_keys;
        let (near, far) = self.sides(near);
        let keys = near.rows.encode_keys(changes.rows())?;
        let joinable = match null_keys {
            NullKeys::AreEqual => None,
            NullKeys::Differ => without_nulls(changes, &near.key),
        };
        let mut far_keys = far.rows.find_all_keys(&keys, changes.len());
        if let Some(joinable) = &joinable {
            far_keys.iter_mut().zip(joinable).filter(|(_, joinable)| *joinable != Some(true)).for_each(|(key, _)| *key = None);
        }
        Ok(Delta { changes, keys, joinable, far_keys })
    }

    /// Finds the pairs that match, and gives them where the join does. Where nobody asks for them later, none are returned.
    fn matching_pairs(&mut self, near: Near, delta: &Delta, made: &mut Vec<Changes>) -> Result<Pairs> {
        let counts = self.left.matches.is_some() || self.right.matches.is_some();
        let mut kept = Pairs::default();
        if !self.gives_pairs && !counts {
            return Ok(kept);
        }
        let mut search = Search::default();
        while let Some(found) = delta.next_pairs(&self.sides(near).1.rows, &mut search) {
            let combined = self.combine(near, delta.changes, &found)?;
            let keep = self.condition.as_ref().map(|condition| met(condition, &combined)).transpose()?;
            if let (Some(keep), true) = (&keep, counts) {
                for place in keep.values().set_indices() {
                    kept.near.push(found.near[place]);
                    kept.far.push(found.far[place]);
                }
            }
            if self.gives_pairs {
                let all = self.weighted(near, delta.changes, &found, self.shown(&combined)?);
                made.push(match &keep {
                    Some(keep) => all.filter(keep)?,
                    None => all,
                });
            }
        }
        Ok(kept)
    }

    /// Pairs of rows as changes: a pair is there as often as both its rows together.
    fn weighted(&self, near: Near, changes: &Changes, pairs: &Pairs, rows: RecordBatch) -> Changes {
        let far = match near {
            Near::Left => &self.right.rows,
            Near::Right => &self.left.rows,
        };
        let weight = |(row, other): (&u32, &RowNumber)| changes.weight(*row as usize) * far.weight(*other);
        let weights: Vec<i64> = pairs.near.iter().zip(&pairs.far).map(weight).collect();
        match weights.iter().all(|weight| *weight == 1) {
            true => Changes::inserted(rows),
            false => Changes::new(rows, Int64Array::from(weights)),
        }
    }

    /// All columns of the left and then all of the right.
    fn combine(&mut self, near: Near, changes: &Changes, pairs: &Pairs) -> Result<RecordBatch> {
        let combined = self.combined.clone();
        let (_, far) = self.sides(near);
        let taken = changes.take(&UInt32Array::from(pairs.near.clone()))?;
        let found = far.rows.decode(&pairs.far)?;
        let (left, right) = match near {
            Near::Left => (taken.rows(), &found),
            Near::Right => (&found, taken.rows()),
        };
        let columns = left.columns().iter().chain(right.columns()).cloned().collect();
        let options = RecordBatchOptions::new().with_row_count(Some(pairs.near.len()));
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
    fn matches_of(&mut self, near: Near, delta: &Delta, pairs: &Pairs) -> Vec<i64> {
        let (near, far) = self.sides(near);
        let mut matches = vec![0; delta.changes.len()];
        if near.alone == Alone::Nothing {
            return matches;
        }
        if near.matches.is_none() {
            return delta.far_keys.iter().map(|key| i64::from(key.is_some())).collect();
        }
        for (row, other) in pairs.near.iter().zip(&pairs.far) {
            matches[*row as usize] += far.rows.weight(*other);
        }
        matches
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
    fn take_in(&mut self, near: Near, delta: &Delta, pairs: &Pairs, matches: &[i64]) -> Result<Flips> {
        let changes = delta.changes;
        let (near, far) = self.sides(near);
        let filtered = delta.joinable.as_ref().map(|joinable| changes.filter(joinable)).transpose()?;
        let places: Option<Vec<usize>> = delta.joinable.as_ref().map(|joinable| joinable.values().set_indices().collect());
        let by_key = far.alone != Alone::Nothing && far.matches.is_none();
        let watched = match by_key {
            true => delta.watched(),
            false => vec![],
        };
        let had: Vec<bool> = watched.iter().map(|(key, _)| near.rows.find_key(key).is_some()).collect();
        let counts = &mut near.matches;
        let tell = |row: usize, number: RowNumber, became: Became| {
            if let (Some(counts), Became::New) = (counts.as_mut(), became) {
                let place = places.as_ref().map_or(row, |places| places[row]);
                counts.resize(counts.len().max(number.0 as usize + 1), 0);
                counts[number.0 as usize] = matches[place];
            }
        };
        match &filtered {
            Some(filtered) => near.rows.update(filtered, tell)?,
            None => near.rows.update_at(changes, &delta.keys, tell)?,
        }
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
        let delta = self.delta(Near::Left, &left)?;
        let pairs = self.matching_pairs(Near::Left, &delta, &mut vec![])?;
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
        self.left.forget(moment)?;
        self.right.forget(moment)?;
        Changes::concat(&self.schema, &made)
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("left".to_string(), &mut self.left.rows), ("right".to_string(), &mut self.right.rows)]
    }

    fn restored(&mut self) {
        self.are_counted = false;
    }
}
