//! Rows that come later than the watermark allows are left out and counted: what they would have met may be forgotten already.

use arrow::array::{Array, BooleanArray};
use async_trait::async_trait;

use super::bound::{Bound, as_integers};
use super::passed::Passed;
use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::state::State;
use crate::model::Changes;

pub struct InTime {
    /// The time of a row: its column.
    column: usize,
    bound: Bound,
    passed: Passed,
    late_rows: u64,
}

impl InTime {
    pub fn new(column: usize, bound: Bound) -> InTime {
        InTime { column, bound, passed: Passed::new(), late_rows: 0 }
    }
}

#[async_trait]
impl Operator for InTime {
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("a filter has one input") };
        let passed = self.passed.last();
        self.passed.set(self.bound.at(moment)?.max(passed));
        let Some(passed) = passed.filter(|_| !input.is_empty()) else { return Ok(input.clone()) };
        let times = as_integers(input.rows().column(self.column))?;
        let is_late = |row: usize| times.is_valid(row) && times.value(row) < passed;
        let in_time: BooleanArray = (0..input.len()).map(|row| Some(!is_late(row))).collect();
        let late = input.len() - in_time.true_count();
        self.late_rows += late as u64;
        if late == 0 { Ok(input.clone()) } else { input.filter(&in_time) }
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("passed".to_string(), &mut self.passed)]
    }

    fn late_rows(&self) -> u64 {
        self.late_rows
    }
}
