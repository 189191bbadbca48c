//! `date_bin(stride, time [, origin])`, in microseconds.
//!
//! DataFusion's own counts nanoseconds: it gives null for times after 2262, and a type of its own for times with a zone.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, new_null_array};
use arrow::datatypes::{DataType, IntervalMonthDayNanoType, IntervalUnit, TimeUnit, TimestampMicrosecondType};
use chrono::{DateTime, Datelike, Months, Utc};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

const MICROS_PER_DAY: i64 = 24 * 3600 * 1_000_000;
const NANOS_PER_MICRO: i64 = 1_000;
const MONTHS_PER_YEAR: i64 = 12;

/// `(interval, timestamp [, timestamp])`, or the same with time zones. The result has the type of the time.
pub fn function() -> ScalarUDF {
    ScalarUDF::from(DateBin { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DateBin {
    signature: Signature,
}

/// How long a bin is. Positive.
#[derive(Debug, Clone, Copy)]
enum Stride {
    Micros(i64),
    Months(i64),
}

impl ScalarUDFImpl for DateBin {
    fn name(&self) -> &str {
        "date_bin"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[1].clone())
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let (stride, time) = match arguments {
            [stride, time] | [stride, time, _] => (stride, time),
            _ => return plan_err!("date_bin takes an interval, a time, and an origin if need be"),
        };
        if !matches!(stride, DataType::Interval(_) | DataType::Utf8 | DataType::Null) {
            return plan_err!("date_bin takes an interval first, not {stride}");
        }
        let time = match time {
            DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
            DataType::Date32 | DataType::Date64 | DataType::Utf8 | DataType::Null => DataType::Timestamp(TimeUnit::Microsecond, None),
            other => return plan_err!("date_bin takes a time second, not {other}"),
        };
        let origin = arguments.get(2).map(|_| time.clone());
        Ok([DataType::Interval(IntervalUnit::MonthDayNano), time].into_iter().chain(origin).collect())
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [stride, time, origin @ ..] = &arguments.args[..] else { return exec_err!("date_bin was given too few arguments") };
        let is_scalar = matches!(time, ColumnarValue::Scalar(_));
        let times = time.to_array(if is_scalar { 1 } else { arguments.number_rows })?;
        let binned = match (stride_of(stride)?, origin_of(origin.first())?) {
            (Some(stride), Some(origin)) => bin_all(&times, stride, origin)?,
            _ => new_null_array(times.data_type(), times.len()),
        };
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&binned, 0)?)),
            false => Ok(ColumnarValue::Array(binned)),
        }
    }

    /// Bins are in the order of the times in them.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let [stride, time, origin @ ..] = inputs else { return Ok(SortProperties::Unordered) };
        let is_constant = |input: &ExprProperties| input.sort_properties == SortProperties::Singleton;
        match is_constant(stride) && origin.iter().all(is_constant) {
            true => Ok(time.sort_properties),
            false => Ok(SortProperties::Unordered),
        }
    }
}

/// `None` for null.
fn stride_of(stride: &ColumnarValue) -> Result<Option<Stride>> {
    let value = match stride {
        ColumnarValue::Scalar(ScalarValue::IntervalMonthDayNano(Some(value))) => *value,
        ColumnarValue::Scalar(value) if value.is_null() => return Ok(None),
        _ => return exec_err!("the interval of date_bin must be a constant"),
    };
    let (months, days, nanos) = IntervalMonthDayNanoType::to_parts(value);
    let micros = i64::from(days).checked_mul(MICROS_PER_DAY).and_then(|days| days.checked_add(nanos / NANOS_PER_MICRO));
    match (i64::from(months), micros) {
        _ if nanos % NANOS_PER_MICRO != 0 => exec_err!("the interval of date_bin is finer than a microsecond"),
        (0, Some(micros)) if micros > 0 => Ok(Some(Stride::Micros(micros))),
        (months, Some(0)) if months > 0 => Ok(Some(Stride::Months(months))),
        (0, Some(_)) | (_, Some(0)) => exec_err!("stride must be greater than zero"),
        (_, Some(_)) => exec_err!("the interval of date_bin mixes months with days or less"),
        (_, None) => exec_err!("interval out of range"),
    }
}

/// Microseconds since 1970; `None` for null.
fn origin_of(origin: Option<&ColumnarValue>) -> Result<Option<i64>> {
    match origin {
        None => Ok(Some(0)),
        Some(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(origin, _))) => Ok(*origin),
        Some(_) => exec_err!("the origin of date_bin must be a constant"),
    }
}

fn bin_all(times: &ArrayRef, stride: Stride, origin: i64) -> Result<ArrayRef> {
    let micros = times.as_primitive::<TimestampMicrosecondType>();
    let bin = |time: i64| match stride {
        Stride::Micros(stride) => bin_micros(time, stride, origin),
        Stride::Months(stride) => bin_months(time, stride, origin),
    };
    let out_of_range = || exec_datafusion_err!("timestamp out of range");
    let binned = micros.try_unary::<_, TimestampMicrosecondType, _>(|time| bin(time).ok_or_else(out_of_range))?;
    Ok(Arc::new(binned.with_data_type(times.data_type().clone())))
}

fn bin_micros(time: i64, stride: i64, origin: i64) -> Option<i64> {
    let since = time.checked_sub(origin)?;
    time.checked_sub(since.rem_euclid(stride))
}

/// The latest of origin, origin + stride, … that is not after the time. Months end where the calendar of UTC says.
fn bin_months(time: i64, stride: i64, origin: i64) -> Option<i64> {
    let (time, origin) = (DateTime::from_timestamp_micros(time)?, DateTime::from_timestamp_micros(origin)?);
    let number = |time: DateTime<Utc>| i64::from(time.year()) * MONTHS_PER_YEAR + i64::from(time.month0());
    let back = (number(time) - number(origin)).div_euclid(stride) * stride;
    // In the bin's first month the origin's day may still be to come.
    let start = add_months(origin, back)?;
    let start = if start > time { add_months(origin, back - stride)? } else { start };
    Some(start.timestamp_micros())
}

fn add_months(time: DateTime<Utc>, months: i64) -> Option<DateTime<Utc>> {
    let count = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    if months < 0 { time.checked_sub_months(count) } else { time.checked_add_months(count) }
}
