//! EMIT ON WINDOW CLOSE: what a window comes to, or where that is not known before its end all of its rows, waits until the watermark has passed
//! it; then the rest of the query runs over it, once, and it is forgotten.

use std::sync::Arc;

use datafusion::common::{Column, ExprSchema};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use super::aggregate::{GROUP, only};
use super::bounds::{Bounds, bounds};
use super::computed::{places, with_columns};
use super::meeting::{Closes, meetings};
use super::one_window::{Closing, check_by_window};
use super::wording::{list, words};
use super::{Lowering, New};
use crate::error::{Error, Result};
use crate::flow::engine::operators::{Bound, ClosingGroups, Comparison, EachTick, KeyTime, Late, Temporal};
use crate::flow::engine::program::{Program, nullable};
use crate::flow::engine::relation::Arrival;

impl Lowering<'_> {
    /// Lowers a whole query that gives its rows when their window closes.
    pub async fn on_window_close(&mut self, plan: &LogicalPlan) -> Result<usize> {
        let aggregate = lowest_aggregate(plan).ok_or_else(|| {
            refused("it does not group by windows").with_hint("GROUP BY window_start of tumble() or hop(), or date_bin(…)")
        })?;
        let (below, group) = with_columns(&aggregate.input, &aggregate.group_expr, GROUP)?;
        let (closing, bounds) = self.closing_column(&below, &group)?;
        check_by_window(plan, &Closing { aggregate, below: &below, group: &group, column: closing })?;
        let time_type = below.schema().data_type(&group[closing])?.clone();
        self.closes = Some(Closes { meetings: meetings(&below, &group[closing])?, bounds, time_type });
        let input = self.lower(&below).await?;
        if self.nodes[input].arrival != Arrival::AppendOnly {
            return Err(refused("rows below the windows come and go").with_hint("read sources, without what takes rows back"));
        }
        let given = self.windows(aggregate, &below, &group, closing, input).await?;
        if matches!(plan, LogicalPlan::Aggregate(this) if this == aggregate) {
            return Ok(given);
        }
        let rest =
            Program::new(self.state, std::slice::from_ref(&aggregate.schema), |leaves| rebuilt(plan, aggregate, only(leaves)?)).await?;
        Ok(self.each_tick(given, rest, "The rest of the query, for each window".to_string()))
    }

    /// The aggregate of each window, given when it closes: a running result where there can be one, else of all its rows.
    async fn windows(
        &mut self,
        aggregate: &Aggregate,
        below: &LogicalPlan,
        group: &[Column],
        closing: usize,
        input: usize,
    ) -> Result<usize> {
        let title = format!("Aggregate {} when a window closes", list(&aggregate.aggr_expr));
        let (key, name) = (places(below, group)?, words(&aggregate.group_expr[closing]));
        let running = self.linear(aggregate, below.schema(), input, &key)?;
        if let Some(aggregates) = running.filter(|aggregates| aggregates.iter().all(|aggregate| aggregate.values.is_none())) {
            let schema = nullable(aggregate.schema.as_arrow());
            let (bounds, time_type) =
                self.closes.as_ref().map(|closes| (closes.bounds.clone(), closes.time_type.clone())).ok_or_else(nothing_closes)?;
            let input = self.in_time(input, key[closing], bounds, &time_type, &name)?;
            let time = KeyTime { column: closing, bound: self.closing_bound()? };
            let operator = Box::new(ClosingGroups::new(&self.nodes[input].schema, key, aggregates, schema.clone(), time)?);
            let unique = Some((0..group.len()).collect());
            let kept = "a running result per group of the open windows";
            return Ok(self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::AppendOnly, unique, title, kept }));
        }
        let waiting = self.wait(input, below, &group[closing], &name)?;
        let group: Vec<Expr> = group.iter().cloned().map(Expr::Column).collect();
        let whole = |leaf| Aggregate::try_new(Arc::new(leaf), group, aggregate.aggr_expr.clone());
        let windows =
            Program::new(self.state, &[below.schema().clone()], |leaves| Ok(LogicalPlan::Aggregate(whole(only(leaves)?)?))).await?;
        Ok(self.each_tick(waiting, windows, title))
    }

    fn closing_bound(&self) -> Result<Bound> {
        let closes = self.closes.as_ref().ok_or_else(nothing_closes)?;
        self.watermark_bound(closes.bounds.clone(), &closes.time_type)
    }

    fn each_tick(&mut self, input: usize, program: Program, title: String) -> usize {
        let schema = program.schema().clone();
        let kept = "nothing: computed once per window";
        let operator = Box::new(EachTick { program });
        self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::AppendOnly, unique: None, title, kept })
    }

    /// The first column that is grouped by and follows a watermark.
    fn closing_column(&self, below: &LogicalPlan, group: &[Column]) -> Result<(usize, Bounds)> {
        let found = group.iter().enumerate().find_map(|(number, column)| {
            let place = below.schema().index_of_column(column).ok()?;
            Some((number, bounds(below, place, self.relations)?))
        });
        found.ok_or_else(|| {
            refused("nothing that it is grouped by follows a watermark").with_hint(
                "declare WATERMARK FOR event_time AS event_time - INTERVAL '5 seconds' in CREATE SOURCE, and group by \
                 date_bin(INTERVAL '1 minute', event_time) or by the window_start of tumble() or hop()",
            )
        })
    }

    fn wait(&mut self, input: usize, below: &LogicalPlan, column: &Column, name: &str) -> Result<usize> {
        let time = self.physical(&Expr::Column(column.clone()), below.schema())?;
        let bound = self.closing_bound()?;
        let schema = self.nodes[input].schema.clone();
        let operator = Box::new(Temporal::new(schema.clone(), time, Comparison::Before, bound, Late::Drop)?);
        let title = format!("Wait until {name} is final");
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

fn nothing_closes() -> Error {
    Error::internal("windows that nothing closes")
}

pub(super) fn refused(detail: &str) -> Error {
    Error::unsupported("EMIT ON WINDOW CLOSE cannot be used with this query").with_detail(detail)
}
