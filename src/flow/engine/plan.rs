//! From the text of a query to DataFusion's optimised plan of it, over relations that are known by their columns alone.

use std::sync::Arc;

use datafusion::common::TableReference;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::execution::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::sql::parser::Statement as DataFusionStatement;
use sqlparser::ast::Query;

use super::placeholder::Placeholder;
use super::relation::Relation;
use super::single_row;
use crate::error::{Error, Result, SqlState};
use crate::flow::compile::METADATA_COLUMNS;
use crate::flow::now;
use crate::model::Name;
use crate::sql;

pub struct Planned {
    pub state: SessionState,
    pub logical: LogicalPlan,
}

/// Errors: those of the planner, and a refusal by name of what has no answer that could be kept.
pub async fn plan(query: &Query, relations: &[Relation]) -> Result<Planned> {
    let mut query = query.clone();
    let is_source = |name: &Name| relations.iter().any(|relation| relation.hidden > 0 && relation.name == *name);
    // Sources have either all of them or none, and what they have is in no `*`.
    let names_hidden = METADATA_COLUMNS.iter().any(|name| sql::identifiers::mentions(&query, name));
    let hidden: &[&str] = if names_hidden { &METADATA_COLUMNS } else { &[] };
    sql::metadata_columns::hide_from_wildcards(&mut query, hidden, &is_source)?;
    sql::result_names::spell_out(&mut query);
    let context = sql::planner::context(Arc::new(RuntimeEnv::default()), 1)?;
    now::register(&context);
    for relation in relations {
        let shown = match names_hidden {
            true => relation.schema.fields().len(),
            false => relation.schema.fields().len() - relation.hidden,
        };
        let schema = Arc::new(relation.schema.project(&(0..shown).collect::<Vec<_>>())?);
        context.register_table(TableReference::bare(relation.name.as_str()), Arc::new(Placeholder { schema }))?;
    }
    let mut state = context.state();
    let options = state.config_mut().options_mut();
    // A scalar subquery is a join like any other; the physical kind would be computed once and stand still.
    options.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
    options.optimizer.skip_failed_rules = false;
    let statement = DataFusionStatement::Statement(Box::new(sqlparser::ast::Statement::Query(Box::new(query))));
    let logical = state.statement_to_plan(statement).await?;
    refuse_volatile(&logical)?;
    let logical = state.optimize(&single_row::checked(logical)?)?;
    // Where a subquery could not become a join, what it stands in is run as a whole, and then the physical kind is right.
    state.config_mut().options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery = true;
    Ok(Planned { state, logical })
}

/// A function whose answer is another each time has no view.
fn refuse_volatile(plan: &LogicalPlan) -> Result<()> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && call.func.signature().volatility == Volatility::Volatile
                    && !now::is_clock(call.func.name())
                {
                    found = Some(call.func.name().to_string());
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    match found {
        None => Ok(()),
        Some(name) => Err(Error::unsupported(format!("{name}() cannot be kept: it gives another answer each time"))
            .with_state(SqlState::FEATURE_NOT_SUPPORTED)
            .with_hint("compute it where the rows are written, in a pipeline, or where the view is read")),
    }
}
