//! bool_and(x), bool_or(x): counts of what is true and of what is false.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::DataType;

use super::count::Count;
use super::{Accumulator, Rows};
use crate::error::Result;
use crate::flow::engine::interner::Number;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TruthKind {
    Every,
    Any,
}

pub struct Truth {
    kind: TruthKind,
    all: Count,
    truths: Vec<i64>,
}

impl Truth {
    pub fn new(kind: TruthKind) -> Truth {
        Truth { kind, all: Count::default(), truths: vec![] }
    }

    fn value(&self, group: Number) -> Option<bool> {
        let (all, truths) = (self.all.of(group), self.truths[group as usize]);
        (all > 0).then_some(match self.kind {
            TruthKind::Every => truths == all,
            TruthKind::Any => truths > 0,
        })
    }
}

impl Accumulator for Truth {
    fn clear(&mut self, group: usize, numbers: usize) {
        self.all.clear(group, numbers);
        self.truths.resize(numbers, 0);
        self.truths[group] = 0;
    }

    fn add(&mut self, values: &[ArrayRef], rows: &Rows) -> Result<()> {
        let values_of = values[0].as_boolean();
        rows.each(|row, group, weight| self.truths[group] += weight * i64::from(values_of.value(row)));
        self.all.add(values, rows)
    }

    fn result(&self, groups: &[Number]) -> Result<ArrayRef> {
        Ok(Arc::new(BooleanArray::from_iter(groups.iter().map(|group| self.value(*group)))))
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![DataType::Int64, DataType::Int64]
    }

    fn state(&self, groups: &[Number]) -> Vec<ArrayRef> {
        let truths = arrow::array::Int64Array::from_iter_values(groups.iter().map(|group| self.truths[*group as usize]));
        vec![Arc::new(truths), self.all.to_array(groups)]
    }

    fn restore(&mut self, groups: &[Number], state: &[ArrayRef]) {
        let truths = state[0].as_primitive::<arrow::datatypes::Int64Type>();
        groups.iter().zip(truths.values()).for_each(|(group, count)| self.truths[*group as usize] = *count);
        self.all.restore(groups, &state[1..]);
    }

    fn bytes(&self) -> usize {
        self.truths.capacity() * size_of::<i64>() + self.all.bytes()
    }
}
