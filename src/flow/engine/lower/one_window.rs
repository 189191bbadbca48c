//! Whether what stands above windows that close looks at one window at a time, all of whose rows come together.

use datafusion::common::Column;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use super::bounds::shifted_by_constant;
use super::close::refused;
use super::reach::nanoseconds;
use super::wording::words;
use crate::error::Result;

/// What closes the windows of a query: a column of its lowest aggregate.
pub struct Closing<'a> {
    pub aggregate: &'a Aggregate,
    pub below: &'a LogicalPlan,
    /// What is grouped by, as columns of `below`.
    pub group: &'a [Column],
    /// Which of them it is.
    pub column: usize,
}

impl Closing<'_> {
    /// Whether a column above the aggregate has one value for each of the closing column's, and no other has it.
    fn is_followed_by(&self, column: &Expr, input: &LogicalPlan) -> bool {
        let (plan, expression) = source(column, input, self.aggregate);
        let Expr::Column(column) = expression else { return false };
        let group = self.aggregate.schema.index_of_column(&column).ok().filter(|group| *group < self.group.len());
        let (true, Some(group)) = (self.is_at(plan), group) else { return false };
        let [(one, this), (other, closing)] =
            [group, self.column].map(|group| source(&Expr::Column(self.group[group].clone()), self.below, self.aggregate));
        std::ptr::eq(one, other) && this == closing
    }

    fn is_at(&self, plan: &LogicalPlan) -> bool {
        matches!(plan, LogicalPlan::Aggregate(this) if this == self.aggregate)
    }

    fn name(&self) -> String {
        words(&self.aggregate.group_expr[self.column])
    }
}

/// Whatever stands above must look at one window at a time, for it runs over those that close together.
pub fn check_by_window(plan: &LogicalPlan, closing: &Closing<'_>) -> Result<()> {
    match plan {
        _ if closing.is_at(plan) => return Ok(()),
        LogicalPlan::Aggregate(this) if !this.group_expr.iter().any(|column| closing.is_followed_by(column, &this.input)) => {
            return Err(refused("it aggregates over several windows").with_hint(format!("keep {} in every GROUP BY", closing.name())));
        }
        LogicalPlan::Window(window) => {
            let partitions = window.window_expr.iter().map(|expression| match expression.clone().unalias() {
                Expr::WindowFunction(function) => function.params.partition_by,
                _ => vec![],
            });
            if !partitions.into_iter().all(|columns| columns.iter().any(|column| closing.is_followed_by(column, &window.input))) {
                return Err(
                    refused("a window function looks at several windows").with_hint(format!("PARTITION BY {} as well", closing.name()))
                );
            }
        }
        _ => {}
    }
    plan.inputs().into_iter().try_for_each(|input| check_by_window(input, closing))
}

/// What an expression over a plan is made of, as far down as it is only renamed or shifted by a constant; not below `stop`.
fn source<'a>(expression: &Expr, input: &'a LogicalPlan, stop: &Aggregate) -> (&'a LogicalPlan, Expr) {
    match expression {
        Expr::Column(column) => match input.schema().index_of_column(column) {
            Ok(place) => source_of_column(input, place, stop),
            Err(_) => (input, expression.clone()),
        },
        Expr::Alias(alias) => source(&alias.expr, input, stop),
        _ => match shifted_by_constant(expression).filter(|(_, span)| nanoseconds(span).is_some()) {
            Some((shifted, _)) => source(shifted, input, stop),
            None => (input, expression.clone()),
        },
    }
}

fn source_of_column<'a>(plan: &'a LogicalPlan, place: usize, stop: &Aggregate) -> (&'a LogicalPlan, Expr) {
    let column = || Expr::Column(Column::from(plan.schema().qualified_field(place)));
    match plan {
        LogicalPlan::SubqueryAlias(alias) => source_of_column(&alias.input, place, stop),
        LogicalPlan::Filter(filter) => source_of_column(&filter.input, place, stop),
        LogicalPlan::Sort(sort) => source_of_column(&sort.input, place, stop),
        LogicalPlan::Projection(projection) => source(&projection.expr[place], &projection.input, stop),
        LogicalPlan::Window(window) if place < window.input.schema().fields().len() => source_of_column(&window.input, place, stop),
        LogicalPlan::Aggregate(this) if this != stop => match this.group_expr.get(place) {
            Some(expression) => source(expression, &this.input, stop),
            None => (plan, column()),
        },
        _ => (plan, column()),
    }
}
