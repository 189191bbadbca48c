//! count(*), count(x).

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Int64Type};

use super::{Accumulator, Rows};
use crate::error::Result;
use crate::flow::engine::interner::Number;

#[derive(Default)]
pub struct Count {
    counts: Vec<i64>,
}

impl Count {
    pub fn of(&self, group: Number) -> i64 {
        self.counts[group as usize]
    }

    pub fn add_to(&mut self, group: usize, weight: i64) {
        self.counts[group] += weight;
    }

    pub fn to_array(&self, groups: &[Number]) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(groups.iter().map(|group| self.of(*group))))
    }
}

impl Accumulator for Count {
    fn clear(&mut self, group: usize, numbers: usize) {
        self.counts.resize(numbers, 0);
        self.counts[group] = 0;
    }

    fn add(&mut self, _: &[ArrayRef], rows: &Rows) -> Result<()> {
        rows.each(|_, group, weight| self.add_to(group, weight));
        Ok(())
    }

    fn result(&self, groups: &[Number]) -> Result<ArrayRef> {
        Ok(self.to_array(groups))
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64]
    }

    fn state(&self, groups: &[Number]) -> Vec<ArrayRef> {
        vec![self.to_array(groups)]
    }

    fn restore(&mut self, groups: &[Number], state: &[ArrayRef]) {
        let counts = state[0].as_primitive::<Int64Type>();
        groups.iter().zip(counts.values()).for_each(|(group, count)| self.counts[*group as usize] = *count);
    }

    fn bytes(&self) -> usize {
        self.counts.capacity() * size_of::<i64>()
    }
}
