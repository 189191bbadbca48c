//! ORDER BY … LIMIT, and row_number() up to a bound: an order is kept, and what comes first in it.

use std::sync::Arc;

use arrow::compute::SortOptions;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    BinaryExpr, Expr, FetchType, Filter, Limit, LogicalPlan, Operator, Projection, SkipType, Sort, SortExpr, Window,
};

use super::computed::{places, with_columns};
use super::window::partition_columns;
use super::wording::{list, order_list};
use super::{Lowering, New};
use crate::error::Result;
use crate::flow::engine::operators::{First, FirstSpec, Numbering};
use crate::flow::engine::program::nullable;
use crate::flow::engine::relation::Arrival;

/// Which rows of an order are shown.
#[derive(Clone, Copy)]
struct Range {
    skip: usize,
    fetch: usize,
}

impl Lowering<'_> {
    pub(super) async fn limit(&mut self, plan: &LogicalPlan, limit: &Limit) -> Result<usize> {
        let (SkipType::Literal(skip), FetchType::Literal(Some(fetch))) = (limit.get_skip_type()?, limit.get_fetch_type()?) else {
            return self.whole(plan).await;
        };
        let mut projections = vec![];
        let mut below = limit.input.as_ref();
        loop {
            match below {
                LogicalPlan::Projection(projection) => {
                    projections.push(projection);
                    below = &projection.input;
                }
                LogicalPlan::SubqueryAlias(alias) => below = &alias.input,
                LogicalPlan::Sort(sort) => {
                    let mut node = self.first(sort, Range { skip, fetch }).await?;
                    for projection in projections.into_iter().rev() {
                        node = self.project(node, projection.input.schema(), &projection.expr, nullable(projection.schema.as_arrow()))?;
                    }
                    return Ok(node);
                }
                _ => return self.whole(plan).await,
            }
        }
    }

    /// The first `fetch` rows of a sort that stands alone.
    pub(super) async fn sorted(&mut self, sort: &Sort, fetch: usize) -> Result<usize> {
        self.first(sort, Range { skip: 0, fetch }).await
    }

    async fn first(&mut self, sort: &Sort, Range { skip, fetch }: Range) -> Result<usize> {
        let (input, order) = self.with_order_columns(&sort.input, &sort.expr).await?;
        let schema = nullable(sort.input.schema().as_arrow());
        let Shape { arrival, unique, input_schema } = self.shape(input);
        let title = match skip {
            0 => format!("First {fetch} by {}", order_list(&sort.expr)),
            _ => format!("First {fetch} after {skip} by {}", order_list(&sort.expr)),
        };
        let spec = FirstSpec {
            input: input_schema,
            key: vec![],
            order,
            skip,
            fetch,
            numbering: Numbering::Hidden,
            arrival,
            schema: schema.clone(),
        };
        let kept = match arrival {
            Arrival::AppendOnly => "as many rows as are counted, for rows only come; a change costs itself and those",
            Arrival::Changing => "all rows in their order; a change costs itself and the rows that are counted",
        };
        let operator = Box::new(First::new(spec)?);
        Ok(self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::Changing, unique, title, kept }))
    }

    /// A filter by row_number(): rows behind its bound need no number. `None` if this is none.
    pub(super) async fn numbered(&mut self, filter: &Filter) -> Result<Option<usize>> {
        let mut projections = vec![];
        let mut below = filter.input.as_ref();
        while let LogicalPlan::Projection(projection) = below {
            projections.push(projection);
            below = &projection.input;
        }
        let LogicalPlan::Window(window) = below else { return Ok(None) };
        let [expression] = window.window_expr.as_slice() else { return Ok(None) };
        let Expr::WindowFunction(function) = expression.clone().unalias() else { return Ok(None) };
        let is_partitioned = function.params.partition_by.iter().all(|part| matches!(part, Expr::Column(_)));
        if function.fun.name() != "row_number" || !is_partitioned {
            return Ok(None);
        }
        let number = window.schema.field(window.schema.fields().len() - 1).name();
        let is_number = |column: &Column| origin(column, &projections).is_some_and(|column| column.name == *number);
        let Some(fetch) = bound(&filter.predicate, is_number) else { return Ok(None) };
        let mut node = self.numbers(window, &function, fetch).await?;
        for projection in projections.into_iter().rev() {
            node = self.project(node, projection.input.schema(), &projection.expr, nullable(projection.schema.as_arrow()))?;
        }
        Ok(Some(self.filter(node, filter.input.schema(), &filter.predicate)?))
    }

    async fn numbers(&mut self, window: &Window, function: &WindowFunction, fetch: usize) -> Result<usize> {
        self.refuse_clock(&window.window_expr)?;
        let (input, order) = self.with_order_columns(&window.input, &function.params.order_by).await?;
        let schema = nullable(window.schema.as_arrow());
        let key = partition_columns(function, window);
        let Shape { arrival, unique, input_schema } = self.shape(input);
        let unique = unique.or_else(|| Some(key.iter().copied().chain([schema.fields().len() - 1]).collect()));
        let title = match key.is_empty() {
            true => format!("First {fetch} by {}", order_list(&function.params.order_by)),
            false => format!("First {fetch} of each {} by {}", list(&function.params.partition_by), order_list(&function.params.order_by)),
        };
        let spec =
            FirstSpec { input: input_schema, key, order, skip: 0, fetch, numbering: Numbering::Shown, arrival, schema: schema.clone() };
        let kept = match arrival {
            Arrival::AppendOnly => "these rows, for rows only come; a change costs itself and the rows beside it",
            Arrival::Changing => "all rows in their order; a change costs itself and these rows of its partition",
        };
        let operator = Box::new(First::new(spec)?);
        Ok(self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::Changing, unique, title, kept }))
    }

    /// The input, with a column at its end for each sort expression that is none, and by which columns it is sorted.
    async fn with_order_columns(&mut self, input: &Arc<LogicalPlan>, sort: &[SortExpr]) -> Result<(usize, Vec<(usize, SortOptions)>)> {
        // By a constant nothing is sorted.
        let sort: Vec<&SortExpr> = sort.iter().filter(|sort| !matches!(sort.expr, Expr::Literal(..))).collect();
        let expressions: Vec<Expr> = sort.iter().map(|sort| sort.expr.clone()).collect();
        let (plan, columns) = with_columns(input, &expressions, "__order")?;
        let options = sort.iter().map(|sort| SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first });
        let places = places(&plan, &columns)?.into_iter().zip(options).collect();
        Ok((self.lower(&plan).await?, places))
    }

    fn shape(&self, node: usize) -> Shape {
        let node = &self.nodes[node];
        Shape { arrival: node.arrival, unique: node.unique.clone(), input_schema: node.schema.clone() }
    }
}

