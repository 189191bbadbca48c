//! `SELECT`, `VALUES`, `WITH`

use datafusion::scalar::ScalarValue;
use sqlparser::ast::Query;

use super::super::prepare::{bind, plan_query};
use super::super::{Outcome, Session};
use crate::error::Result;
use crate::query;
use crate::sql::result_names;

pub async fn run(session: &Session, query: &Query, text: &str, parameters: &[ScalarValue]) -> Result<Outcome> {
    let plan = bind(plan_query(session, query, text).await?, parameters)?;
    let rows = query::run::run(session.state.clone(), plan, &session.services.query.compute).await?;
    Ok(Outcome::Rows { schema: result_names::rename(query, &rows.schema()), rows, tag: "SELECT" })
}
