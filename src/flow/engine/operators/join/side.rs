//! One side of a join: its rows by key, and what is known of each.

use arrow::datatypes::SchemaRef;

use super::super::Moment;
use super::super::bound::Bound;
use crate::error::Result;
use crate::flow::engine::arrangement::{Arrangement, Time};
use crate::flow::engine::relation::Arrival;

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

/// One side of a join, as it is made.
pub struct SideSpec {
    pub schema: SchemaRef,
    pub arrival: Arrival,
    pub key: Vec<usize>,
    /// Columns of it that the result shows: the first so many.
    pub shown: usize,
    pub alone: Alone,
    /// When its rows may be forgotten, if they may.
    pub horizon: Option<Horizon>,
}

/// A row is of no more use once the bound has passed its time by so much: whatever it could meet comes too late, or comes to nothing.
pub struct Horizon {
    pub time: Time,
    /// In units of the time's type.
    pub reach: i64,
    pub bound: Bound,
}

pub struct Side {
    pub rows: Arrangement,
    pub key: Vec<usize>,
    pub shown: usize,
    pub alone: Alone,
    horizon: Option<Horizon>,
    /// By row: its matches. Only where a condition decides about them and somebody asks.
    pub matches: Option<Vec<i64>>,
}

/// Whether a condition beside the key decides about matches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    ByKey,
    ByCondition,
}

impl Side {
    pub fn new(spec: SideSpec, matching: Matching) -> Result<Side> {
        Ok(Side {
            rows: match &spec.horizon {
                Some(horizon) => Arrangement::passing(spec.schema, spec.key.clone(), horizon.time)?,
                None => Arrangement::of(spec.arrival, spec.schema, spec.key.clone())?,
            },
            matches: (matching == Matching::ByCondition && spec.alone != Alone::Nothing).then(Vec::new),
            key: spec.key,
            shown: spec.shown,
            alone: spec.alone,
            horizon: spec.horizon,
        })
    }

    /// Rows that can meet nothing any more.
    pub fn forget(&mut self, moment: Moment) -> Result<()> {
        let Some(horizon) = &self.horizon else { return Ok(()) };
        match horizon.bound.at(moment)? {
            Some(bound) => self.rows.forget_before(bound.saturating_sub(horizon.reach)),
            None => Ok(()),
        }
    }
}
