//! `now()` in a job: the time of the batch, not the time the query was planned.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::prelude::SessionContext;

use crate::clock::Clock;

/// Replaces DataFusion's `now`, which it folds into the plan as a constant: a plan that lives for months would stop the clock.
pub fn register(context: &SessionContext) {
    let now = Now { clock: JobClock(Clock::wall()), signature: Signature::exact(vec![], Volatility::Volatile) };
    context.register_udf(ScalarUDF::new_from_impl(now).with_aliases(["current_timestamp"]));
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Now {
    clock: JobClock,
    signature: Signature,
}

/// All clocks of one server tell the same time, so two functions that differ in nothing else are the same function.
#[derive(Debug)]
struct JobClock(Clock);

impl PartialEq for JobClock {
    fn eq(&self, _: &JobClock) -> bool {
        true
    }
}

impl Eq for JobClock {}

impl std::hash::Hash for JobClock {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        "now"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> datafusion::error::Result<ColumnarValue> {
        let micros = self.clock.0.now_micros();
        Ok(ColumnarValue::Scalar(ScalarValue::TimestampMicrosecond(Some(micros), Some(Arc::from("UTC")))))
    }
}
