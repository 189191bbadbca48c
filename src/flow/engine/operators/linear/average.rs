//! avg(x) over floats and decimals.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array};
use arrow::datatypes::DataType;

use super::sum::{DecimalSum, FloatSum};
use super::{Accumulator, Rows};
use crate::error::{Error, Result, SqlState};
use crate::flow::engine::interner::Number;

#[derive(Default)]
pub struct FloatAverage {
    sums: FloatSum,
}

impl Accumulator for FloatAverage {
    fn clear(&mut self, group: usize, numbers: usize) {
        self.sums.clear(group, numbers);
    }

    fn add(&mut self, values: &[ArrayRef], rows: &Rows) -> Result<()> {
        self.sums.add(values, rows)
    }

    fn result(&self, groups: &[Number]) -> Result<ArrayRef> {
        let average = |group: &Number| self.sums.sum(*group).map(|(sum, count)| sum / count as f64);
        Ok(Arc::new(Float64Array::from_iter(groups.iter().map(average))))
    }

    fn state_types(&self) -> Vec<DataType> {
        self.sums.state_types()
    }

    fn state(&self, groups: &[Number]) -> Vec<ArrayRef> {
        self.sums.state(groups)
    }

    fn restore(&mut self, groups: &[Number], state: &[ArrayRef]) {
        self.sums.restore(groups, state);
    }

    fn bytes(&self) -> usize {
        self.sums.bytes()
    }
}

pub struct DecimalAverage {
    sums: DecimalSum,
    /// The result has more digits behind the point than the values.
    factor: i128,
    result: DataType,
}

impl DecimalAverage {
    pub fn new(scale: i8, result: &DataType) -> DecimalAverage {
        let result_scale = match result {
            DataType::Decimal128(_, scale) => *scale,
            _ => scale,
        };
        let factor = 10_i128.pow((result_scale - scale).max(0) as u32);
        DecimalAverage { sums: DecimalSum::new(result), factor, result: result.clone() }
    }

    fn average(&self, group: Number) -> Result<Option<i128>> {
        let Some((sum, count)) = self.sums.sum(group) else { return Ok(None) };
        match sum.checked_mul(self.factor) {
            Some(scaled) => Ok(Some(scaled / i128::from(count))),
            None => Err(Error::data("an average is out of range").with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)),
        }
    }
}

impl Accumulator for DecimalAverage {
    fn clear(&mut self, group: usize, numbers: usize) {
        self.sums.clear(group, numbers);
    }

    fn add(&mut self, values: &[ArrayRef], rows: &Rows) -> Result<()> {
        self.sums.add(values, rows)
    }

    fn result(&self, groups: &[Number]) -> Result<ArrayRef> {
        let averages = groups.iter().map(|group| self.average(*group)).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Decimal128Array::from(averages).with_data_type(self.result.clone())))
    }

    fn state_types(&self) -> Vec<DataType> {
        self.sums.state_types()
    }

    fn state(&self, groups: &[Number]) -> Vec<ArrayRef> {
        self.sums.state(groups)
    }

    fn restore(&mut self, groups: &[Number], state: &[ArrayRef]) {
        self.sums.restore(groups, state);
    }

    fn bytes(&self) -> usize {
        self.sums.bytes()
    }
}
