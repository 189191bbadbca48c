//! What is constant is computed before the optimizer would, which lets it wrap around.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use datafusion::optimizer::optimizer::ApplyOrder;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::super::plan_rewrite::rewrite_node;
use super::{check, is_arithmetic, operands};

/// Comes first in each pass of the optimizer. A result that is out of range stays a call of the checked function, so that it is an error where a
/// row needs it, like a division by zero.
#[derive(Debug)]
pub struct CheckedConstants;

impl OptimizerRule for CheckedConstants {
    fn name(&self) -> &str {
        "checked_constants"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        rewrite_node(plan, is_foldable, fold)
    }
}

/// Arithmetic on constants. Operands that are arithmetic themselves were looked at before: they are not constant, or not integers.
fn is_foldable(expression: &Expr) -> bool {
    let is_constant = |operand: &Expr| !is_arithmetic(operand) && !operand.exists(|part| Ok(varies(part))).unwrap_or(true);
    operands(expression).is_some_and(|(_, left, right)| is_constant(right) && left.is_none_or(is_constant))
}

/// What need not have one value for all rows, or is not known before they are read.
fn varies(part: &Expr) -> bool {
    match part {
        Expr::Literal(..) => false,
        Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::Placeholder(_) | Expr::AggregateFunction(_) | Expr::WindowFunction(_) => {
            true
        }
        Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::SetComparison(_) => true,
        other => other.is_volatile_node(),
    }
}

fn fold(expression: Expr) -> Result<Transformed<Expr>> {
    if !is_foldable(&expression) {
        return Ok(Transformed::no(expression));
    }
    match computed(&expression) {
        Some(value) => Ok(Transformed::yes(Expr::Literal(value, None))),
        None => check(expression, &DFSchema::empty()),
    }
}

/// The result, if both operands are written out and it is in range.
fn computed(expression: &Expr) -> Option<ScalarValue> {
    let (operator, left, right) = operands(expression)?;
    let right = literal(right)?;
    let left = match left {
        Some(left) => literal(left).filter(|left| left.data_type() == right.data_type()).and_then(integer)?,
        None => 0,
    };
    let exact = match (operator, integer(right)?) {
        (Operator::Plus, right) => left + right,
        (Operator::Minus, right) => left - right,
        (_, right) => left * right,
    };
    match right {
        ScalarValue::Int16(_) => i16::try_from(exact).ok().map(ScalarValue::from),
        ScalarValue::Int32(_) => i32::try_from(exact).ok().map(ScalarValue::from),
        _ => i64::try_from(exact).ok().map(ScalarValue::from),
    }
}

/// Whatever two of these give has its place in 128 bits.
fn integer(value: &ScalarValue) -> Option<i128> {
    match value {
        ScalarValue::Int16(value) => value.map(i128::from),
        ScalarValue::Int32(value) => value.map(i128::from),
        ScalarValue::Int64(value) => value.map(i128::from),
        _ => None,
    }
}

fn literal(expression: &Expr) -> Option<&ScalarValue> {
    match expression {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}
