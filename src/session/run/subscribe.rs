//! `SUBSCRIBE [TO] v [WHERE …] [WITH (snapshot = …, after = …)]`

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, Filter, LogicalPlan};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::scalar::ScalarValue;

use super::super::outcome::ENDLESS;
use super::super::prepare::{bind, plan_query};
use super::super::{Outcome, Session};
use crate::catalog::{Definition, Object, ObjectKind};
use crate::error::{Error, Result, SqlState};
use crate::flow::published::Version;
use crate::query::subscription::{self, Progress, Subscription};
use crate::query::view;
use crate::sql::planner::CLOCKS;
use crate::sql::{Subscribe, SubscribeFrom, overflow};

/// The plan of the rows that are wanted, for the types of its parameters; and the columns of what is given.
pub async fn prepare(session: &Session, subscribe: &Subscribe, text: &str) -> Result<(LogicalPlan, SchemaRef)> {
    let view = find(session, subscribe)?;
    plan(session, &view, subscribe, text).await
}

async fn plan(session: &Session, view: &Object, subscribe: &Subscribe, text: &str) -> Result<(LogicalPlan, SchemaRef)> {
    let Definition::View(definition) = &view.definition else {
        return Err(Error::internal(format!("{view} is no view")));
    };
    let plan = plan_query(session, &subscribe.rows_query()?, text).await?;
    Ok((plan, subscription::schema_of(&view::schema_of(definition))))
}

pub async fn run(session: &Session, subscribe: &Subscribe, text: &str, parameters: &[ScalarValue]) -> Result<Outcome> {
    let view = find(session, subscribe)?;
    let (plan, schema) = plan(session, &view, subscribe, text).await?;
    if find(session, subscribe)?.id != view.id {
        return Err(Error::unavailable(format!("the name \"{}\" has come to mean another view", subscribe.view))
            .with_state(SqlState::SERIALIZATION_FAILURE)
            .with_hint("try again"));
    }
    let condition = condition(session, bind(plan, parameters)?)?;
    session.services.supervisor.populated(view.id, &view.name).await?;
    let services = &session.services;
    let published = services.flow.views.get(view.id);
    let newest = published.newest().ok_or_else(|| Error::internal("a view that was populated shows nothing"))?;
    let at = match &subscribe.from {
        SubscribeFrom::Snapshot => Arc::new(Version::empty(newest.schema().clone())),
        SubscribeFrom::Now => newest,
        SubscribeFrom::After(time) => subscription::version_at(&published, &view.name, time.timestamp_micros())?,
    };
    let progress = if subscribe.progress { Progress::Told } else { Progress::Untold };
    let (id, name, catalog) = (view.id, view.name.clone(), services.flow.catalog.clone());
    let rows = Subscription { view: id, name, published, catalog, condition, at, progress }.stream(&services.query.compute);
    Ok(Outcome::Rows { schema, rows, tag: ENDLESS })
}

fn find(session: &Session, subscribe: &Subscribe) -> Result<Arc<Object>> {
    let catalog = session.services.flow.catalog.snapshot();
    let found = catalog.expect_kind(ObjectKind::View, &subscribe.view).cloned();
    found.map_err(|error| error.at(subscribe.view_position))
}

/// What a row must be like. It is asked of each row by itself, once: nothing else may decide it.
fn condition(session: &Session, plan: LogicalPlan) -> Result<Option<Arc<dyn PhysicalExpr>>> {
    let Some(written) = filter(&plan)? else { return Ok(None) };
    written.predicate.apply(|part| match refused(part) {
        Some(what) => Err(datafusion::error::DataFusionError::from(
            Error::unsupported(format!("{what} in the condition of SUBSCRIBE is not supported"))
                .with_hint("CREATE MATERIALIZED VIEW with that condition, and subscribe to it"),
        )),
        None => Ok(TreeNodeRecursion::Continue),
    })?;
    // With the types, the casts and the checks that it has in a query.
    let analyzed = session.state.analyzer().execute_and_check(plan, session.state.config_options(), |_, _| {})?;
    let Some(analyzed) = filter(&analyzed)? else { return Ok(None) };
    let schema = analyzed.input.schema();
    Ok(Some(session.state.create_physical_expr(overflow::checked(analyzed.predicate.clone(), schema)?, schema)?))
}

/// What stands between the view and its columns.
fn filter(plan: &LogicalPlan) -> Result<Option<&Filter>> {
    match plan {
        LogicalPlan::Projection(projection) => match projection.input.as_ref() {
            LogicalPlan::Filter(filter) => Ok(Some(filter)),
            _ => Ok(None),
        },
        _ => Err(Error::internal("the rows of a subscription are not planned as a projection")),
    }
}

fn refused(part: &Expr) -> Option<&'static str> {
    match part {
        Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_) => Some("a subquery"),
        Expr::ScalarFunction(function) if CLOCKS.contains(&function.name()) => Some("the clock"),
        other if other.is_volatile_node() => Some("a function that has another answer each time"),
        _ => None,
    }
}
