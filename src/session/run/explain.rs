//! `EXPLAIN [ANALYZE] [VERBOSE] SELECT … | CREATE PIPELINE … | CREATE MATERIALIZED VIEW …`

use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use datafusion::physical_plan::{ExecutionPlan, collect, displayable};

use super::super::prepare::{plan_query, text_columns};
use super::super::{Outcome, Session};
use crate::error::{Error, Result};
use crate::sql::{Explain, ExplainFormat, Statement};

pub async fn run(session: &Session, explain: &Explain, text: &str) -> Result<Outcome> {
    if explain.format == ExplainFormat::Json {
        return Err(Error::unsupported("EXPLAIN (FORMAT JSON) is not supported yet").with_hint("leave the format out"));
    }
    let lines = match explain.of.as_ref() {
        Statement::Query(query) => {
            let plan = plan_query(session, query, text).await?;
            let physical = session.state.create_physical_plan(&plan).await?;
            match explain.analyze {
                true => analyze(session, physical, explain.verbose).await?,
                false => displayable(physical.as_ref()).indent(explain.verbose).to_string(),
            }
        }
        Statement::CreatePipeline(_) if explain.analyze => return Err(refuse_analyze("CREATE PIPELINE")),
        Statement::CreateMaterializedView(_) if explain.analyze => return Err(refuse_analyze("CREATE MATERIALIZED VIEW")),
        Statement::CreatePipeline(create) => super::create_pipeline::explain(session, create, text, explain.verbose).await?,
        Statement::CreateMaterializedView(create) => super::create_materialized_view::explain(session, create, text).await?,
        _ => return Err(Error::unsupported("EXPLAIN is for SELECT, CREATE PIPELINE and CREATE MATERIALIZED VIEW")),
    };
    let columns = text_columns(&["QUERY PLAN"]);
    let rows = RecordBatch::try_new(columns.clone(), vec![Arc::new(StringArray::from(lines.lines().collect::<Vec<_>>()))])?;
    super::show::answer(columns, rows)
}

fn refuse_analyze(statement: &str) -> Error {
    Error::unsupported(format!("EXPLAIN ANALYZE {statement} is not supported")).with_hint(format!("EXPLAIN {statement} shows the plan"))
}

/// Runs the query for its metrics; the rows go nowhere.
async fn analyze(session: &Session, plan: Arc<dyn ExecutionPlan>, is_verbose: bool) -> Result<String> {
    let (task, running) = (session.state.task_ctx(), plan.clone());
    session.services.query.compute.spawn(async move { collect(running, task).await }).await??;
    Ok(datafusion::physical_plan::display::DisplayableExecutionPlan::with_metrics(plan.as_ref()).indent(is_verbose).to_string())
}
