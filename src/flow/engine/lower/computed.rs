//! Operators find rows by columns: what is grouped or joined by and is no column becomes one.

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};

use crate::error::Result;

/// The plan with a column more for each expression that is none, and the columns that the expressions are. The new ones are called `name` and
/// a number: plans that meet in one schema need names that differ.
pub fn with_columns(plan: &LogicalPlan, expressions: &[Expr], name: &str) -> Result<(LogicalPlan, Vec<Column>)> {
    let mut computed = Vec::new();
    let mut columns = Vec::with_capacity(expressions.len());
    for (number, expression) in expressions.iter().enumerate() {
        columns.push(match expression {
            Expr::Column(column) => column.clone(),
            other => {
                let name = format!("{name}_{number}");
                computed.push(other.clone().unalias().alias(&name));
                Column::new_unqualified(name)
            }
        });
    }
    if computed.is_empty() {
        return Ok((plan.clone(), columns));
    }
    let all = plan.schema().columns().into_iter().map(Expr::Column).chain(computed);
    Ok((LogicalPlanBuilder::from(plan.clone()).project(all)?.build()?, columns))
}

/// Where columns are in a plan.
pub fn places(plan: &LogicalPlan, columns: &[Column]) -> Result<Vec<usize>> {
    columns.iter().map(|column| Ok(plan.schema().index_of_column(column)?)).collect()
}
