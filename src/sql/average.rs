//! What divides a sum by a count. [`super::numeric_avg`] puts it into plans; it has no name in SQL.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray, Decimal128Array};
use arrow::compute::cast;
use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Decimal128Type, DecimalType, Int64Type, i256};
use datafusion::common::{ScalarValue, internal_err};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::numeric_sum::BIGINT_DIGITS;
use crate::error::{Error, SqlState};

/// Digits behind the point that an average has at least: PostgreSQL's least number of significant digits.
const SCALE: i8 = 16;

/// `average(sum, count)`: null where nothing was counted.
pub static FUNCTION: LazyLock<ScalarUDF> =
    LazyLock::new(|| ScalarUDF::from(Average { signature: Signature::any(2, Volatility::Immutable) }));

/// Digits behind the point of an average of values of this type, if it is numeric.
pub fn scale(averaged: &DataType) -> Option<i8> {
    match averaged {
        DataType::Decimal128(_, scale) => Some((*scale).max(SCALE)),
        other if other.is_integer() => Some(SCALE),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Average {
    signature: Signature,
}

impl ScalarUDFImpl for Average {
    fn name(&self) -> &str {
        "average"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match scale(&arguments[0]) {
            Some(scale) => Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale)),
            None => internal_err!("an average of {}", arguments[0]),
        }
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let result = arguments.return_field.data_type();
        let is_scalar = arguments.args.iter().all(|argument| matches!(argument, ColumnarValue::Scalar(_)));
        let columns = ColumnarValue::values_to_arrays(&arguments.args)?;
        let averages = averages(columns[0].as_ref(), columns[1].as_ref(), result)?;
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&averages, 0)?)),
            false => Ok(ColumnarValue::Array(Arc::new(averages))),
        }
    }
}

fn averages(sums: &dyn Array, counts: &dyn Array, result: &DataType) -> Result<Decimal128Array> {
    let sums = match sums.data_type() {
        DataType::Int64 => cast(sums, &DataType::Decimal128(BIGINT_DIGITS, 0))?,
        _ => sums.slice(0, sums.len()),
    };
    let (sums, counts) = (sums.as_primitive::<Decimal128Type>(), counts.as_primitive::<Int64Type>());
    let DataType::Decimal128(precision, scale) = *result else { return internal_err!("an average that is {result}") };
    let factor = 10_i128.pow((scale - sums.scale()) as u32);
    let average = |(sum, count): (Option<i128>, Option<i64>)| match (sum, count) {
        (Some(sum), Some(count)) if count > 0 => divide(sum, factor, count.into(), precision).map(Some).ok_or_else(out_of_range),
        _ => Ok(None),
    };
    let averages = sums.iter().zip(counts).map(average).collect::<Result<Decimal128Array, Error>>()?;
    Ok(averages.with_data_type(result.clone()))
}

/// `sum * factor / count`, halves away from zero, if it has no more digits than there is room for.
fn divide(sum: i128, factor: i128, count: i128, precision: u8) -> Option<i128> {
    let average = match sum.checked_mul(factor) {
        Some(scaled) => scaled / count + round(scaled % count, count),
        None => {
            let (scaled, count) = (i256::from_i128(sum).checked_mul(i256::from_i128(factor))?, i256::from_i128(count));
            let remainder = scaled.checked_rem(count)?.to_i128()?;
            scaled.checked_div(count)?.to_i128()?.checked_add(round(remainder, count.to_i128()?))?
        }
    };
    Decimal128Type::is_valid_decimal_precision(average, precision).then_some(average)
}

/// What a remainder adds to a quotient. A count is far below the limits of 128 bits.
fn round(remainder: i128, count: i128) -> i128 {
    if 2 * remainder.abs() >= count { remainder.signum() } else { 0 }
}

fn out_of_range() -> Error {
    Error::data("an average is out of range")
        .with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)
        .with_hint("cast what is averaged to double precision")
}

#[cfg(test)]
mod tests {
    use super::divide;

    #[test]
    fn halves_are_rounded_away_from_zero() {
        let rounded = |sum, count| divide(sum, 10, count, 38);
        assert_eq!([rounded(2, 3), rounded(-2, 3), rounded(1, 4), rounded(-1, 4), rounded(1, 8)], [7, -7, 3, -3, 1].map(Some));
    }

    #[test]
    fn products_of_more_than_128_bits_are_divided_exactly() {
        let factor = 10_i128.pow(16);
        let sum = i128::from(i64::MAX) * 1_000_000_000;
        assert_eq!(divide(sum, factor, 1_000_000_000, 38), Some(i128::from(i64::MAX) * factor));
        assert_eq!(divide(-sum - 1, factor, 1_000_000_000, 38), Some(-i128::from(i64::MAX) * factor - 10_000_000));
        assert_eq!(divide(i128::MAX, factor, 1, 38), None);
    }
}
