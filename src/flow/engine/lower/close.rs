//! EMIT ON WINDOW CLOSE: the rows of a window wait until the watermark has passed it; then the query runs over them, once, and they are
//! forgotten.

use std::sync::Arc;

use datafusion::common::{Column, ExprSchema};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use super::aggregate::{GROUP, only};
use super::bounds::{Bounds, bounds, pass_together};
use super::computed::with_columns;
use super::wording::list;
use super::{Lowering, New};
use crate::error::{Error, Result};
use crate::flow::engine::operators::{Comparison, EachTick, Late, Temporal};
use crate::flow::engine::program::Program;
use crate::flow::engine::relation::Arrival;

impl Lowering<'_> {
    /// Lowers a whole query that gives its rows when their window closes.
    pub async fn on_window_close(&mut self, plan: &LogicalPlan) -> Result<usize> {
        let aggregate = lowest_aggregate(plan).ok_or_else(|| {
            refused("it does not group by windows").with_hint("GROUP BY window_start of tumble() or hop(), or date_bin(…)")
        })?;
        let (below, group) = with_columns(&aggregate.input, &aggregate.group_expr, GROUP)?;
        let input = self.lower(&below).await?;
        if self.nodes[input].arrival != Arrival::AppendOnly {
            return Err(refused("rows below the windows come and go").with_hint("read sources, without what takes rows back"));
        }
        let (column, bounds) = self.closing_column(&below, &group)?;
        self.check_by_window(plan, aggregate, &bounds)?;
        let waiting = self.wait(input, &below, &column, bounds)?;
        let group: Vec<Expr> = group.into_iter().map(Expr::Column).collect();
        let whole = |leaf| Aggregate::try_new(Arc::new(leaf), group, aggregate.aggr_expr.clone());
        let windows =
            Program::new(self.state, &[below.schema().clone()], |leaves| Ok(LogicalPlan::Aggregate(whole(only(leaves)?)?))).await?;
        let given = self.each_tick(waiting, windows, format!("Aggregate {} when a window closes", list(&aggregate.aggr_expr)));
        if matches!(plan, LogicalPlan::Aggregate(this) if this == aggregate) {
            return Ok(given);
        }
        let rest =
            Program::new(self.state, std::slice::from_ref(&aggregate.schema), |leaves| rebuilt(plan, aggregate, only(leaves)?)).await?;
        Ok(self.each_tick(given, rest, "The rest of the query, for each window".to_string()))
    }

    /// Whatever stands above must look at one window at a time, for it runs over those that close together.
    fn check_by_window(&self, plan: &LogicalPlan, aggregate: &Aggregate, closing: &Bounds) -> Result<()> {
        let follows = |column: &Expr, input: &LogicalPlan| match column {
            Expr::Column(column) => {
                let place = input.schema().index_of_column(column).ok();
                place.and_then(|place| bounds(input, place, self.relations)).is_some_and(|bounds| pass_together(&bounds, closing))
            }
            _ => false,
        };
        match plan {
            LogicalPlan::Aggregate(this) if this == aggregate => return Ok(()),
            LogicalPlan::Aggregate(this) if !this.group_expr.iter().any(|column| follows(column, &this.input)) => {
                return Err(refused("it aggregates over several windows").with_hint("keep the window's column in every GROUP BY"));
            }
            LogicalPlan::Window(window) => {
                let partitions = window.window_expr.iter().map(|expression| match expression.clone().unalias() {
                    Expr::WindowFunction(function) => function.params.partition_by,
                    _ => vec![],
                });
                if !partitions.into_iter().all(|columns| columns.iter().any(|column| follows(column, &window.input))) {
                    return Err(refused("a window function looks at several windows").with_hint("PARTITION BY the window's column as well"));
                }
            }
            _ => {}
        }
        plan.inputs().into_iter().try_for_each(|input| self.check_by_window(input, aggregate, closing))
    }

    fn each_tick(&mut self, input: usize, program: Program, title: String) -> usize {
        let schema = program.schema().clone();
        let kept = "nothing: computed once per window";
        let operator = Box::new(EachTick { program });
        self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::AppendOnly, unique: None, title, kept })
    }

    /// The first column that is grouped by and follows a watermark.
    fn closing_column(&self, below: &LogicalPlan, group: &[Column]) -> Result<(Column, Bounds)> {
        let found = group.iter().find_map(|column| {
            let place = below.schema().index_of_column(column).ok()?;
            Some((column.clone(), bounds(below, place, self.relations)?))
        });
        found.ok_or_else(|| {
            refused("nothing that it is grouped by follows a watermark").with_hint(
                "declare WATERMARK FOR event_time AS event_time - INTERVAL '5 seconds' in CREATE SOURCE, and group by \
                 date_bin(INTERVAL '1 minute', event_time) or by the window_start of tumble() or hop()",
            )
        })
    }

    fn wait(&mut self, input: usize, below: &LogicalPlan, column: &Column, bounds: Bounds) -> Result<usize> {
        let time = self.physical(&Expr::Column(column.clone()), below.schema())?;
        let bound = self.watermark_bound(bounds, below.schema().data_type(column)?)?;
        let schema = self.nodes[input].schema.clone();
        let operator = Box::new(Temporal::new(schema.clone(), time, Comparison::Before, bound, Late::Drop)?);
        let title = format!("Wait until {} is final", column.name);
        let kept = "the rows of open windows; a late row, whose window has closed, is left out and counted";
        Ok(self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::AppendOnly, unique: None, title, kept }))
    }
}

/// The lowest of the aggregates that a query consists of, above single rows.
fn lowest_aggregate(plan: &LogicalPlan) -> Option<&Aggregate> {
    let below = match plan {
        LogicalPlan::Aggregate(aggregate) => &aggregate.input,
        LogicalPlan::Projection(projection) => &projection.input,
        LogicalPlan::Filter(filter) => &filter.input,
        LogicalPlan::SubqueryAlias(alias) => &alias.input,
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => &sort.input,
        LogicalPlan::Window(window) => &window.input,
        _ => return None,
    };
    lowest_aggregate(below).or(match plan {
        LogicalPlan::Aggregate(aggregate) => Some(aggregate),
        _ => None,
    })
}

/// The query over something else in its aggregate's place.
fn rebuilt(plan: &LogicalPlan, aggregate: &Aggregate, given: LogicalPlan) -> Result<LogicalPlan> {
    if matches!(plan, LogicalPlan::Aggregate(this) if this == aggregate) {
        return Ok(given);
    }
    let [input] = plan.inputs()[..] else { return Err(Error::internal("a node above windows has one input")) };
    let input = rebuilt(input, aggregate, given)?;
    Ok(plan.with_new_exprs(plan.expressions(), vec![input])?)
}

fn refused(detail: &str) -> Error {
    Error::unsupported("EMIT ON WINDOW CLOSE cannot be used with this query").with_detail(detail)
}
