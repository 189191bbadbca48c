//! What may be forgotten where rows are written and stand: rows, and keys of rows, that can meet nothing but rows which come too late. A
//! row that comes later than the watermark allows is left out before it could find that out.
//!
//! Joins whose times are at most so far apart (Flink calls them interval joins) forget both sides; DISTINCT forgets keys with a time in them.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{Column, DFSchema, ExprSchema};
use datafusion::logical_expr::{Expr, ExprSchemable, Join, LogicalPlan};

use super::bounds::{Bounds, bounds, is_time};
use super::reach::{Reach, comparisons, reach_of};
use super::{Lowering, New};
use crate::catalog::Emit;
use crate::error::Result;
use crate::flow::engine::Delivery;
use crate::flow::engine::arrangement::Time;
use crate::flow::engine::operators::{Bound, Horizon, InTime, KeyTime, now_schema};
use crate::flow::engine::relation::Arrival;

/// What the two sides of a join may forget, and the inputs of the join, now without late rows.
pub struct Passing {
    pub inputs: [usize; 2],
    pub horizons: [Option<Horizon>; 2],
}

impl Lowering<'_> {
    /// A bound that follows watermarks, for times of this type.
    pub(super) fn watermark_bound(&self, bounds: Bounds, time_type: &DataType) -> Result<Bound> {
        let columns = DFSchema::try_from(now_schema().as_ref().clone())?;
        let bound = |(relation, bound): (usize, Expr)| {
            // A source's times may have no zone: what is compared must be of one type.
            Ok((relation, self.physical(&bound.cast_to(time_type, &columns)?, &columns)?))
        };
        let of = bounds.into_iter().map(bound).collect::<Result<Vec<_>>>()?;
        Ok(Bound::Watermark { of, watermarks: self.watermarks.clone() })
    }

    /// Windows that close count rows that are late for the watermark but not for their window.
    fn forgets(&self) -> bool {
        self.delivery == Delivery::Written && self.emit == Emit::OnChange
    }

    /// Of a join of rows that only come: how long rows of each side can meet new ones.
    pub(super) fn passing(&mut self, join: &Join, plans: [&LogicalPlan; 2], inputs: [usize; 2]) -> Result<Passing> {
        let mut passing = Passing { inputs, horizons: [None, None] };
        let only_come = inputs.iter().all(|input| self.nodes[*input].arrival == Arrival::AppendOnly);
        if !self.forgets() || !only_come {
            return Ok(passing);
        }
        let conditions = comparisons(join);
        for side in [0, 1] {
            let (this, other) = (plans[side], plans[1 - side]);
            let Some((reach, bound)) = conditions.iter().find_map(|condition| self.reach(condition, this, other)) else { continue };
            let place = other.schema().index_of_column(&reach.other)?;
            let time_type = this.schema().data_type(&reach.this)?.clone();
            passing.inputs[1 - side] = self.in_time(passing.inputs[1 - side], place, bound.clone(), &time_type, reach.other.name())?;
            let column = this.schema().index_of_column(&reach.this)?;
            passing.horizons[side] = Some(Horizon {
                time: Time { column, of: column },
                reach: in_units(reach.nanoseconds, &time_type),
                bound: self.watermark_bound(bound, &time_type)?,
            });
        }
        Ok(passing)
    }

    /// Of a join below windows that close: until when rows of each side can be in one that is open. A row that is late for the watermark, but not
    /// for its window, still meets what it should.
    pub(super) fn closing(&self, closes: [Option<Time>; 2], inputs: [usize; 2]) -> Result<[Option<Horizon>; 2]> {
        let only_come = inputs.iter().all(|input| self.nodes[*input].arrival == Arrival::AppendOnly);
        let Some(closing) = self.closes.as_ref().filter(|_| only_come) else { return Ok([None, None]) };
        let horizon = |(time, input): (Option<Time>, usize)| -> Result<Option<Horizon>> {
            let is_comparable = |time: &Time| *self.nodes[input].schema.field(time.column).data_type() == closing.time_type;
            let Some(time) = time.filter(is_comparable) else { return Ok(None) };
            Ok(Some(Horizon { time, reach: 0, bound: self.watermark_bound(closing.bounds.clone(), &closing.time_type)? }))
        };
        let ([left, right], [left_input, right_input]) = (closes, inputs);
        Ok([horizon((left, left_input))?, horizon((right, right_input))?])
    }

    /// Which column of a key is a time that passes, and the input without rows that come when it has.
    pub(super) fn passing_key(
        &mut self,
        input: usize,
        below: &LogicalPlan,
        key: &[Column],
        places: &[usize],
    ) -> Result<(usize, Option<KeyTime>)> {
        if !self.forgets() {
            return Ok((input, None));
        }
        for (column, name) in key.iter().enumerate() {
            let time_type = below.schema().data_type(name)?.clone();
            if let Some(bounds) = bounds(below, below.schema().index_of_column(name)?, self.relations).filter(|_| is_time(&time_type)) {
                let input = self.in_time(input, places[column], bounds.clone(), &time_type, name.name())?;
                let bound = self.watermark_bound(bounds, &time_type)?;
                return Ok((input, Some(KeyTime { column, bound })));
            }
        }
        Ok((input, None))
    }

    fn reach(&self, condition: &Expr, this: &LogicalPlan, other: &LogicalPlan) -> Option<(Reach, Bounds)> {
        let reach = reach_of(condition, this.schema(), other.schema())?;
        let (this_type, other_type) = (this.schema().data_type(&reach.this).ok()?, other.schema().data_type(&reach.other).ok()?);
        let is_comparable = matches!(this_type, DataType::Timestamp(..)) && this_type == other_type;
        let bounds = bounds(other, other.schema().index_of_column(&reach.other).ok()?, self.relations)?;
        is_comparable.then_some((reach, bounds))
    }

    pub(super) fn in_time(&mut self, input: usize, column: usize, bounds: Bounds, time_type: &DataType, name: &str) -> Result<usize> {
        let bound = self.watermark_bound(bounds, time_type)?;
        let (schema, unique) = (self.nodes[input].schema.clone(), self.nodes[input].unique.clone());
        let title = format!("Rows whose {name} is in time");
        let kept = "nothing: a row that comes later than the watermark allows is left out and counted";
        let operator = Box::new(InTime::new(column, bound));
        Ok(self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::AppendOnly, unique, title, kept }))
    }
}

/// Rounded up: longer is safe.
fn in_units(nanoseconds: i64, time_type: &DataType) -> i64 {
    let unit = match time_type {
        DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
        DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        _ => 1,
    };
    nanoseconds.div_euclid(unit) + i64::from(nanoseconds.rem_euclid(unit) > 0)
}
