//! What our rules about plans have in common.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::Result;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, LogicalPlan};

/// The plan with each part of each of its expressions rewritten, from the bottom up. Columns keep their names.
///
/// Only expressions with a part that `concerns` names are touched: to remember the name of a long one takes long.
pub fn rewrite_expressions(
    plan: LogicalPlan,
    concerns: impl Fn(&Expr) -> bool,
    rewrite: impl Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let schema = merge_schema(&plan.inputs());
        let names = NamePreserver::new(&plan);
        let rewritten = plan.map_expressions(|expression| {
            if !expression.exists(|part| Ok(concerns(part)))? {
                return Ok(Transformed::no(expression));
            }
            let name = names.save(&expression);
            let rewritten = expression.transform_up(|part| rewrite(part, &schema))?;
            Ok(rewritten.update_data(|expression| name.restore(expression)))
        })?;
        match rewritten.transformed {
            true => rewritten.map_data(LogicalPlan::recompute_schema),
            false => Ok(rewritten),
        }
    });
    rewritten.map(|rewritten| rewritten.data)
}
