//! `SELECT`, `VALUES`, `WITH`

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::scalar::ScalarValue;
use sqlparser::ast::Query;

use super::super::prepare::{bind, plan_query};
use super::super::{Outcome, Prepared, Session};
use crate::error::Result;
use crate::query;
use crate::query::look_up::LookUp;
use crate::sql::result_names;

pub async fn run(session: &Session, prepared: &Prepared, query: &Query, parameters: &[ScalarValue]) -> Result<Outcome> {
    let plan = plan_query(session, query, prepared.text()).await?;
    if prepared.look_up().is_some_and(|look_up| !look_up.stands(&session.services.flow.catalog.snapshot())) {
        prepared.renew_look_up(&plan);
    }
    open(session, query, plan, parameters).await
}

/// Runs the plan of a query.
pub async fn open(session: &Session, query: &Query, plan: LogicalPlan, parameters: &[ScalarValue]) -> Result<Outcome> {
    let plan = bind(plan, parameters)?;
    let rows = query::run::run(session.state.clone(), plan, session.max_staleness(), &session.services.query.compute).await?;
    Ok(Outcome::Rows { schema: result_names::rename(query, &rows.schema()), rows, tag: "SELECT" })
}

/// What is found by key alone. `None` where it takes a plan.
pub fn look_up(session: &Session, prepared: &Prepared, look_up: &LookUp, parameters: &[ScalarValue]) -> Result<Option<Outcome>> {
    let Some(schema) = &prepared.columns else { return Ok(None) };
    // The planner's way waits.
    if session.max_staleness().is_some_and(|limit| !look_up.is_fresh(limit, session.services.flow.clock.now_micros())) {
        return Ok(None);
    }
    let found = look_up.run(&session.services.flow.catalog.snapshot(), parameters)?;
    Ok(found.map(|rows| one_batch(schema.clone(), rows)))
}

fn one_batch(schema: SchemaRef, rows: RecordBatch) -> Outcome {
    let columns = rows.schema();
    let rows = RecordBatchStreamAdapter::new(columns, futures::stream::iter([Ok(rows)]));
    Outcome::Rows { schema, rows: Box::pin(rows), tag: "SELECT" }
}
