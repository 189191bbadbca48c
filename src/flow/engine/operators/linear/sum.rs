//! sum(x) over integers, decimals and floats, and avg(x) over floats, which is a sum and a count.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use super::count::Count;
use super::exact_float::ExactSums;
use super::{Accumulator, Rows};
use crate::error::Result;
use crate::flow::engine::interner::Number;

/// A sum that is null over no values needs to know how many there are.
#[derive(Default)]
pub struct IntegerSum {
    sums: Vec<i64>,
    counts: Count,
}

impl Accumulator for IntegerSum {
    fn clear(&mut self, group: usize, numbers: usize) {
        self.sums.resize(numbers, 0);
        self.sums[group] = 0;
        self.counts.clear(group, numbers);
    }

    fn add(&mut self, values: &[ArrayRef], rows: &Rows) -> Result<()> {
        let integers = values[0].as_primitive::<Int64Type>().values();
        // Wraps as the sum of a query does that runs once.
        rows.each(|row, group, weight| self.sums[group] = self.sums[group].wrapping_add(integers[row].wrapping_mul(weight)));
        self.counts.add(values, rows)
    }

    fn result(&self, groups: &[Number]) -> Result<ArrayRef> {
        let sum = |group: &Number| (self.counts.of(*group) > 0).then(|| self.sums[*group as usize]);
        Ok(Arc::new(Int64Array::from_iter(groups.iter().map(sum))))
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64, DataType::Int64]
    }

    fn state(&self, groups: &[Number]) -> Vec<ArrayRef> {
        let sums = Int64Array::from_iter_values(groups.iter().map(|group| self.sums[*group as usize]));
        vec![Arc::new(sums), self.counts.to_array(groups)]
    }

    fn restore(&mut self, groups: &[Number], state: &[ArrayRef]) {
        let sums = state[0].as_primitive::<Int64Type>();
        groups.iter().zip(sums.values()).for_each(|(group, sum)| self.sums[*group as usize] = *sum);
        self.counts.restore(groups, &state[1..]);
    }

    fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<i64>() + self.counts.bytes()
    }
}

pub struct DecimalSum {
    sums: Vec<i128>,
    counts: Count,
    result: DataType,
}

impl DecimalSum {
    /// Of values with as many digits behind the point as the result has.
    pub fn new(result: &DataType) -> DecimalSum {
        DecimalSum { sums: vec![], counts: Count::default(), result: result.clone() }
    }
}

impl Accumulator for DecimalSum {
    fn clear(&mut self, group: usize, numbers: usize) {
        self.sums.resize(numbers, 0);
        self.sums[group] = 0;
        self.counts.clear(group, numbers);
    }

    fn add(&mut self, values: &[ArrayRef], rows: &Rows) -> Result<()> {
        let decimals = values[0].as_primitive::<Decimal128Type>().values();
        rows.each(|row, group, weight| self.sums[group] = self.sums[group].wrapping_add(decimals[row].wrapping_mul(weight.into())));
        self.counts.add(values, rows)
    }

    fn result(&self, groups: &[Number]) -> Result<ArrayRef> {
        let sum = |group: &Number| (self.counts.of(*group) > 0).then(|| self.sums[*group as usize]);
        Ok(Arc::new(Decimal128Array::from_iter(groups.iter().map(sum)).with_data_type(self.result.clone())))
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![WIDE, DataType::Int64]
    }

    fn state(&self, groups: &[Number]) -> Vec<ArrayRef> {
        let sums = Decimal128Array::from_iter_values(groups.iter().map(|group| self.sums[*group as usize]));
        vec![Arc::new(sums.with_data_type(WIDE)), self.counts.to_array(groups)]
    }

    fn restore(&mut self, groups: &[Number], state: &[ArrayRef]) {
        let sums = state[0].as_primitive::<Decimal128Type>();
        groups.iter().zip(sums.values()).for_each(|(group, sum)| self.sums[*group as usize] = *sum);
        self.counts.restore(groups, &state[1..]);
    }

    fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<i128>() + self.counts.bytes()
    }
}

/// Holds any sum: its scale is not looked at.
const WIDE: DataType = DataType::Decimal128(38, 0);

/// What is asked of a sum and the number of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    Sum,
    Average,
}

pub struct FloatSum {
    sums: ExactSums,
    counts: Count,
    gives: Gives,
}

impl FloatSum {
    pub fn new(gives: Gives) -> FloatSum {
        FloatSum { sums: ExactSums::default(), counts: Count::default(), gives }
    }

    fn value(&self, group: Number) -> Option<f64> {
        let (sum, count) = (self.sums.value(group), self.counts.of(group));
        match self.gives {
            _ if count <= 0 => None,
            Gives::Sum => Some(sum),
            Gives::Average => Some(sum / count as f64),
        }
    }
}

impl Accumulator for FloatSum {
    fn clear(&mut self, group: usize, numbers: usize) {
        self.sums.clear(group, numbers);
        self.counts.clear(group, numbers);
    }

    fn add(&mut self, values: &[ArrayRef], rows: &Rows) -> Result<()> {
        let floats = values[0].as_primitive::<Float64Type>().values();
        rows.each(|row, group, weight| self.sums.add(group, floats[row], weight));
        self.counts.add(values, rows)
    }

    fn result(&self, groups: &[Number]) -> Result<ArrayRef> {
        Ok(Arc::new(Float64Array::from_iter(groups.iter().map(|group| self.value(*group)))))
    }

    fn state_types(&self) -> Vec<DataType> {
        [ExactSums::state_types(), vec![DataType::Int64]].concat()
    }

    fn state(&self, groups: &[Number]) -> Vec<ArrayRef> {
        [self.sums.state(groups), vec![self.counts.to_array(groups)]].concat()
    }

    fn restore(&mut self, groups: &[Number], state: &[ArrayRef]) {
        let (sums, counts) = state.split_at(ExactSums::state_types().len());
        self.sums.restore(groups, sums);
        self.counts.restore(groups, counts);
    }

    fn bytes(&self) -> usize {
        self.sums.bytes() + self.counts.bytes()
    }
}
