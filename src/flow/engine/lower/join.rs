//! Joins, by keys where there are any.

use std::sync::Arc;

use datafusion::common::{DFSchemaRef, JoinType, NullEquality};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::computed::{places, with_columns};
use super::{Lowering, New};
use crate::error::Result;
use crate::flow::engine::operators::{Alone, Join, NullKeys, SideSpec};
use crate::flow::engine::program::nullable;
use crate::flow::engine::relation::Arrival;

impl Lowering<'_> {
    pub(super) async fn join(&mut self, plan: &LogicalPlan, join: &datafusion::logical_expr::Join) -> Result<usize> {
        if join.null_aware {
            return self.whole(plan).await;
        }
        self.refuse_clock(&plan.expressions())?;
        let (left_keys, right_keys): (Vec<Expr>, Vec<Expr>) = join.on.iter().cloned().unzip();
        let (left_plan, left_key) = with_columns(&join.left, &left_keys, "__left_key")?;
        let (right_plan, right_key) = with_columns(&join.right, &right_keys, "__right_key")?;
        let (left_key, right_key) = (places(&left_plan, &left_key)?, places(&right_plan, &right_key)?);
        let inputs = vec![self.lower(&left_plan).await?, self.lower(&right_plan).await?];
        let combined: DFSchemaRef = Arc::new(left_plan.schema().join(right_plan.schema())?);
        let condition = join.filter.as_ref().map(|filter| self.physical(filter, &combined)).transpose()?;
        let (left, right, gives_pairs) = kind(join.join_type);
        let side = |input: usize, plan: &LogicalPlan, key: Vec<usize>, alone: Alone, is_shown: bool| SideSpec {
            schema: self.nodes[input].schema.clone(),
            key,
            shown: if is_shown { plan.schema().fields().len() } else { 0 },
            alone,
        };
        let sides = [
            side(inputs[0], &join.left, left_key, left, gives_pairs || left != Alone::Nothing),
            side(inputs[1], &join.right, right_key, right, gives_pairs || right != Alone::Nothing),
        ];
        let null_keys = match join.null_equality {
            NullEquality::NullEqualsNothing => NullKeys::Differ,
            NullEquality::NullEqualsNull => NullKeys::AreEqual,
        };
        let has_key = !join.on.is_empty();
        let schema = nullable(join.schema.as_arrow());
        let combined = nullable(combined.as_arrow());
        let operator = Box::new(Join::new(sides, gives_pairs, condition, combined, schema.clone(), null_keys)?);
        let arrival = match join.join_type {
            JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => self.arrival_of(&inputs),
            _ => Arrival::Changing,
        };
        let kept = match has_key {
            true => "both sides by key; a change costs the rows that match it",
            false => "both sides without a key; a change costs all rows of the other side",
        };
        let unique = match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => self.nodes[inputs[0]].unique.clone(),
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => self.nodes[inputs[1]].unique.clone(),
            // Rows of either side beside nothing but nulls may be alike.
            JoinType::Full => None,
            JoinType::Inner | JoinType::Left | JoinType::Right => self.unique_pairs(&inputs, join),
        };
        Ok(self.add(New { operator, inputs, schema, arrival, unique, title: super::wording::join(join), kept }))
    }

    /// A pair of rows is told from others by what tells each row from others.
    fn unique_pairs(&self, inputs: &[usize], join: &datafusion::logical_expr::Join) -> Option<Vec<usize>> {
        let width = join.left.schema().fields().len();
        let (left, right) = (self.nodes[inputs[0]].unique.as_ref()?, self.nodes[inputs[1]].unique.as_ref()?);
        Some(left.iter().copied().chain(right.iter().map(|column| width + column)).collect())
    }
}

/// What each side gives by itself, and whether pairs are given.
fn kind(join_type: JoinType) -> (Alone, Alone, bool) {
    use Alone::{Marked, Matched, Nothing, Padded, Unmatched};
    match join_type {
        JoinType::Inner => (Nothing, Nothing, true),
        JoinType::Left => (Padded, Nothing, true),
        JoinType::Right => (Nothing, Padded, true),
        JoinType::Full => (Padded, Padded, true),
        JoinType::LeftSemi => (Matched, Nothing, false),
        JoinType::RightSemi => (Nothing, Matched, false),
        JoinType::LeftAnti => (Unmatched, Nothing, false),
        JoinType::RightAnti => (Nothing, Unmatched, false),
        JoinType::LeftMark => (Marked, Nothing, false),
        JoinType::RightMark => (Nothing, Marked, false),
    }
}
