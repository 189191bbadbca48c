//! Which rows of a view a query asks for by their key, so that they can be looked up.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::SchemaRef;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::error::Result;
use crate::flow::published::Keys;

/// With more keys the chunks are read instead.
pub const KEYS_MAX: usize = 1024;

/// What the filters say of the columns of one of the paths, or of the first few of them: of as many as they can. `None` if nothing that helps. The
/// rows found must be filtered nevertheless.
pub fn keys(filters: &[Expr], paths: &[Vec<usize>], schema: &SchemaRef) -> Result<Option<Keys>> {
    let mut longest: Option<Keys> = None;
    for path in paths {
        let is_longer = |keys: &Keys| longest.as_ref().is_none_or(|known| keys.columns().len() > known.columns().len());
        longest = keys_of(filters, path, schema)?.filter(is_longer).or(longest);
    }
    Ok(longest)
}

fn keys_of(filters: &[Expr], path: &[usize], schema: &SchemaRef) -> Result<Option<Keys>> {
    let (mut columns, mut values, mut count) = (vec![], vec![], 1);
    for column in path {
        let field = schema.field(*column);
        let fits = |found: &Vec<ScalarValue>| found.iter().all(|value| value.data_type() == *field.data_type());
        let found = filters.iter().filter_map(|filter| wanted(filter, field.name()).filter(fits)).min_by_key(Vec::len);
        let Some(found) = found else { break };
        if count * found.len() > KEYS_MAX || found.is_empty() || !Keys::allow(field.data_type()) {
            break;
        }
        count *= found.len();
        columns.push(*column);
        values.push(ScalarValue::iter_to_array(found)?);
    }
    if columns.is_empty() {
        return Ok(None);
    }
    Keys::new(columns, &combined(&values, count)?).map(Some)
}

/// The values that a column must have one of, if a filter says no more than that.
pub fn wanted(filter: &Expr, column: &str) -> Option<Vec<ScalarValue>> {
    let (_, values) = one_of(filter).filter(|(this, _)| this.name() == column)?;
    let value = |value: &Expr| match value {
        Expr::Literal(value, _) => Some(value.clone()),
        _ => None,
    };
    values.into_iter().map(value).collect()
}

/// A column, and what it must be equal to one of, none of which is a column by itself: if a filter says no more than that.
pub fn one_of(filter: &Expr) -> Option<(&Column, Vec<&Expr>)> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => match (left.as_ref(), right.as_ref()) {
            (Expr::Column(_), Expr::Column(_)) => None,
            (Expr::Column(column), value) | (value, Expr::Column(column)) => Some((column, vec![value])),
            _ => None,
        },
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let ((column, left), (other, right)) = (one_of(left)?, one_of(right)?);
            (column == other).then(|| (column, [left, right].concat()))
        }
        Expr::InList(InList { expr, list, negated: false }) => match expr.as_ref() {
            Expr::Column(column) if !list.iter().any(|value| matches!(value, Expr::Column(_))) => Some((column, list.iter().collect())),
            _ => None,
        },
        _ => None,
    }
}

/// Each value of a column with each of the others, `count` pairs or so: an array for each column.
pub fn combined(values: &[ArrayRef], count: usize) -> Result<Vec<ArrayRef>> {
    if let [one] = values {
        return Ok(vec![one.clone()]);
    }
    let mut each = count;
    let mut arrays = Vec::with_capacity(values.len());
    for values in values {
        let of = values.len().max(1);
        each /= of;
        let places = UInt32Array::from_iter_values((0..count).map(|key| (key / each % of) as u32));
        arrays.push(take(values, &places, None)?);
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;
    use datafusion::logical_expr::{col, lit};
    use std::sync::Arc;

    use super::*;

    #[test]
    fn each_value_meets_each_of_the_others_once() {
        let values: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![1, 2])), Arc::new(StringArray::from(vec!["a", "b", "c"]))];
        let arrays = combined(&values, 6).unwrap();
        let pairs: Vec<_> =
            arrays[0].as_primitive::<Int64Type>().values().iter().zip(arrays[1].as_string::<i32>().iter().flatten()).collect();
        assert_eq!(pairs, [(&1, "a"), (&1, "b"), (&1, "c"), (&2, "a"), (&2, "b"), (&2, "c")]);
    }

    #[test]
    fn only_what_says_the_value_says_what_is_wanted() {
        let values = |filter: Expr| wanted(&filter, "a").map(|values| values.len());
        assert_eq!(values(col("a").eq(lit(1_i64))), Some(1));
        assert_eq!(values(lit(1_i64).eq(col("v.a"))), Some(1));
        assert_eq!(values(col("a").eq(lit(1_i64)).or(col("a").eq(lit(2_i64)))), Some(2));
        assert_eq!(values(col("a").in_list(vec![lit(1_i64), lit(2_i64), lit(3_i64)], false)), Some(3));
        for other in [
            col("b").eq(lit(1_i64)),
            col("a").gt(lit(1_i64)),
            col("a").eq(col("b")),
            col("a").eq(lit(1_i64)).or(col("b").eq(lit(2_i64))),
            col("a").in_list(vec![lit(1_i64)], true),
            col("a").in_list(vec![col("b")], false),
        ] {
            assert_eq!(values(other.clone()), None, "{other}");
        }
    }
}
