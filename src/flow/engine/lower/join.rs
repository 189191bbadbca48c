//! Joins, by keys where there are any.

use std::sync::Arc;

use datafusion::common::{DFSchemaRef, JoinType, NullEquality};
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, col, lit};

use super::computed::{places, with_columns};
use super::meeting::Closes;
use super::past::Passing;
use super::{Lowering, New};
use crate::catalog::Emit;
use crate::error::Result;
use crate::flow::engine::operators::{Alone, Horizon, Join, NullKeys, SideSpec};
use crate::flow::engine::program::nullable;
use crate::flow::engine::relation::Arrival;

impl Lowering<'_> {
    pub(super) async fn join(&mut self, plan: &LogicalPlan, join: &datafusion::logical_expr::Join) -> Result<usize> {
        if join.null_aware {
            return self.not_in(plan, join).await;
        }
        self.refuse_clock(&plan.expressions())?;
        let (left_keys, right_keys): (Vec<Expr>, Vec<Expr>) = join.on.iter().cloned().unzip();
        let [left_closes, right_closes] = self.closes.as_ref().map_or([None, None], |closes| closes.of(join));
        let (left_plan, left_key) = with_columns(&join.left, &left_keys, "__left_key")?;
        let (right_plan, right_key) = with_columns(&join.right, &right_keys, "__right_key")?;
        let (left_plan, left_time) = Closes::timed(&left_plan, left_closes, "__left_closes")?;
        let (right_plan, right_time) = Closes::timed(&right_plan, right_closes, "__right_closes")?;
        let (left_key, right_key) = (places(&left_plan, &left_key)?, places(&right_plan, &right_key)?);
        let inputs = [self.lower(&left_plan).await?, self.lower(&right_plan).await?];
        let Passing { inputs, horizons } = match join.join_type {
            JoinType::Inner if self.emit == Emit::OnWindowClose => {
                Passing { inputs, horizons: self.closing([left_time, right_time], inputs)? }
            }
            JoinType::Inner => self.passing(join, [&left_plan, &right_plan], inputs)?,
            _ => Passing { inputs, horizons: [None, None] },
        };
        let [left_horizon, right_horizon] = horizons;
        let combined: DFSchemaRef = Arc::new(left_plan.schema().join(right_plan.schema())?);
        let condition = join.filter.as_ref().map(|filter| self.physical(filter, &combined)).transpose()?;
        let (left, right, gives_pairs) = kind(join.join_type);
        let forgets = [left_horizon.is_some(), right_horizon.is_some()];
        let side = |input: usize, plan: &LogicalPlan, key: Vec<usize>, alone: Alone, horizon: Option<Horizon>| SideSpec {
            schema: self.nodes[input].schema.clone(),
            arrival: self.nodes[input].arrival,
            key,
            shown: if gives_pairs || alone != Alone::Nothing { plan.schema().fields().len() } else { 0 },
            alone,
            horizon,
        };
        let sides =
            [side(inputs[0], &join.left, left_key, left, left_horizon), side(inputs[1], &join.right, right_key, right, right_horizon)];
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
        let kept = match (forgets, self.emit, has_key) {
            ([false, false], _, true) => "both sides by key; a change costs the rows that match it",
            ([false, false], _, false) => "both sides without a key; a change costs all rows of the other side",
            ([true, true], Emit::OnWindowClose, _) => {
                "both sides, as long as they can be in an open window; a change costs the rows that match it"
            }
            ([true, true], Emit::OnChange, _) => {
                "both sides, as long as they can meet rows that come; a change costs the rows that match it"
            }
            ([true, false], _, _) => "the first as long as it is of use, all of the second; a change costs the rows that match it",
            ([false, true], _, _) => "all of the first, the second as long as it is of use; a change costs the rows that match it",
        };
        let unique = match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => self.nodes[inputs[0]].unique.clone(),
            JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => self.nodes[inputs[1]].unique.clone(),
            // Rows of either side beside nothing but nulls may be alike.
            JoinType::Full => None,
            JoinType::Inner | JoinType::Left | JoinType::Right => self.unique_pairs(&inputs, join),
        };
        Ok(self.add(New { operator, inputs: inputs.to_vec(), schema, arrival, unique, title: super::wording::join(join), kept }))
    }

    /// NOT IN knows nothing of a null: beside the anti join, one null on the right leaves no row, and a row with a null is left only if there is
    /// nothing on the right. What is asked of the right as a whole is kept beside the join, and rarely changes.
    async fn not_in(&mut self, plan: &LogicalPlan, join: &datafusion::logical_expr::Join) -> Result<usize> {
        let (JoinType::LeftAnti, None, [(left_key, right_key)]) = (join.join_type, &join.filter, join.on.as_slice()) else {
            return self.whole(plan).await;
        };
        let (is_empty, has_no_nulls) = ("__is_empty", "__has_no_nulls");
        let all_rows = || count(lit(1_i64)).alias("__rows");
        let facts = LogicalPlanBuilder::from(join.right.as_ref().clone())
            .aggregate(Vec::<Expr>::new(), vec![all_rows(), count(right_key.clone()).alias("__values")])?
            .project(vec![col("__rows").eq(lit(0_i64)).alias(is_empty), col("__rows").eq(col("__values")).alias(has_no_nulls)])?
            // Once for each of the few answers, so that the same answer is no change.
            .aggregate(vec![col(is_empty), col(has_no_nulls)], Vec::<Expr>::new())?
            .build()?;
        let unmatched = LogicalPlan::Join(datafusion::logical_expr::Join { null_aware: false, ..join.clone() });
        let columns: Vec<Expr> = unmatched.schema().columns().into_iter().map(Expr::Column).collect();
        let kept = LogicalPlanBuilder::from(unmatched)
            .cross_join(facts)?
            .filter(col(is_empty).or(left_key.clone().is_not_null().and(col(has_no_nulls))))?
            .project(columns)?
            .build()?;
        self.lower(&kept).await
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
