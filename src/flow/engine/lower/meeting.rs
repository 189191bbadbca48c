//! What joins below windows that close may forget: rows that can only be part of windows which have closed.
//!
//! The column that closes the windows is followed down to each join that it comes through. On the side that it comes from, a row says itself in
//! which window its pairs are; on the other side, the join's condition says which is the last that it could be in.

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, Join, JoinType, LogicalPlan};

use super::bounds::{Bounds, keeps_order_of, replaced};
use super::computed::with_columns;
use super::reach::{comparisons, moved, reach_of};
use crate::error::Result;
use crate::flow::engine::arrangement::Time;

/// A join, and what is never before the window that a pair of it is in: an expression over the columns of each side, where there is one.
pub struct Meeting {
    pub join: Join,
    pub closes: [Option<Expr>; 2],
}

/// What closes the windows above, and the joins that it comes through.
pub struct Closes {
    pub meetings: Vec<Meeting>,
    pub bounds: Bounds,
    pub time_type: DataType,
}

impl Closes {
    /// What the rows of each side of a join are closed by.
    pub fn of(&self, join: &Join) -> [Option<Expr>; 2] {
        let meeting = self.meetings.iter().find(|meeting| meeting.join == *join);
        meeting.map_or([None, None], |meeting| meeting.closes.clone())
    }

    /// The side of a join with a column for what closes its rows, and where that is.
    pub fn timed(side: &LogicalPlan, closes: Option<Expr>, name: &str) -> Result<(LogicalPlan, Option<Time>)> {
        let (plan, columns) = with_columns(side, closes.as_slice(), name)?;
        let (Some(column), Some(of)) = (columns.first(), closes.as_ref().and_then(ordered_column)) else { return Ok((plan, None)) };
        let time = Time { column: plan.schema().index_of_column(column)?, of: plan.schema().index_of_column(&of)? };
        Ok((plan, Some(time)))
    }
}

/// The joins that a plan's column comes through. One that stands in the plan twice is not among them: its pairs have another use.
pub fn meetings(plan: &LogicalPlan, closing: &Column) -> Result<Vec<Meeting>> {
    let mut found = vec![];
    follow(plan, Expr::Column(closing.clone()), &mut found)?;
    let mut joins = vec![];
    plan.apply(|node| {
        if let LogicalPlan::Join(join) = node {
            joins.push(join.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    found.retain(|meeting| joins.iter().filter(|join| **join == meeting.join).count() == 1);
    Ok(found)
}

/// `closing` is an expression over the plan's columns that keeps the order of one of them.
fn follow(plan: &LogicalPlan, closing: Expr, found: &mut Vec<Meeting>) -> Result<()> {
    let Some(column) = ordered_column(&closing) else { return Ok(()) };
    let place = plan.schema().index_of_column(&column)?;
    match plan {
        LogicalPlan::SubqueryAlias(alias) => {
            let below = Expr::Column(Column::from(alias.input.schema().qualified_field(place)));
            follow(&alias.input, with(&closing, &column, below)?, found)
        }
        LogicalPlan::Filter(filter) => follow(&filter.input, closing, found),
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => follow(&sort.input, closing, found),
        LogicalPlan::Projection(projection) => {
            follow(&projection.input, with(&closing, &column, projection.expr[place].clone().unalias())?, found)
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
            let sides = [&join.left, &join.right];
            let mut closes = [None, None];
            for (side, this) in sides.into_iter().enumerate() {
                closes[side] = match this.schema().has_column(&column) {
                    true => Some(closing.clone()),
                    false => last_of(join, this, sides[1 - side], &closing, &column)?,
                };
                if let Some(closing) = &closes[side] {
                    follow(this, closing.clone(), found)?;
                }
            }
            found.push(Meeting { join: join.clone(), closes });
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What `closing`, over a column of the other side, is at most for a row of this side.
fn last_of(join: &Join, this: &LogicalPlan, other: &LogicalPlan, closing: &Expr, column: &Column) -> Result<Option<Expr>> {
    let place = other.schema().index_of_column(column)?;
    let is_timestamp = matches!(other.schema().field(place).data_type(), DataType::Timestamp(..));
    let reaches = comparisons(join).into_iter().filter_map(|condition| reach_of(&condition, this.schema(), other.schema()));
    let reach = reaches.into_iter().find(|reach| reach.other == *column && (is_timestamp || reach.nanoseconds == 0));
    reach.map(|reach| with(closing, column, moved(Expr::Column(reach.this), reach.nanoseconds))).transpose()
}

/// The column whose order an expression keeps.
fn ordered_column(expression: &Expr) -> Option<Column> {
    match expression {
        Expr::Column(column) => Some(column.clone()),
        _ => ordered_column(keeps_order_of(expression)?),
    }
}

fn with(expression: &Expr, column: &Column, by: Expr) -> Result<Expr> {
    replaced(expression, &Expr::Column(column.clone()), by)
}
