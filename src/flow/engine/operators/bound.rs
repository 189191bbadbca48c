//! What the times of rows are compared with: the clock, or how far the input's times have come. It never becomes less.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimeUnit};
use datafusion::physical_expr::PhysicalExpr;

use super::Moment;
use crate::error::{Error, Result};
use crate::flow::engine::program::evaluate;
use crate::flow::engine::watermark::Watermarks;

/// The one column that a bound is computed over: the time that it is.
pub const NOW: &str = "__now";

pub enum Bound {
    /// Over the clock.
    Clock(Arc<dyn PhysicalExpr>),
    /// The least of these, each over the watermark of a relation.
    Watermark { of: Vec<(usize, Arc<dyn PhysicalExpr>)>, watermarks: Watermarks },
}

impl Bound {
    /// The bound as an integer that compares as times of its type do (`as_integers`). `None` while nothing is known.
    pub fn at(&self, moment: Moment) -> Result<Option<i64>> {
        match self {
            Bound::Clock(expression) => at_time(expression, moment.now_micros).map(Some),
            Bound::Watermark { of, watermarks } => {
                let bounds = of
                    .iter()
                    .map(|(relation, expression)| watermarks.get(*relation).map(|watermark| at_time(expression, watermark)).transpose());
                let bounds = bounds.collect::<Result<Vec<_>>>()?;
                Ok(bounds.into_iter().collect::<Option<Vec<_>>>().and_then(|bounds| bounds.into_iter().min()))
            }
        }
    }
}

/// The columns that a bound is computed over.
pub fn now_schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new(NOW, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false)]))
}

/// Times as integers that compare as they do.
pub fn as_integers(times: &ArrayRef) -> Result<Int64Array> {
    let integers = match times.data_type() {
        DataType::Date32 => cast(&cast(times, &DataType::Int32)?, &DataType::Int64)?,
        _ => cast(times, &DataType::Int64)?,
    };
    Ok(integers.as_primitive::<Int64Type>().clone())
}

fn at_time(expression: &Arc<dyn PhysicalExpr>, micros: i64) -> Result<i64> {
    let now = TimestampMicrosecondArray::from(vec![micros]).with_timezone("UTC");
    let row = RecordBatch::try_new(now_schema(), vec![Arc::new(now)])?;
    let bound = as_integers(&evaluate(expression, &row)?)?;
    match bound.is_valid(0) {
        true => Ok(bound.value(0)),
        false => Err(Error::data("a comparison with the clock has no value")),
    }
}