struct Shape {
    arrival: Arrival,
    unique: Option<Vec<usize>>,
    input_schema: arrow::datatypes::SchemaRef,
}

/// What a column is called below these projections, the outermost first.
fn origin(column: &Column, projections: &[&Projection]) -> Option<Column> {
    projections.iter().try_fold(column.clone(), |column, projection| {
        let place = projection.schema.index_of_column(&column).ok()?;
        match projection.expr[place].clone().unalias() {
            Expr::Column(column) => Some(column),
            _ => None,
        }
    })
}

/// The largest number that a predicate lets through.
fn bound(predicate: &Expr, is_number: impl Fn(&Column) -> bool) -> Option<usize> {
    split_conjunction(predicate).into_iter().filter_map(|part| upper_bound(part, &is_number)).min()
}

fn upper_bound(condition: &Expr, is_number: impl Fn(&Column) -> bool) -> Option<usize> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return None };
    let (column, op, literal) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column(column), literal) => (column, *op, literal),
        (literal, Expr::Column(column)) => (column, op.swap()?, literal),
        _ => return None,
    };
    let Expr::Literal(ScalarValue::UInt64(Some(value)), _) = literal else { return None };
    let value = usize::try_from(*value).ok().filter(|_| is_number(column))?;
    match op {
        Operator::LtEq | Operator::Eq => Some(value),
        Operator::Lt => Some(value.saturating_sub(1)),
        _ => None,
    }
}
