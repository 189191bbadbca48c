//! Rows that come, or go, by themselves when their time has come: a comparison with the clock, or a window that waits for the watermark.
//!
//! Only rows whose time is still ahead are kept: those that are visible until then, or those that are not yet. What is behind is forgotten,
//! for the clock does not go back.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::physical_expr::PhysicalExpr;

use super::bound::{Bound, as_integers};
use super::passed::{Passed, last_column};
use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::arrangement::Arrangement;
use crate::flow::engine::program::evaluate;
use crate::flow::engine::state::State;
use crate::model::Changes;

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
    bound: Bound,
    late: Late,
    /// The bound of the last tick.
    passed: Passed,
    schema: SchemaRef,
    /// The rows whose time is ahead, by their time, which is their last column.
    ahead: Arrangement,
    times: BTreeSet<i64>,
    late_rows: u64,
}

/// What becomes of rows that come although the bound had passed their time before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// They show at once.
    Show,
    /// They are counted and left out.
    Drop,
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

impl Temporal {
    pub fn new(schema: SchemaRef, time: Arc<dyn PhysicalExpr>, comparison: Comparison, bound: Bound, late: Late) -> Result<Temporal> {
        let mut fields = schema.fields().to_vec();
        fields.push(Arc::new(Field::new(TIME, DataType::Int64, true)));
        let key = vec![fields.len() - 1];
        let ahead = Arrangement::new(Arc::new(Schema::new(fields)), key)?;
        let passed = Passed::new();
        Ok(Temporal { time, comparison, bound, late, passed, late_rows: 0, schema, ahead, times: BTreeSet::new() })
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
    fn admit(&mut self, changes: &Changes, bound: Option<i64>) -> Result<Changes> {
        let times = as_integers(&evaluate(&self.time, changes.rows())?)?;
        let holds = |row: usize| times.is_valid(row) && bound.is_some_and(|bound| self.comparison.holds(times.value(row), bound));
        let is_late = |row: usize| {
            self.late == Late::Drop && self.passed.last().is_some_and(|passed| self.comparison.holds(times.value(row), passed))
        };
        let shown: BooleanArray = (0..changes.len()).map(|row| Some(holds(row) && !is_late(row))).collect();
        self.late_rows += (0..changes.len()).filter(|row| holds(*row) && is_late(*row)).count() as u64;
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

#[async_trait]
impl Operator for Temporal {
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("a filter has one input") };
        let bound = self.bound.at(moment)?.max(self.passed.last());
        let passed = match bound {
            Some(bound) => self.pass(bound)?,
            None => Changes::empty(self.schema.clone()),
        };
        let admitted = self.admit(input, bound)?;
        self.passed.set(bound);
        Changes::concat(&self.schema, &[passed, admitted])
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("ahead".to_string(), &mut self.ahead), ("passed".to_string(), &mut self.passed)]
    }

    fn late_rows(&self) -> u64 {
        self.late_rows
    }

    fn follows_the_clock(&self) -> bool {
        matches!(self.bound, Bound::Clock(_))
    }

    fn restored(&mut self) {
        self.times = self.ahead.all().ok().into_iter().flat_map(|rows| last_column(&rows)).collect();
    }
}
