//! What a query computes it computes of the rows that its conditions leave, as PostgreSQL does: `SELECT n, d, n / d … WHERE d <> 0` divides by no
//! zero. DataFusion's own `ProjectionPushdown` would take what is computed below the condition. It would also compute parts of a join's condition, where that
//! is no equality, of rows that meet nothing: that is left undone, and such a part is computed for each pair.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::error::Result;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, remove_unnecessary_projections, try_embed_projection};

/// DataFusion's rules, with ours in the place of theirs about projections.
pub fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let ours: Arc<dyn PhysicalOptimizerRule + Send + Sync> = Arc::new(FilterFirst);
    let rule = |rule: Arc<dyn PhysicalOptimizerRule + Send + Sync>| if rule.name() == ours.name() { ours.clone() } else { rule };
    PhysicalOptimizer::new().rules.into_iter().map(rule).collect()
}

/// Moves projections down, but for computing ones above conditions: these get the columns alone that they need.
#[derive(Debug)]
struct FilterFirst;

impl PhysicalOptimizerRule for FilterFirst {
    fn optimize(&self, plan: Arc<dyn ExecutionPlan>, _config: &ConfigOptions) -> Result<Arc<dyn ExecutionPlan>> {
        let moved = plan.transform_down(|plan| match computed_of_filtered(&plan) {
            None => remove_unnecessary_projections(plan),
            Some((projection, filter)) => Ok(match try_embed_projection(projection, filter)? {
                Some(narrowed) => Transformed::yes(narrowed),
                None => Transformed::no(plan),
            }),
        });
        moved.data()
    }

    fn name(&self) -> &str {
        "ProjectionPushdown"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn computed_of_filtered(plan: &Arc<dyn ExecutionPlan>) -> Option<(&ProjectionExec, &FilterExec)> {
    let projection = plan.downcast_ref::<ProjectionExec>()?;
    let filter = projection.input().downcast_ref::<FilterExec>()?;
    let computes = projection.expr().iter().any(|column| !column.expr.is::<Column>() && !column.expr.is::<Literal>());
    computes.then_some((projection, filter))
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::sql::planner;

    #[tokio::test]
    async fn nothing_is_computed_of_rows_that_are_left_out() {
        let context = planner::context(Arc::default(), 2).unwrap();
        let column = |name: &'static str, values: [i64; 3]| (name, Arc::new(Int64Array::from(values.to_vec())) as ArrayRef, true);
        let rows = [column("a", [1, 2, 3]), column("b", [7, i64::MAX, 9]), column("c", [2, 2, 0]), column("d", [0, 1, 2])];
        context.register_batch("t", RecordBatch::try_from_iter_with_nullable(rows).unwrap()).unwrap();
        for (sql, expected) in [
            ("SELECT a, c, b / c AS x FROM t WHERE c <> 0 AND a < 3", 2),
            ("SELECT a, b / c AS x FROM t WHERE a < 3", 2),
            ("SELECT a, b + 1 AS x FROM t WHERE a <> 2 ORDER BY x LIMIT 5", 2),
            ("SELECT x, count(*) FROM (SELECT a, b / c AS x FROM t WHERE a < 3) q GROUP BY x", 2),
            ("SELECT t.a, t.b / t.c AS x FROM t JOIN t u ON t.a = u.d WHERE t.a < 3", 2),
        ] {
            let batches = context.sql(sql).await.unwrap().collect().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), expected, "{sql}");
        }
    }
}
