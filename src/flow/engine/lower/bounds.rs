//! How far the times in a column have come, when its input's watermark has come so far. Follows a column down to the relation it comes from,
//! through everything that keeps the order of times: bins, truncation, casts, a shift by a constant.

use arrow::datatypes::DataType;
use datafusion::common::Column;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::logical_expr::expr::Cast;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, JoinType, LogicalPlan, Operator, col};

use super::reach::{comparisons, moved, nanoseconds, reach_of};
use crate::error::Result;
use crate::flow::engine::operators::NOW;
use crate::flow::engine::relation::Relation;

/// Each an expression over `NOW`, which stands for the watermark of a relation. No row will come whose column is less than all of them.
pub type Bounds = Vec<(usize, Expr)>;

/// The bounds of a column of a plan, if it has any.
pub fn bounds(plan: &LogicalPlan, column: usize, relations: &[Relation]) -> Option<Bounds> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let relation = relations.iter().position(|relation| relation.name.as_str() == scan.table_name.table())?;
            let column = scan.projection.as_ref().map_or(column, |projection| projection[column]);
            let watermark = relations[relation].watermark.as_ref()?;
            (watermark.column == column).then(|| vec![(relation, col(NOW))])
        }
        LogicalPlan::SubqueryAlias(alias) => bounds(&alias.input, column, relations),
        LogicalPlan::Filter(filter) => bounds(&filter.input, column, relations),
        LogicalPlan::Sort(sort) => bounds(&sort.input, column, relations),
        LogicalPlan::Projection(projection) => of_expression(&projection.expr[column], &projection.input, relations),
        LogicalPlan::Aggregate(aggregate) => of_expression(aggregate.group_expr.get(column)?, &aggregate.input, relations),
        LogicalPlan::Window(window) => match column < window.input.schema().fields().len() {
            true => bounds(&window.input, column, relations),
            false => None,
        },
        LogicalPlan::Unnest(unnest) => bounds(&unnest.input, *unnest.dependency_indices.get(column)?, relations),
        LogicalPlan::Union(union) => {
            let all = union.inputs.iter().map(|input| bounds(input, column, relations)).collect::<Option<Vec<_>>>()?;
            Some(all.concat())
        }
        LogicalPlan::Join(join) if join.join_type == JoinType::Inner => of_pairs(join, column, relations),
        _ => None,
    }
}

/// A new pair has a new row on one of its sides. Where that is the other one, its time says how early the column's can be.
fn of_pairs(join: &Join, column: usize, relations: &[Relation]) -> Option<Bounds> {
    let left = join.left.schema().fields().len();
    let (this, other, place) = if column < left { (&join.left, &join.right, column) } else { (&join.right, &join.left, column - left) };
    let this_column = Column::from(this.schema().qualified_field(place));
    let of_other = comparisons(join).iter().find_map(|condition| {
        let reach = reach_of(condition, this.schema(), other.schema()).filter(|reach| reach.this == this_column)?;
        let place = other.schema().index_of_column(&reach.other).ok()?;
        let is_timestamp = matches!(other.schema().field(place).data_type(), DataType::Timestamp(..));
        let back = reach.nanoseconds.checked_neg()?;
        let bounds = bounds(other, place, relations).filter(|_| is_timestamp || back == 0)?;
        Some(bounds.into_iter().map(|(relation, bound)| (relation, moved(bound, back))).collect::<Bounds>())
    });
    Some([bounds(this, place, relations)?, of_other?].concat())
}

/// The bounds of an expression over a plan's columns.
fn of_expression(expression: &Expr, input: &LogicalPlan, relations: &[Relation]) -> Option<Bounds> {
    match expression {
        Expr::Column(column) => bounds(input, input.schema().index_of_column(column).ok()?, relations),
        Expr::Alias(alias) => of_expression(&alias.expr, input, relations),
        // The windows that one row falls in.
        Expr::ScalarFunction(call) if call.func.name() == "make_array" => {
            let all = call.args.iter().map(|element| of_expression(element, input, relations)).collect::<Option<Vec<_>>>()?;
            Some(all.concat())
        }
        _ => {
            let inner = keeps_order_of(expression)?;
            let below = of_expression(inner, input, relations)?;
            below.into_iter().map(|(relation, bound)| Some((relation, replaced(expression, inner, bound).ok()?))).collect()
        }
    }
}

/// The part of an expression whose order it keeps, everything else in it being constant.
pub fn keeps_order_of(expression: &Expr) -> Option<&Expr> {
    let is_constant = |part: &Expr| matches!(part, Expr::Literal(..));
    match expression {
        // A time of day comes again each day, and text has an order of its own.
        Expr::Cast(Cast { expr, field }) if is_time(field.data_type()) => Some(expr),
        Expr::Alias(alias) => Some(&alias.expr),
        Expr::ScalarFunction(call) => match (call.func.name(), call.args.as_slice()) {
            ("date_trunc", [unit, time]) if is_constant(unit) => Some(time),
            ("date_bin", [stride, time]) if is_constant(stride) => Some(time),
            ("date_bin", [stride, time, origin]) if is_constant(stride) && is_constant(origin) => Some(time),
            _ => None,
        },
        other => shifted_by_constant(other).filter(|(_, span)| is_even(span)).map(|(shifted, _)| shifted),
    }
}

/// What a constant is added to or taken from, and the constant.
pub fn shifted_by_constant(expression: &Expr) -> Option<(&Expr, &Expr)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expression else { return None };
    match (left.as_ref(), op, right.as_ref()) {
        (shifted, Operator::Plus | Operator::Minus, span @ Expr::Literal(..)) => Some((shifted, span)),
        (span @ Expr::Literal(..), Operator::Plus, shifted) => Some((shifted, span)),
        _ => None,
    }
}

/// Whether a constant moves all times alike. Months do not: on March 31st at one o'clock, a month ago was February 28th at one, which is before what
/// it was on March 30th at two.
fn is_even(span: &Expr) -> bool {
    match span {
        Expr::Literal(value, _) if matches!(value.data_type(), DataType::Interval(_)) => nanoseconds(span).is_some(),
        _ => true,
    }
}

pub fn is_time(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64)
}

/// The expression with something else in the place of a part of it.
pub fn replaced(expression: &Expr, part: &Expr, by: Expr) -> Result<Expr> {
    let replace = |node: Expr| {
        Ok(match node == *part {
            true => Transformed::yes(by.clone()),
            false => Transformed::no(node),
        })
    };
    // Not downwards: what is put in must not be looked at again.
    Ok(expression.clone().transform_up(replace)?.data)
}
