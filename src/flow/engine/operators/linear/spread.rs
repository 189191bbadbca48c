//! Variances and standard deviations, from exact sums of the values and of their squares.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::{DataType, Float64Type};

use super::count::Count;
use super::exact_float::ExactSums;
use super::{Accumulator, Rows};
use crate::error::Result;
use crate::flow::engine::interner::Number;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SpreadKind {
    SampleVariance,
    PopulationVariance,
    SampleDeviation,
    PopulationDeviation,
}

impl SpreadKind {
    pub fn of(function: &str) -> SpreadKind {
        match function {
            "var_pop" => SpreadKind::PopulationVariance,
            "stddev" | "stddev_samp" => SpreadKind::SampleDeviation,
            "stddev_pop" => SpreadKind::PopulationDeviation,
            _ => SpreadKind::SampleVariance,
        }
    }
}

pub struct Spread {
    kind: SpreadKind,
    sums: ExactSums,
    squares: ExactSums,
    counts: Count,
}

impl Spread {
    pub fn new(kind: SpreadKind) -> Spread {
        Spread { kind, sums: ExactSums::default(), squares: ExactSums::default(), counts: Count::default() }
    }

    fn value(&self, group: Number) -> Option<f64> {
        let count = self.counts.of(group);
        let divisor = match self.kind {
            SpreadKind::SampleVariance | SpreadKind::SampleDeviation => count - 1,
            SpreadKind::PopulationVariance | SpreadKind::PopulationDeviation => count,
        };
        if divisor <= 0 {
            return None;
        }
        let deviations = self.squares.minus_square_of(&self.sums, count as f64, group);
        // Rounding may leave less than nothing; `max` would also take NaN for it.
        let variance = if deviations < 0.0 { 0.0 } else { deviations / divisor as f64 };
        Some(match self.kind {
            SpreadKind::SampleVariance | SpreadKind::PopulationVariance => variance,
            SpreadKind::SampleDeviation | SpreadKind::PopulationDeviation => variance.sqrt(),
        })
    }
}

impl Accumulator for Spread {
    fn clear(&mut self, group: usize, numbers: usize) {
        self.sums.clear(group, numbers);
        self.squares.clear(group, numbers);
        self.counts.clear(group, numbers);
    }

    fn add(&mut self, values: &[ArrayRef], rows: &Rows) -> Result<()> {
        let floats = values[0].as_primitive::<Float64Type>().values();
        rows.each(|row, group, weight| {
            self.sums.add(group, floats[row], weight);
            self.squares.add_square(group, floats[row], weight);
        });
        self.counts.add(values, rows)
    }

    fn result(&self, groups: &[Number]) -> Result<ArrayRef> {
        Ok(Arc::new(Float64Array::from_iter(groups.iter().map(|group| self.value(*group)))))
    }

    fn state_types(&self) -> Vec<DataType> {
        [ExactSums::state_types(), ExactSums::state_types(), vec![DataType::Int64]].concat()
    }

    fn state(&self, groups: &[Number]) -> Vec<ArrayRef> {
        [self.sums.state(groups), self.squares.state(groups), vec![self.counts.to_array(groups)]].concat()
    }

    fn restore(&mut self, groups: &[Number], state: &[ArrayRef]) {
        let count = ExactSums::state_types().len();
        self.sums.restore(groups, &state[..count]);
        self.squares.restore(groups, &state[count..2 * count]);
        self.counts.restore(groups, &state[2 * count..]);
    }

    fn bytes(&self) -> usize {
        self.sums.bytes() + self.squares.bytes() + self.counts.bytes()
    }
}
