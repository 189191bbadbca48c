//! Conditions that compare something with the clock, such as `event_time > now() - INTERVAL '1 month'`.

use datafusion::common::DFSchema;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::{Between, BinaryExpr, Expr, ExprSchemable, Operator, cast, col};

use super::bounds::keeps_order_of;
use super::{Lowering, New};
use crate::error::{Error, Result};
use crate::flow::engine::operators::{Bound, Comparison, Late, NOW, Temporal, now_schema};
use crate::flow::engine::relation::Arrival;
use crate::flow::now;
use arrow::datatypes::DataType;

/// A row's time, how it is compared, and the bound.
struct Clocked {
    time: Expr,
    comparison: Comparison,
    bound: Expr,
}

impl Lowering<'_> {
    /// Adds an operator for a condition that has the clock in it.
    pub(super) fn temporal(&mut self, input: usize, input_schema: &DFSchema, condition: &Expr) -> Result<usize> {
        let mut node = input;
        for Clocked { time, comparison, bound } in clocked(condition)? {
            let now = now_schema();
            let now_columns = DFSchema::try_from(now.as_ref().clone())?;
            let bound = as_of_now(bound)?;
            let (time_type, bound_type) = (time.get_type(input_schema)?, bound.get_type(&now_columns)?);
            if time_type != bound_type || !is_time(&time_type) {
                return Err(Error::unsupported(format!("this comparison with the clock cannot be kept: {condition}"))
                    .with_detail(format!("it compares {time_type} with {bound_type}"))
                    .with_hint("compare a timestamp or date column with now() ± INTERVAL"));
            }
            let schema = self.nodes[node].schema.clone();
            let arrival = match comparison.shows_what_is_ahead() {
                true => Arrival::Changing,
                false => self.nodes[node].arrival,
            };
            let time = self.physical(&time, input_schema)?;
            let bound = Bound::Clock(self.physical(&bound, &now_columns)?);
            let operator = Box::new(Temporal::new(schema.clone(), time, comparison, bound, Late::Show)?);
            let kept = match comparison.shows_what_is_ahead() {
                true => "rows by their time; they leave by themselves and are forgotten",
                false => "rows whose time is ahead; they come by themselves",
            };
            let unique = self.nodes[node].unique.clone();
            node = self.add(New {
                operator,
                inputs: vec![node],
                schema,
                arrival,
                unique,
                title: format!("Filter {}", super::wording::words(condition)),
                kept,
            });
        }
        Ok(node)
    }
}

fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

/// The comparisons that a condition is, all of which must hold.
fn clocked(condition: &Expr) -> Result<Vec<Clocked>> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let (comparison, turned) = match op {
                Operator::Gt => (Comparison::After, Comparison::Before),
                Operator::GtEq => (Comparison::AtOrAfter, Comparison::AtOrBefore),
                Operator::Lt => (Comparison::Before, Comparison::After),
                Operator::LtEq => (Comparison::AtOrBefore, Comparison::AtOrAfter),
                _ => return Err(refused(condition)),
            };
            match (is_bound(left), is_bound(right)) {
                (false, true) => one(left, comparison, right, condition),
                (true, false) => one(right, turned, left, condition),
                _ => Err(refused(condition)),
            }
        }
        Expr::Between(Between { expr, negated: false, low, high }) => {
            let mut all = vec![];
            for (comparison, bound) in [(Comparison::AtOrAfter, low), (Comparison::AtOrBefore, high)] {
                // A constant is a bound that stands still.
                match is_bound(bound) {
                    true => all.extend(one(expr, comparison, bound, condition)?),
                    false => return Err(refused(condition)),
                }
            }
            Ok(all)
        }
        _ => Err(refused(condition)),
    }
}

fn one(time: &Expr, comparison: Comparison, bound: &Expr, condition: &Expr) -> Result<Vec<Clocked>> {
    match now::clock_in(time) {
        None => Ok(vec![Clocked { time: time.clone(), comparison, bound: bound.clone() }]),
        Some(_) => Err(refused(condition)),
    }
}

/// Whether an expression depends on the clock alone, and never becomes less.
fn is_bound(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(..) => true,
        Expr::ScalarFunction(call) if matches!(call.func.name(), "now" | "current_date") => true,
        _ => keeps_order_of(expression).is_some_and(is_bound),
    }
}

/// The bound with a column where the clock was read.
fn as_of_now(bound: Expr) -> Result<Expr> {
    let replaced = bound.transform(|part| {
        let clock = match &part {
            Expr::ScalarFunction(call) => call.func.name(),
            _ => return Ok(Transformed::no(part)),
        };
        Ok(match clock {
            "now" => Transformed::yes(col(NOW)),
            "current_date" => Transformed::yes(cast(col(NOW), DataType::Date32)),
            _ => Transformed::no(part),
        })
    })?;
    Ok(replaced.data)
}

fn refused(condition: &Expr) -> Error {
    Error::unsupported(format!("this condition cannot be kept: {condition}"))
        .with_detail("the clock changes its answer all the time")
        .with_hint(
            "compare a timestamp column with now() ± INTERVAL by <, <=, >, >= or BETWEEN, as in event_time > now() - INTERVAL '1 day'",
        )
}
