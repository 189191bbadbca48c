//! min(x) and max(x) over rows that only come: the extreme so far is all that there is to know.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, PrimitiveArray, downcast_primitive};
use arrow::datatypes::DataType;

use super::count::Count;
use super::{Accumulator, Extreme, Rows};
use crate::error::Result;
use crate::flow::engine::interner::Number;

/// The accumulator for values of a type of a fixed width, `None` for others.
pub fn running(data_type: &DataType, extreme: Extreme) -> Option<Box<dyn Accumulator>> {
    macro_rules! of {
        ($primitive:ty) => {
            Some(Box::new(Running::<$primitive> { extreme, values: vec![], counts: Count::default(), data_type: data_type.clone() }))
        };
    }
    downcast_primitive! {
        data_type => (of),
        _ => None,
    }
}

struct Running<T: ArrowPrimitiveType> {
    extreme: Extreme,
    values: Vec<T::Native>,
    /// No value is known where this is 0.
    counts: Count,
    data_type: DataType,
}

impl<T: ArrowPrimitiveType> Running<T> {
    fn to_array(&self, groups: &[Number]) -> ArrayRef {
        let value = |group: &Number| (self.counts.of(*group) > 0).then(|| self.values[*group as usize]);
        let values: PrimitiveArray<T> = groups.iter().map(value).collect();
        Arc::new(values.with_data_type(self.data_type.clone()))
    }
}

impl<T: ArrowPrimitiveType> Accumulator for Running<T> {
    fn clear(&mut self, group: usize, numbers: usize) {
        self.values.resize(numbers, T::Native::default());
        self.counts.clear(group, numbers);
    }

    fn add(&mut self, values: &[ArrayRef], rows: &Rows) -> Result<()> {
        let new = values[0].as_primitive::<T>().values();
        rows.each(|row, group, weight| {
            let known = &mut self.values[group];
            let goes_further = match self.extreme {
                Extreme::Least => new[row].is_lt(*known),
                Extreme::Greatest => new[row].is_gt(*known),
            };
            if goes_further || self.counts.of(group as Number) == 0 {
                *known = new[row];
            }
            self.counts.add_to(group, weight);
        });
        Ok(())
    }

    fn result(&self, groups: &[Number]) -> Result<ArrayRef> {
        Ok(self.to_array(groups))
    }

    fn state_types(&self) -> Vec<DataType> {
        vec![self.data_type.clone(), DataType::Int64]
    }

    fn state(&self, groups: &[Number]) -> Vec<ArrayRef> {
        vec![self.to_array(groups), self.counts.to_array(groups)]
    }

    fn restore(&mut self, groups: &[Number], state: &[ArrayRef]) {
        let values = state[0].as_primitive::<T>();
        for (row, group) in groups.iter().enumerate().filter(|(row, _)| values.is_valid(*row)) {
            self.values[*group as usize] = values.value(row);
        }
        self.counts.restore(groups, &state[1..]);
    }

    fn bytes(&self) -> usize {
        self.values.capacity() * size_of::<T::Native>() + self.counts.bytes()
    }
}
