//! Sums of floats from which floats can be taken away again.
//!
//! A sum is kept as two floats whose digits follow one another (T. J. Dekker, "A floating-point technique for extending the available
//! precision", 1971): 106 bits, so that what is taken away leaves nothing behind that a user could see. Infinities and NaN cannot be taken
//! away from a sum at all; they are counted beside it. So are values whose sum could become infinite on the way: they have a sum of their own,
//! scaled down.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array};
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use crate::flow::engine::interner::Number;

#[derive(Default)]
pub struct ExactSums {
    sums: Vec<Sum>,
    /// Of the few groups that have any.
    specials: HashMap<Number, Specials>,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Sum {
    high: f64,
    low: f64,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Specials {
    nan: i64,
    infinite: i64,
    negative_infinite: i64,
    /// Of values from `HUGE` on, each times `SCALE`.
    huge: Sum,
}

/// As many values below this as there can be have a finite sum.
const HUGE: f64 = f64::from_bits((1023 + 900) << 52);
/// Powers of two, by which a value is multiplied without loss.
const SCALE: f64 = f64::from_bits((1023 - 200) << 52);
const UNSCALE: f64 = f64::from_bits((1023 + 200) << 52);

impl Sum {
    fn add(&mut self, value: f64) {
        let (sum, error) = two_sum(self.high, value);
        let low = self.low + error;
        (self.high, self.low) = two_sum(sum, low);
    }
}

/// The rounded sum of two floats, and what rounding left out.
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// The rounded product of two floats, and what rounding left out.
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let product = a * b;
    (product, a.mul_add(b, -product))
}

impl ExactSums {
    pub fn clear(&mut self, group: usize, numbers: usize) {
        self.sums.resize(numbers, Sum::default());
        self.sums[group] = Sum::default();
        self.specials.remove(&(group as Number));
    }

    pub fn add(&mut self, group: usize, value: f64, weight: i64) {
        if !value.is_finite() {
            return self.add_special(group, value, weight);
        }
        if value.abs() >= HUGE {
            return self.change_specials(group, |specials| {
                let (product, error) = two_product(value * SCALE, weight as f64);
                specials.huge.add(product);
                specials.huge.add(error);
            });
        }
        let (product, error) = match weight {
            1 => (value, 0.0),
            -1 => (-value, 0.0),
            weight => two_product(value, weight as f64),
        };
        let sum = &mut self.sums[group];
        sum.add(product);
        if error != 0.0 {
            sum.add(error);
        }
    }

    /// Adds the square of a value, to the last bit.
    pub fn add_square(&mut self, group: usize, value: f64, weight: i64) {
        if !value.is_finite() {
            return self.add_special(group, value * value, weight);
        }
        let (square, error) = two_product(value, value);
        self.add(group, square, weight);
        if error != 0.0 && error.is_finite() {
            self.add(group, error, weight);
        }
    }

    fn add_special(&mut self, group: usize, value: f64, weight: i64) {
        self.change_specials(group, |specials| match value {
            _ if value.is_nan() => specials.nan += weight,
            _ if value > 0.0 => specials.infinite += weight,
            _ => specials.negative_infinite += weight,
        });
    }

    fn change_specials(&mut self, group: usize, change: impl FnOnce(&mut Specials)) {
        let specials = self.specials.entry(group as Number).or_default();
        change(specials);
        if *specials == Specials::default() {
            self.specials.remove(&(group as Number));
        }
    }

    pub fn value(&self, group: Number) -> f64 {
        let Sum { high, low } = self.sums[group as usize];
        match self.specials.get(&group) {
            None => high + low,
            Some(Specials { nan: 0, infinite: 0, negative_infinite: 0, huge }) => {
                let mut all = *huge;
                all.add(high * SCALE);
                all.add(low * SCALE);
                (all.high + all.low) * UNSCALE
            }
            Some(Specials { nan: 0, infinite: 1.., negative_infinite: 0, .. }) => f64::INFINITY,
            Some(Specials { nan: 0, infinite: 0, negative_infinite: 1.., .. }) => f64::NEG_INFINITY,
            Some(_) => f64::NAN,
        }
    }

    /// This sum − `other`² ÷ `count`, before it is rounded: where the two are nearly alike, only the digits behind tell.
    pub fn minus_square_of(&self, other: &ExactSums, count: f64, group: Number) -> f64 {
        if self.specials.contains_key(&group) || other.specials.contains_key(&group) {
            return f64::NAN;
        }
        let Sum { high, low } = other.sums[group as usize];
        let (square, error) = two_product(high, high);
        let error = error + 2.0 * high * low;
        let quotient = square / count;
        // What the division left out: square − quotient × count, divided.
        let (product, product_error) = two_product(quotient, count);
        let rest = ((square - product) - product_error + error) / count;
        let mut difference = self.sums[group as usize];
        difference.add(-quotient);
        difference.add(-rest);
        difference.high + difference.low
    }

