//! Window functions: the partitions that were touched are computed again.

use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, Window};

use super::{Lowering, New, list};
use crate::error::Result;
use crate::flow::engine::operators::Recompute;
use crate::flow::engine::program::Program;
use crate::flow::engine::relation::Arrival;

impl Lowering<'_> {
    pub(super) async fn window(&mut self, plan: &LogicalPlan, window: &Window) -> Result<usize> {
        self.refuse_clock(&window.window_expr)?;
        let input = self.lower(&window.input).await?;
        let key = common_partition(window);
        let build = |leaves| Ok(plan.with_new_exprs(plan.expressions(), leaves)?);
        let program = Program::new(self.state, &[window.input.schema().clone()], build).await?;
        let schema = program.schema().clone();
        let kept = match key.is_empty() {
            true => "recomputed: all rows are one partition, which is computed again when one has changed",
            false => "recomputed: rows are kept by partition; a change costs its partition",
        };
        let unique = self.nodes[input].unique.clone();
        let keys = vec![(self.nodes[input].schema.clone(), key.clone())];
        let operator = Box::new(Recompute::new(program, keys, key)?);
        let title = format!("Window {}", list(&window.window_expr));
        Ok(self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::Changing, unique, title, kept }))
    }
}

/// The columns by which all window functions partition. What is computed for a partition depends on its rows alone.
fn common_partition(window: &Window) -> Vec<usize> {
    let mut common: Option<Vec<usize>> = None;
    for expression in &window.window_expr {
        let partition = match expression.clone().unalias() {
            Expr::WindowFunction(function) => columns(&function, window),
            _ => vec![],
        };
        common = Some(match common {
            None => partition,
            Some(common) => common.into_iter().filter(|column| partition.contains(column)).collect(),
        });
    }
    common.unwrap_or_default()
}

fn columns(function: &WindowFunction, window: &Window) -> Vec<usize> {
    let mut columns: Vec<usize> = Vec::new();
    for expression in &function.params.partition_by {
        if let Expr::Column(column) = expression
            && let Ok(place) = window.input.schema().index_of_column(column)
            && !columns.contains(&place)
        {
            columns.push(place);
        }
    }
    columns
}
