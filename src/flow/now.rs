//! `now()` and its like in a job: the time of the batch, not the time the query was planned.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use chrono::Timelike;
use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::prelude::SessionContext;

use crate::clock::Clock;
use crate::sql::planner::CLOCKS;

const SECONDS_PER_DAY: i64 = 24 * 3600;

/// Replaces the functions that DataFusion folds into the plan as constants: a plan that lives for months would stop the clock.
pub fn register(context: &SessionContext) {
    let function = |moment| ScalarUDF::new_from_impl(Now { moment, signature: Signature::exact(vec![], Volatility::Volatile) });
    context.register_udf(function(Moment::Timestamp).with_aliases(["current_timestamp"]));
    context.register_udf(function(Moment::Date).with_aliases(["today"]));
    context.register_udf(function(Moment::Time));
}

/// Whether a function is one of these.
pub fn is_clock(function: &str) -> bool {
    CLOCKS.contains(&function)
}

/// The first of these functions in an expression, by name.
pub fn clock_in(expression: &Expr) -> Option<String> {
    let mut found = None;
    let looked = expression.apply(|part| {
        if let Expr::ScalarFunction(call) = part
            && is_clock(call.func.name())
        {
            found = Some(call.func.name().to_string());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    });
    looked.ok().and(found)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Moment {
    Timestamp,
    Date,
    Time,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Now {
    moment: Moment,
    signature: Signature,
}

impl Moment {
    fn function(self) -> &'static str {
        match self {
            Moment::Timestamp => CLOCKS[0],
            Moment::Date => CLOCKS[1],
            Moment::Time => CLOCKS[2],
        }
    }

    fn value(self) -> ScalarValue {
        let now = Clock::wall().now();
        match self {
            Moment::Timestamp => ScalarValue::TimestampMicrosecond(Some(now.timestamp_micros()), Some(Arc::from("UTC"))),
            Moment::Date => ScalarValue::Date32(Some(now.timestamp().div_euclid(SECONDS_PER_DAY) as i32)),
            Moment::Time => {
                let nanoseconds = i64::from(now.num_seconds_from_midnight()) * 1_000_000_000 + i64::from(now.nanosecond());
                ScalarValue::Time64Nanosecond(Some(nanoseconds))
            }
        }
    }
}

impl ScalarUDFImpl for Now {
    fn name(&self) -> &str {
        self.moment.function()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> datafusion::error::Result<DataType> {
        Ok(match self.moment {
            Moment::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Moment::Date => DataType::Date32,
            Moment::Time => DataType::Time64(TimeUnit::Nanosecond),
        })
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> datafusion::error::Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.moment.value()))
    }
}
