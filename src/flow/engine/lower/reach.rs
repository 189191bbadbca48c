//! How far apart the times of two rows can be that a join brings together.

use arrow::datatypes::IntervalMonthDayNanoType;
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Between, BinaryExpr, Expr, Join, Operator, lit};

const NANOSECONDS_PER_MICROSECOND: i64 = 1000;

/// `other` is at most so many nanoseconds after `this`: two columns of the two sides of a join.
pub struct Reach {
    pub this: Column,
    pub other: Column,
    pub nanoseconds: i64,
}

/// All that must hold of a pair, as comparisons.
pub fn comparisons(join: &Join) -> Vec<Expr> {
    let equal = join.on.iter().map(|(left, right)| left.clone().eq(right.clone()));
    let parts = join.filter.iter().flat_map(|filter| split_conjunction(filter)).flat_map(without_between);
    equal.chain(parts).collect()
}

/// What a comparison says about how far a time of the other side is behind one of this.
pub fn reach_of(condition: &Expr, this: &DFSchema, other: &DFSchema) -> Option<Reach> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else { return None };
    let (left, right) = (shifted(left)?, shifted(right)?);
    // earlier + its shift <= later + its shift
    let sides = match op {
        Operator::Lt | Operator::LtEq => vec![(left, right)],
        Operator::Gt | Operator::GtEq => vec![(right, left)],
        Operator::Eq => vec![(left.clone(), right.clone()), (right, left)],
        _ => return None,
    };
    sides.into_iter().find_map(|((earlier, less), (later, more))| {
        let fits = this.has_column(&later) && other.has_column(&earlier);
        fits.then(|| Some(Reach { this: later, other: earlier, nanoseconds: more.checked_sub(less)? })).flatten()
    })
}

/// A column, and how many nanoseconds are added to it.
fn shifted(expression: &Expr) -> Option<(Column, i64)> {
    match expression {
        Expr::Column(column) => Some((column.clone(), 0)),
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            // Of finer spans, a time takes only a part.
            let by = nanoseconds(right).filter(|by| by % NANOSECONDS_PER_MICROSECOND == 0)?;
            let (column, shift) = shifted(left)?;
            match op {
                Operator::Plus => Some((column, shift.checked_add(by)?)),
                Operator::Minus => Some((column, shift.checked_sub(by)?)),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A time so many nanoseconds later.
pub fn moved(time: Expr, nanoseconds: i64) -> Expr {
    match nanoseconds {
        0 => time,
        _ => time + lit(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNanoType::make_value(0, 0, nanoseconds)))),
    }
}

/// A constant span of time. A day is one of 24 hours, as times are in UTC; a month is of no length.
pub fn nanoseconds(expression: &Expr) -> Option<i64> {
    const NANOSECONDS_PER_DAY: i64 = 24 * 3600 * 1_000_000_000;
    match expression {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(span)), _) if span.months == 0 => {
            i64::from(span.days).checked_mul(NANOSECONDS_PER_DAY)?.checked_add(span.nanoseconds)
        }
        _ => None,
    }
}

/// BETWEEN as the two comparisons that it is; anything else as it stands.
pub fn without_between(condition: &Expr) -> Vec<Expr> {
    match condition {
        Expr::Between(Between { expr, negated: false, low, high }) => {
            vec![expr.as_ref().clone().gt_eq(low.as_ref().clone()), expr.as_ref().clone().lt_eq(high.as_ref().clone())]
        }
        other => vec![other.clone()],
    }
}
