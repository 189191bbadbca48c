//! Fewer types to write: what Arrow can hold in several ways is cast, a whole column at a time, to the one that SQL knows.

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};

use crate::error::Result;
use crate::model::SqlType;

/// The result has one of the types of `is_canonical`. Values that do not fit are an error, never NULL.
pub(super) fn canonical(array: &ArrayRef) -> Result<ArrayRef> {
    let target = match array.data_type() {
        canonical if is_canonical(canonical) => return Ok(array.clone()),
        DataType::Dictionary(_, value) => return canonical(&cast(array, value)?),
        DataType::RunEndEncoded(_, value) => return canonical(&cast(array, value.data_type())?),
        DataType::List(element) | DataType::FixedSizeList(element, _) | DataType::ListView(element) | DataType::LargeListView(element) => {
            DataType::LargeList(element.clone())
        }
        other => SqlType::from_arrow(other).to_arrow(),
    };
    cast(array, &target)
}

fn is_canonical(data_type: &DataType) -> bool {
    use DataType::*;
    match data_type {
        Null | Boolean | Int16 | Int32 | Int64 | Float32 | Float64 | Decimal128(..) | Decimal256(..) | Date32 => true,
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView | FixedSizeBinary(_) => true,
        Time64(unit) | Timestamp(unit, _) => *unit == TimeUnit::Microsecond,
        Interval(unit) => *unit == IntervalUnit::MonthDayNano,
        LargeList(_) | Struct(_) | Map(..) | Union(..) => true,
        _ => false,
    }
}

fn cast(array: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(array, target, &options)?)
}
