//! A condition that compares a column with the clock: rows come, or go, by themselves when their time has come.
//!
//! Only rows whose time is still ahead are kept: those that are visible until then, or those that are not yet. What is behind is forgotten,
//! for the clock does not go back.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};
use async_trait::async_trait;
use datafusion::physical_expr::PhysicalExpr;

use super::{Moment, Operator};
use crate::error::{Error, Result};
use crate::flow::engine::arrangement::Arrangement;
use crate::flow::engine::program::evaluate;
use crate::flow::engine::state::State;
use crate::model::Changes;

/// The column that `now()` is, in the expression of a bound.
pub const NOW: &str = "__now";
const TIME: &str = "__time";

/// How a row's time is compared with the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Rows go when the bound reaches them.
    After,
    /// Rows go when the bound has passed them.
    AtOrAfter,
    /// Rows come when the bound has passed them.
    Before,
    /// Rows come when the bound reaches them.
    AtOrBefore,
}

pub struct Temporal {
    /// Over the row.
    time: Arc<dyn PhysicalExpr>,
    comparison: Comparison,
    /// Over `NOW` alone. Never becomes less.
    bound: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
    /// The rows whose time is ahead, by their time, which is their last column.
    ahead: Arrangement,
    times: BTreeSet<i64>,
}

impl Comparison {
    fn holds(self, time: i64, bound: i64) -> bool {
        match self {
            Comparison::After => time > bound,
            Comparison::AtOrAfter => time >= bound,
            Comparison::Before => time < bound,
            Comparison::AtOrBefore => time <= bound,
        }
    }

    /// Whether rows are visible while their time is ahead.
    pub fn shows_what_is_ahead(self) -> bool {
        matches!(self, Comparison::After | Comparison::AtOrAfter)
    }
}

/// The columns that a bound is computed over.
pub fn now_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(NOW, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false)]))
}

impl Temporal {
    pub fn new(schema: SchemaRef, time: Arc<dyn PhysicalExpr>, comparison: Comparison, bound: Arc<dyn PhysicalExpr>) -> Result<Temporal> {
        let mut fields = schema.fields().to_vec();
        fields.push(Arc::new(Field::new(TIME, DataType::Int64, true)));
        let key = vec![fields.len() - 1];
        let ahead = Arrangement::new(Arc::new(Schema::new(fields)), key)?;
        Ok(Temporal { time, comparison, bound, schema, ahead, times: BTreeSet::new() })
    }

    fn bound_at(&self, now_micros: i64) -> Result<i64> {
        let now = TimestampMicrosecondArray::from(vec![now_micros]).with_timezone("UTC");
        let row = RecordBatch::try_new(now_schema(), vec![Arc::new(now)])?;
        let bound = as_integers(&evaluate(&self.bound, &row)?)?;
        match bound.is_valid(0) {
            true => Ok(bound.value(0)),
            false => Err(Error::data("a comparison with the clock has no value")),
        }
    }

    /// Lets the bound pass the rows that were ahead of it.
    fn pass(&mut self, bound: i64) -> Result<Changes> {
        let is_ahead = |time: i64| self.comparison.holds(time, bound) == self.comparison.shows_what_is_ahead();
        let mut passed = Vec::new();
        while let Some(time) = self.times.first().copied().filter(|time| !is_ahead(*time)) {
            self.times.pop_first();
            passed.push(time);
        }
        if passed.is_empty() {
            return Ok(Changes::empty(self.schema.clone()));
        }
        let keys = self.ahead.find_keys(&[Arc::new(Int64Array::from(passed)) as ArrayRef])?;
        let rows = self.ahead.gather(keys.into_iter())?;
        self.ahead.update(&rows.negated(), |_, _, _| {})?;
        let rows = self.without_time(&rows)?;
        match self.comparison.shows_what_is_ahead() {
            true => Ok(rows.negated()),
            false => Ok(rows),
        }
    }

    /// The changes that show at once. Those of rows whose time is ahead are kept.
    fn admit(&mut self, changes: &Changes, bound: i64) -> Result<Changes> {
        let times = as_integers(&evaluate(&self.time, changes.rows())?)?;
        let holds = |row: usize| times.is_valid(row) && self.comparison.holds(times.value(row), bound);
        let shown: BooleanArray = (0..changes.len()).map(|row| Some(holds(row))).collect();
        let kept: BooleanArray = match self.comparison.shows_what_is_ahead() {
            true => shown.clone(),
            false => (0..changes.len()).map(|row| Some(times.is_valid(row) && !holds(row))).collect(),
        };
        let mut columns = changes.rows().columns().to_vec();
        columns.push(Arc::new(times.clone()));
        let timed = changes.with_rows(RecordBatch::try_new(self.ahead.schema().clone(), columns)?).filter(&kept)?;
        self.ahead.update(&timed, |_, _, _| {})?;
        self.times.extend(kept.values().set_indices().map(|row| times.value(row)));
        changes.filter(&shown)
    }

    fn without_time(&self, changes: &Changes) -> Result<Changes> {
        let columns = changes.rows().columns()[..self.schema.fields().len()].to_vec();
        Ok(changes.with_rows(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

/// Times as integers that compare as they do.
fn as_integers(times: &ArrayRef) -> Result<Int64Array> {
    let integers = match times.data_type() {
        DataType::Date32 => cast(&cast(times, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(times, &DataType::Int64)?,
    };
    Ok(integers.as_primitive::<Int64Type>().clone())
}

#[async_trait]
impl Operator for Temporal {
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("a filter has one input") };
        let bound = self.bound_at(moment.now_micros)?;
        let passed = self.pass(bound)?;
        let admitted = self.admit(input, bound)?;
        Changes::concat(&self.schema, &[passed, admitted])
    }

    fn states(&mut self) -> Vec<(&'static str, &mut dyn State)> {
        vec![("ahead", &mut self.ahead)]
    }

    fn follows_the_clock(&self) -> bool {
        true
    }

    fn restored(&mut self) {
        self.times = self.ahead.all().ok().into_iter().flat_map(|rows| last_column(&rows)).collect();
    }
}

fn last_column(rows: &Changes) -> Vec<i64> {
    rows.rows().columns().last().map_or_else(Vec::new, |times| times.as_primitive::<Int64Type>().values().to_vec())
}
