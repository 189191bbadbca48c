//! Integers that grow too large are an error, as in PostgreSQL. DataFusion's own `+`, `-` and `*` would wrap around.
//!
//! A plan keeps DataFusion's operators as long as somebody looks for shapes in it: the optimizer, and who makes operators of views. Only what is
//! about to become physical goes through [`checked_plan`] or [`checked`], which put functions in their place:
//!
//! - `planner.rs`: all plans that a session makes physical;
//! - the programs and expressions of kept queries, and the conditions of expectations, ask by themselves.
//!
//! The optimizer computes what is constant, and would let it wrap around: `constants.rs` comes before it.
//!
//! Types stay what they are, so DataFusion's unsigned integers, as row numbers, are not looked at. Its `/`, `%` and `abs` are as they should be.

mod constants;
mod function;
mod planner;

#[cfg(test)]
mod tests;

pub use constants::CheckedConstants;
pub use planner::CheckedPlanner;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};

use super::plan_rewrite::rewrite_node;
use function::{checked_of, type_checked};

/// The plan with all arithmetic on integers checked. Columns keep their names and types.
pub fn checked_plan(plan: LogicalPlan) -> Result<LogicalPlan> {
    let checked = plan.transform_up_with_subqueries(|plan| {
        let schema = match &plan {
            // Its filters may be about columns that it does not give.
            LogicalPlan::TableScan(scan) => DFSchema::try_from_qualified_schema(scan.table_name.clone(), &scan.source.schema())?,
            other => merge_schema(&other.inputs()),
        };
        rewrite_node(plan, is_arithmetic, |part| check(part, &schema))
    });
    checked.map(|checked| checked.data)
}

/// The expression with all arithmetic on integers checked. Operands may have integer types of two sizes.
pub fn checked(expression: Expr, schema: &DFSchema) -> Result<Expr> {
    Ok(expression.transform_up(|part| check(part, schema))?.data)
}

fn check(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Some((operator, left, right)) = operands(&expression) else { return Ok(Transformed::no(expression)) };
    let right_type = integer_type(right, schema)?;
    let left_type = match left {
        Some(left) if right_type.is_some() => integer_type(left, schema)?,
        Some(_) => None,
        None => right_type.clone(),
    };
    let (Some(left_type), Some(right_type)) = (left_type, right_type) else { return Ok(Transformed::no(expression)) };
    let data_type = if left_type.primitive_width() > right_type.primitive_width() { &left_type } else { &right_type };
    let Some(function) = checked_of(operator, data_type) else { return Ok(Transformed::no(expression)) };
    let (left, right) = match expression {
        Expr::BinaryExpr(BinaryExpr { left, right, .. }) => (*left, *right),
        Expr::Negative(right) => (Expr::Literal(ScalarValue::new_zero(data_type)?, None), *right),
        other => return Ok(Transformed::no(other)),
    };
    // To cast is to ask for the type once more, and of calls within calls that takes long.
    let widened = |operand: Expr, of: &DataType| if of == data_type { Ok(operand) } else { operand.cast_to(data_type, schema) };
    Ok(Transformed::yes(function.call(vec![widened(left, &left_type)?, widened(right, &right_type)?])))
}

/// What may be out of range, with its operands; a change of sign has one, which is taken from nothing.
fn operands(expression: &Expr) -> Option<(Operator, Option<&Expr>, &Expr)> {
    match expression {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus | Operator::Multiply), right }) => {
            Some((*op, Some(left), right))
        }
        Expr::Negative(right) => Some((Operator::Minus, None, right)),
        _ => None,
    }
}

fn is_arithmetic(expression: &Expr) -> bool {
    operands(expression).is_some()
}

/// The type of an expression if that is a signed integer. Of a chain of operators it looks at the last: whoever asks goes from the bottom up.
fn integer_type(expression: &Expr, schema: &DFSchema) -> Result<Option<DataType>> {
    use Operator::{BitwiseAnd, BitwiseOr, BitwiseShiftLeft, BitwiseShiftRight, BitwiseXor, Divide, Minus, Modulo, Multiply, Plus};
    let data_type = match expression {
        Expr::ScalarFunction(call) if type_checked(&call.func).is_some() => return Ok(type_checked(&call.func).cloned()),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            return match op {
                Plus | Minus | Multiply | Divide | Modulo | BitwiseAnd | BitwiseOr | BitwiseXor | BitwiseShiftLeft | BitwiseShiftRight => {
                    match integer_type(right, schema)? {
                        Some(right) => Ok(integer_type(left, schema)?.filter(|left| *left == right)),
                        None => Ok(None),
                    }
                }
                _ => Ok(None),
            };
        }
        other => other.get_type(schema)?,
    };
    Ok(Some(data_type).filter(DataType::is_signed_integer))
}
