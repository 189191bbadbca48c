//! Window functions: the partitions that were touched are computed again, from the change on where that is enough.

use arrow::compute::SortOptions;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, SortExpr, Window};

use super::computed::with_columns;
use super::ties::one_order;
use super::{Lowering, New, wording};
use crate::error::Result;
use crate::flow::engine::operators::Recompute;
use crate::flow::engine::program::Program;
use crate::flow::engine::relation::Arrival;

impl Lowering<'_> {
    pub(super) async fn window(&mut self, plan: &LogicalPlan, window: &Window) -> Result<usize> {
        self.refuse_clock(&window.window_expr)?;
        if let Some(by_columns) = by_columns(window)? {
            return self.lower(&by_columns).await;
        }
        if let Some(node) = self.following(window).await? {
            return Ok(node);
        }
        let input = self.lower(&window.input).await?;
        let key = common_partition(window);
        let unique = self.nodes[input].unique.clone();
        let build = |leaves| Ok(plan.with_new_exprs(plan.expressions(), leaves)?);
        let order = one_order(window, unique.as_deref());
        let program = Program::in_order(self.state, window.input.schema().clone(), &order, build).await?;
        let schema = program.schema().clone();
        let kept = match key.is_empty() {
            true => "recomputed: all rows are one partition, which is computed again when one has changed",
            false => "recomputed: rows are kept by partition; a change costs its partition",
        };
        let inputs = vec![(self.nodes[input].schema.clone(), self.nodes[input].arrival, key.clone())];
        let operator = Box::new(Recompute::new(program, inputs, key)?);
        let title = wording::window(window);
        Ok(self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::Changing, unique, title, kept }))
    }
}

/// The same with a column for each expression that window functions partition or order by, where there are any: rows are found by columns.
fn by_columns(window: &Window) -> Result<Option<LogicalPlan>> {
    let mut expressions: Vec<Expr> = vec![];
    for expression in &window.window_expr {
        let Expr::WindowFunction(function) = expression.clone().unalias() else { continue };
        let computed = |part: &Expr| !matches!(part, Expr::Column(_) | Expr::Literal(..));
        let sorted_by = function.params.order_by.into_iter().map(|sort| sort.expr);
        expressions.extend(function.params.partition_by.into_iter().chain(sorted_by).filter(computed));
    }
    if expressions.is_empty() {
        return Ok(None);
    }
    let (below, columns) = with_columns(&window.input, &expressions, wording::WINDOW_COLUMN)?;
    let replaced = |expression: Expr| {
        let name = expression.schema_name().to_string();
        let replaced = expression.transform(|part| match expressions.iter().position(|computed| *computed == part) {
            Some(place) => Ok(Transformed::yes(Expr::Column(columns[place].clone()))),
            None => Ok(Transformed::no(part)),
        });
        Ok(replaced?.data.unalias().alias(name))
    };
    let functions = window.window_expr.iter().cloned().map(replaced).collect::<Result<Vec<_>>>()?;
    let shown = window.schema.columns().into_iter().map(Expr::Column).collect::<Vec<_>>();
    let plan = LogicalPlanBuilder::from(below).window(functions)?.project(shown)?.build()?;
    Ok(Some(plan))
}

/// The columns by which all window functions partition. What is computed for a partition depends on its rows alone.
fn common_partition(window: &Window) -> Vec<usize> {
    let mut common: Option<Vec<usize>> = None;
    for expression in &window.window_expr {
        let partition = match expression.clone().unalias() {
            Expr::WindowFunction(function) => partition_columns(&function, window),
            _ => vec![],
        };
        common = Some(match common {
            None => partition,
            Some(common) => common.into_iter().filter(|column| partition.contains(column)).collect(),
        });
    }
    common.unwrap_or_default()
}

/// The columns among the expressions by which a window function sorts, and how. `None` for what is no column.
pub fn sort_columns(order_by: &[SortExpr], input: &DFSchema) -> Vec<Option<(usize, SortOptions)>> {
    let place = |sort: &SortExpr| match &sort.expr {
        Expr::Column(column) => input.index_of_column(column).ok(),
        _ => None,
    };
    let options = |sort: &SortExpr| SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
    order_by.iter().map(|sort| Some((place(sort)?, options(sort)))).collect()
}

/// The columns among the expressions by which a window function partitions, each once.
pub fn partition_columns(function: &WindowFunction, window: &Window) -> Vec<usize> {
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
