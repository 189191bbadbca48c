//! The aggregates that are linear: the state of rows that came and went is the sum of the states of each, with its weight.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::Rows;
use super::count::Count;
use super::spread::{Spread, SpreadKind};
use super::sum::{DecimalSum, FloatSum, Gives, IntegerSum};
use super::truth::{Truth, TruthKind};
use crate::error::Result;
use crate::flow::engine::interner::Number;

/// What an aggregate knows of each group, by the group's number.
pub trait Accumulator: Send {
    /// Makes room for `numbers` groups and forgets what was known of `group`.
    fn clear(&mut self, group: usize, numbers: usize);

    fn add(&mut self, values: &[ArrayRef], rows: &Rows) -> Result<()>;

    fn result(&self, groups: &[Number]) -> Result<ArrayRef>;

    fn state_types(&self) -> Vec<DataType>;

    fn state(&self, groups: &[Number]) -> Vec<ArrayRef>;

    /// Takes what `state` gave, one row for each group.
    fn restore(&mut self, groups: &[Number], state: &[ArrayRef]);

    fn bytes(&self) -> usize;
}

/// The accumulator of a function, if it is linear for arguments of these types.
pub fn accumulator_for(function: &str, arguments: &[DataType], result: &DataType) -> Option<Box<dyn Accumulator>> {
    let argument = arguments.first();
    Some(match (function, argument, result) {
        ("count", _, DataType::Int64) => Box::new(Count::default()),
        ("sum", Some(DataType::Int64), DataType::Int64) => Box::new(IntegerSum::default()),
        ("sum", Some(DataType::Float64), DataType::Float64) => Box::new(FloatSum::new(Gives::Sum)),
        ("sum", Some(DataType::Decimal128(_, from)), DataType::Decimal128(_, to)) if from == to => Box::new(DecimalSum::new(result)),
        ("avg", Some(DataType::Float64), DataType::Float64) => Box::new(FloatSum::new(Gives::Average)),
        ("var" | "var_samp" | "var_pop" | "stddev" | "stddev_samp" | "stddev_pop", Some(DataType::Float64), DataType::Float64) => {
            Box::new(Spread::new(SpreadKind::of(function)))
        }
        ("bool_and", Some(DataType::Boolean), DataType::Boolean) => Box::new(Truth::new(TruthKind::Every)),
        ("bool_or", Some(DataType::Boolean), DataType::Boolean) => Box::new(Truth::new(TruthKind::Any)),
        _ => return None,
    })
}
