//! `lakewire.freshness('v')`: how old what a reader of a view sees is, from the arrival of the records on. Null where it is not known.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, IntervalMonthDayNanoArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, IntervalMonthDayNano, IntervalUnit};
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::QueryServices;
use crate::catalog::ObjectKind;
use crate::error::{Error, Result, SqlState};
use crate::model::Name;
use crate::sql;

const NAME: &str = "lakewire.freshness";

/// The function, for the planner to find by its name.
pub fn function(services: &Arc<QueryServices>) -> ScalarUDF {
    let signature = Signature::exact(vec![DataType::Utf8], Volatility::Volatile);
    ScalarUDF::from(Freshness { services: Arc::downgrade(services), signature })
}

#[derive(Debug)]
struct Freshness {
    services: Weak<QueryServices>,
    signature: Signature,
}

impl PartialEq for Freshness {
    fn eq(&self, other: &Freshness) -> bool {
        self.services.ptr_eq(&other.services)
    }
}

impl Eq for Freshness {}

impl Hash for Freshness {
    fn hash<H: Hasher>(&self, state: &mut H) {
        NAME.hash(state);
    }
}

impl ScalarUDFImpl for Freshness {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> DataFusionResult<DataType> {
        Ok(DataType::Interval(IntervalUnit::MonthDayNano))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> DataFusionResult<ColumnarValue> {
        let Some(services) = self.services.upgrade() else { return exec_err!("the server is going down") };
        let [names] = &arguments.args[..] else { return exec_err!("{NAME} takes the name of a view") };
        let is_scalar = matches!(names, ColumnarValue::Scalar(_));
        let names = cast(&names.to_array(1)?, &DataType::Utf8)?;
        let age = |name: Option<&str>| name.map_or(Ok(None), |name| age(name, &services));
        let ages = names.as_string::<i32>().iter().map(age).collect::<Result<Vec<_>>>()?;
        let ages: ArrayRef = Arc::new(ages.into_iter().map(|age| age.map(interval)).collect::<IntervalMonthDayNanoArray>());
        match is_scalar {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&ages, 0)?)),
            false => Ok(ColumnarValue::Array(ages)),
        }
    }
}

/// `None` where nothing is shown yet, or it is not known how old it is.
fn age(name: &str, services: &QueryServices) -> Result<Option<Duration>> {
    let flow = &services.flow;
    let catalog = flow.catalog.snapshot();
    let view = catalog.expect_kind(ObjectKind::View, &sql::parse_name(name)?)?;
    let published = flow.views.get(view.id);
    Ok(published.newest().and_then(|newest| published.age(&newest, flow.clock.now_micros())))
}

/// In whole microseconds, which is what PostgreSQL's intervals have.
fn interval(age: Duration) -> IntervalMonthDayNano {
    IntervalMonthDayNano::new(0, 0, i64::try_from(age.as_micros()).map_or(i64::MAX, |micros| micros.saturating_mul(1_000)))
}

/// Why a view is too old for a reader that has said how old it may be.
pub(super) fn too_old(view: &Name, age: Option<Duration>, limit: Duration) -> Error {
    let detail = match age {
        Some(age) => format!("what it shows is {age:.3?} old, and max_staleness is {limit:?}"),
        None => format!("how old what it shows is is not known, and max_staleness is {limit:?}"),
    };
    Error::state(format!("materialized view \"{view}\" is not fresh enough"))
        .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
        .with_detail(detail)
        .with_hint("try again, or SET max_staleness = 0 to read it as it is; lakewire.views shows how it is")
}