    pub fn state_types() -> Vec<DataType> {
        let sum = [DataType::Float64, DataType::Float64];
        [&sum[..], &[DataType::Int64, DataType::Int64, DataType::Int64], &sum[..]].concat()
    }

    pub fn state(&self, groups: &[Number]) -> Vec<ArrayRef> {
        let special = |of: fn(&Specials) -> i64| {
            let count = |group: &Number| self.specials.get(group).map_or(0, of);
            Arc::new(Int64Array::from_iter_values(groups.iter().map(count))) as ArrayRef
        };
        let part = |of: fn(&Sum) -> f64| {
            Arc::new(Float64Array::from_iter_values(groups.iter().map(|group| of(&self.sums[*group as usize])))) as ArrayRef
        };
        let huge = |of: fn(&Sum) -> f64| {
            let part = |group: &Number| self.specials.get(group).map_or(0.0, |specials| of(&specials.huge));
            Arc::new(Float64Array::from_iter_values(groups.iter().map(part))) as ArrayRef
        };
        vec![
            part(|sum| sum.high),
            part(|sum| sum.low),
            special(|specials| specials.nan),
            special(|specials| specials.infinite),
            special(|specials| specials.negative_infinite),
            huge(|sum| sum.high),
            huge(|sum| sum.low),
        ]
    }

    pub fn restore(&mut self, groups: &[Number], state: &[ArrayRef]) {
        let sum = |nth: usize, row: usize| {
            let part = |nth: usize| state[nth].as_primitive::<Float64Type>().value(row);
            Sum { high: part(nth), low: part(nth + 1) }
        };
        let special = |nth: usize, row: usize| state[nth].as_primitive::<Int64Type>().value(row);
        for (row, group) in groups.iter().enumerate() {
            self.sums[*group as usize] = sum(0, row);
            let (nan, infinite, negative_infinite) = (special(2, row), special(3, row), special(4, row));
            let specials = Specials { nan, infinite, negative_infinite, huge: sum(5, row) };
            match specials == Specials::default() {
                true => self.specials.remove(group),
                false => self.specials.insert(*group, specials),
            };
        }
    }

    pub fn bytes(&self) -> usize {
        self.sums.capacity() * size_of::<Sum>() + self.specials.capacity() * size_of::<(Number, Specials)>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_taken_away_leaves_nothing(kept in prop::collection::vec(-1e6f64..1e6, 1..20), taken in prop::collection::vec(-1e12f64..1e12, 0..50)) {
            let (mut sums, mut alone) = (ExactSums::default(), ExactSums::default());
            sums.clear(0, 1);
            alone.clear(0, 1);
            taken.iter().for_each(|value| sums.add(0, *value, 1));
            kept.iter().for_each(|value| sums.add(0, *value, 1));
            kept.iter().for_each(|value| alone.add(0, *value, 1));
            taken.iter().rev().for_each(|value| sums.add(0, *value, -1));
            prop_assert!((sums.value(0) - alone.value(0)).abs() <= 1e-12, "{} and {}", sums.value(0), alone.value(0));
        }
    }

    #[test]
    fn infinities_come_and_go() {
        let mut sums = ExactSums::default();
        sums.clear(0, 1);
        sums.add(0, 1.5, 1);
        sums.add(0, f64::INFINITY, 1);
        assert_eq!(sums.value(0), f64::INFINITY);
        sums.add(0, f64::NEG_INFINITY, 1);
        assert!(sums.value(0).is_nan());
        sums.add(0, f64::INFINITY, -1);
        sums.add(0, f64::NEG_INFINITY, -1);
        assert_eq!(sums.value(0), 1.5);
    }

    #[test]
    fn a_sum_that_is_infinite_for_a_while_comes_back() {
        let mut sums = ExactSums::default();
        sums.clear(0, 1);
        sums.add(0, 1.5, 1);
        sums.add(0, f64::MAX, 1);
        assert_eq!(sums.value(0), f64::MAX);
        sums.add(0, f64::MAX, 1);
        assert_eq!(sums.value(0), f64::INFINITY);
        sums.add(0, f64::MAX, -1);
        assert_eq!(sums.value(0), f64::MAX);
        sums.add(0, f64::MAX, -1);
        assert_eq!(sums.value(0), 1.5);
    }
}
