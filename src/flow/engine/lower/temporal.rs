//! Conditions that compare something with the clock, such as `event_time > now() - INTERVAL '1 month'`.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Operator, cast, col};

use super::bounds::{is_time, keeps_order_of, shifted_by_constant};
use super::reach::without_between;
use super::{Lowering, New, Node};
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
    /// Adds an operator for a comparison with the clock.
    pub(super) fn temporal(&mut self, input: usize, input_schema: &DFSchema, condition: &Expr) -> Result<usize> {
        let Clocked { time, comparison, bound } = clocked(condition)?;
        let now = now_schema();
        let now_columns = DFSchema::try_from(now.as_ref().clone())?;
        let bound = as_of_now(bound)?;
        let (time_type, bound_type) = (time.get_type(input_schema)?, bound.get_type(&now_columns)?);
        if time_type != bound_type || !is_time(&time_type) {
            return Err(Error::unsupported(format!("this comparison with the clock cannot be kept: {condition}"))
                .with_detail(format!("it compares {time_type} with {bound_type}"))
                .with_hint("compare a timestamp or date column with now() ± INTERVAL"));
        }
        let Node { schema, arrival, unique, .. } = &self.nodes[input];
        let (schema, unique) = (schema.clone(), unique.clone());
        let (arrival, kept) = match comparison.shows_what_is_ahead() {
            true => (Arrival::Changing, "rows by their time; they leave by themselves and are forgotten"),
            false => (*arrival, "rows whose time is ahead; they come by themselves"),
        };
        let time = self.physical(&time, input_schema)?;
        let bound = Bound::Clock(self.physical(&bound, &now_columns)?);
        let operator = Box::new(Temporal::new(schema.clone(), time, comparison, bound, Late::Show)?);
        let title = format!("Filter {}", super::wording::words(condition));
        Ok(self.add(New { operator, inputs: vec![input], schema, arrival, unique, title, kept }))
    }
}

/// A condition as simple comparisons, all of which must hold. Without the clock in it, it stays as it is.
pub(super) fn comparisons(condition: &Expr) -> Vec<Expr> {
    if now::clock_in(condition).is_none() {
        return vec![condition.clone()];
    }
    let parts = match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let (left, right) = (left.as_ref(), right.as_ref());
            vec![left.clone().gt_eq(right.clone()), left.clone().lt_eq(right.clone())]
        }
        other => without_between(other),
    };
    parts.into_iter().map(|part| without_difference(&part).unwrap_or(part)).collect()
}

/// `now() - time < interval` as `time > now() - interval`, and the like. Months are of no length, so intervals that have some cannot be moved
/// to the other side.
fn without_difference(comparison: &Expr) -> Option<Expr> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = comparison else { return None };
    let (difference, op, interval) = match (literal_interval(left), literal_interval(right)) {
        (None, Some(interval)) => (left, *op, interval),
        (Some(interval), None) => (right, op.swap()?, interval),
        _ => return None,
    };
    let mut difference = difference.as_ref();
    while let Expr::Cast(cast) = difference {
        difference = cast.expr.as_ref();
    }
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Minus, right }) = difference else { return None };
    let moved = |clock: &Expr, by: Operator| Expr::BinaryExpr(BinaryExpr::new(Box::new(clock.clone()), by, Box::new(interval.clone())));
    let (time, op, bound) = match (now::clock_in(left).is_some(), now::clock_in(right).is_some()) {
        (true, false) => (right, op.swap()?, moved(left, Operator::Minus)),
        (false, true) => (left, op, moved(right, Operator::Plus)),
        _ => return None,
    };
    Some(Expr::BinaryExpr(BinaryExpr::new(time.clone(), op, Box::new(bound))))
}

/// A constant span of time without months, as an interval.
fn literal_interval(expression: &Expr) -> Option<Expr> {
    let Expr::Literal(value, _) = expression else { return None };
    let interval = match value {
        ScalarValue::IntervalMonthDayNano(Some(span)) if span.months == 0 => value.clone(),
        ScalarValue::DurationMicrosecond(Some(micros)) => ScalarValue::new_interval_mdn(0, 0, micros.checked_mul(1000)?),
        ScalarValue::DurationNanosecond(Some(nanos)) => ScalarValue::new_interval_mdn(0, 0, *nanos),
        _ => return None,
    };
    Some(Expr::Literal(interval, None))
}

/// What a comparison compares with the clock.
fn clocked(condition: &Expr) -> Result<Clocked> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return Err(refused(condition)) };
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

fn one(time: &Expr, comparison: Comparison, bound: &Expr, condition: &Expr) -> Result<Clocked> {
    match now::clock_in(time) {
        None => Ok(Clocked { time: time.clone(), comparison, bound: bound.clone() }),
        Some(_) => Err(refused(condition)),
    }
}

/// Whether an expression depends on the clock alone, and grows with it.
fn is_bound(expression: &Expr) -> bool {
    match expression {
        Expr::Literal(..) => true,
        Expr::ScalarFunction(call) if matches!(call.func.name(), "now" | "current_date") => true,
        // Also by months: months ago may be earlier than they were, but a bound that was reached stays.
        _ => match shifted_by_constant(expression) {
            Some((clock, _)) => is_bound(clock),
            None => keeps_order_of(expression).is_some_and(is_bound),
        },
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
