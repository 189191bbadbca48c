//! What our rules about plans have in common.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The plan with each part of each of its expressions rewritten, from the bottom up. Columns keep their names.
pub fn rewrite_expressions(
    plan: LogicalPlan,
    concerns: impl Fn(&Expr) -> bool,
    rewrite: impl Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        let rewritten = rewrite_node(plan, &concerns, |part| rewrite(part, &schema))?;
        match rewritten.transformed {
            true => rewritten.map_data(LogicalPlan::recompute_schema),
            false => Ok(rewritten),
        }
    });
    rewritten.map(|rewritten| rewritten.data)
}

/// The same for the expressions of one node, whose schema stays what it is.
///
/// Only expressions with a part that `concerns` names are touched: to remember the name of a long one takes long.
pub fn rewrite_node(
    plan: LogicalPlan,
    concerns: impl Fn(&Expr) -> bool,
    mut rewrite: impl FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<Transformed<LogicalPlan>> {
    let names = NamePreserver::new(&plan);
    let mut rewrite_one = |expression: Expr| {
        if !expression.exists(|part| Ok(concerns(part)))? {
            return Ok(Transformed::no(expression));
        }
        let name = names.save(&expression);
        Ok(expression.transform_up(&mut rewrite)?.update_data(|expression| name.restore(expression)))
    };
    plan.map_expressions(|expression| match expression {
        // It is the columns in it that have names.
        Expr::GroupingSet(_) => expression.map_children(&mut rewrite_one),
        _ => rewrite_one(expression),
    })
}
