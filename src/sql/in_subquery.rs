//! `x IN (SELECT c …)` as PostgreSQL answers it: where nothing matches, and `x` or some `c` is null, nobody knows. The planner makes a join of
//! it that knows matches alone, which is right where unknown is as good as false: in WHERE, below nothing but AND and OR. Elsewhere what is
//! unknown is asked for beside it:
//!
//! ```sql
//! (x IN (SELECT c …)) IS TRUE OR (((SELECT bool_or(c IS NULL) …) >= (x IS NOT NULL)) IS TRUE AND NULL)
//! ```
//!
//! `bool_or` is null without rows: then `x IN` is false, whatever `x` is. With rows it is false at least, which is enough if `x` is null.
//! Where the subquery refers to the row around it, `EXISTS` tells the same.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::error::Result;
use datafusion::functions_aggregate::expr_fn::bool_or;
use datafusion::logical_expr::expr::{Case, Exists, InSubquery};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, ExprSchemable, Join, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, Subquery, Volatility, not,
};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::planner::CLOCKS;
use crate::error::{Error, SqlState};

/// Comes after the planner's own rules, which give both sides one type.
#[derive(Debug)]
pub struct UnknownMatches;

impl AnalyzerRule for UnknownMatches {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite_node).map(|rewritten| rewritten.data)
    }

    fn name(&self) -> &str {
        "unknown_matches"
    }
}

/// What becomes of an expression that is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A part of the top AND of a condition: the planner has a join for it.
    Conjunct,
    /// It is as good as false.
    Truth,
    /// It is told from false.
    Value,
}

/// Where expressions stand.
struct Scope {
    schema: DFSchema,
    place: Place,
}

fn rewrite_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if !plan.expressions().iter().any(has_in_subquery) {
        return Ok(Transformed::no(plan));
    }
    let place = match &plan {
        LogicalPlan::Filter(_) | LogicalPlan::Join(_) => Place::Conjunct,
        _ => Place::Value,
    };
    let mut schema = DFSchema::empty();
    plan.inputs().into_iter().for_each(|input| schema.merge(input.schema()));
    let scope = Scope { schema, place };
    if let LogicalPlan::Join(join) = plan {
        return Ok(Transformed::yes(scope.rewrite_join(join)?));
    }
    let names = NamePreserver::new(&plan);
    let rewritten = plan.map_expressions(|expression| {
        let name = names.save(&expression);
        Ok(Transformed::yes(name.restore(scope.rewrite(expression)?)))
    })?;
    rewritten.map_data(LogicalPlan::recompute_schema)
}

fn has_in_subquery(expression: &Expr) -> bool {
    let is_one = |part: &Expr| Ok(matches!(part, Expr::InSubquery(_)));
    expression.exists(is_one).unwrap_or(false)
}

impl Scope {
    fn at(&self, place: Place) -> Scope {
        Scope { schema: self.schema.clone(), place }
    }

    /// What is asked beside an inner join's own conditions is asked of the pairs: not all of it could stand in a join.
    fn rewrite_join(&self, join: Join) -> Result<LogicalPlan> {
        let (mut own, mut asked) = (vec![], vec![]);
        for condition in join.filter.iter().flat_map(split_conjunction) {
            let rewritten = self.rewrite(condition.clone())?;
            let is_own = join.join_type != JoinType::Inner || rewritten == *condition;
            if is_own { own.push(rewritten) } else { asked.push(rewritten) }
        }
        let joined = LogicalPlan::Join(Join { filter: conjunction(own), ..join });
        match conjunction(asked) {
            None => Ok(joined),
            Some(asked) => LogicalPlanBuilder::from(joined).filter(asked)?.build(),
        }
    }

    fn rewrite(&self, expression: Expr) -> Result<Expr> {
        if !has_in_subquery(&expression) {
            return Ok(expression);
        }
        match expression {
            Expr::InSubquery(one) => self.rewrite_one(one),
            Expr::Not(negated) => self.rewrite_negated(*negated),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => Ok(self.rewrite(*left)?.and(self.rewrite(*right)?)),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
                let either = self.at(self.place.below_or());
                Ok(either.rewrite(*left)?.or(either.rewrite(*right)?))
            }
            Expr::IsTrue(inner) => Ok(self.at(Place::Truth).rewrite(*inner)?.is_true()),
            Expr::IsNotTrue(inner) => Ok(self.at(Place::Truth).rewrite(*inner)?.is_not_true()),
            Expr::Case(Case { expr: None, when_then_expr, else_expr }) => {
                let (when, then) = (self.at(Place::Truth), self.at(self.place.below_or()));
                let rewrite =
                    |(condition, value): (Box<Expr>, Box<Expr>)| Ok((Box::new(when.rewrite(*condition)?), Box::new(then.rewrite(*value)?)));
                let when_then = when_then_expr.into_iter().map(rewrite).collect::<Result<_>>()?;
                let otherwise = else_expr.map(|value| then.rewrite(*value).map(Box::new)).transpose()?;
                Ok(Expr::Case(Case::new(None, when_then, otherwise)))
            }
            other => {
                let value = self.at(Place::Value);
                Ok(other.map_children(|child| Ok(Transformed::yes(value.rewrite(child)?)))?.data)
            }
        }
    }

    /// Brings NOT down to the subqueries: there, what unknown is as good as may be seen.
    fn rewrite_negated(&self, expression: Expr) -> Result<Expr> {
        match expression {
            Expr::Not(inner) => self.rewrite(*inner),
            Expr::InSubquery(one) => self.rewrite_one(InSubquery { negated: !one.negated, ..one }),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) => self.rewrite(not(*left).or(not(*right))),
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => self.rewrite(not(*left).and(not(*right))),
            other => Ok(not(self.at(Place::Value).rewrite(other)?)),
        }
    }

    fn rewrite_one(&self, one: InSubquery) -> Result<Expr> {
        let InSubquery { expr, subquery, negated } = one;
        let x = self.at(Place::Value).rewrite(*expr)?;
        let asked = Asked { scope: self, is_correlated: !subquery.outer_ref_columns.is_empty(), x, subquery };
        match (asked.is_planned_right(negated)?, negated) {
            (true, _) => asked.planned(negated, self.place),
            (false, _) if asked.has_one_row() => Ok(asked.equals_the_row(negated)),
            (false, true) if self.place == Place::Conjunct && asked.is_correlated => asked.matches_nothing(),
            (false, _) => asked.with_unknown(negated),
        }
    }
}

impl Place {
    fn below_or(self) -> Place {
        match self {
            Place::Conjunct | Place::Truth => Place::Truth,
            Place::Value => Place::Value,
        }
    }
}

/// `x` is asked for in the first column, `c`, of a subquery.
struct Asked<'a> {
    scope: &'a Scope,
    x: Expr,
    subquery: Subquery,
    is_correlated: bool,
}

impl Asked<'_> {
    /// Whether the planner's join gives what is right here.
    fn is_planned_right(&self, negated: bool) -> Result<bool> {
        if self.is_correlated && self.has_one_row() {
            // What an aggregate gives of no rows is lost in a join.
            return Ok(false);
        }
        if self.is_correlated && self.has_limit()? {
            // Cannot become a join, and is refused as it is.
            return Ok(true);
        }
        let by_column = !self.x.column_refs().is_empty();
        Ok(match (self.scope.place, negated) {
            (Place::Conjunct | Place::Truth, false) => true,
            (Place::Conjunct, true) => by_column && !self.is_correlated,
            _ => !self.may_be_unknown()?,
        })
    }

    fn may_be_unknown(&self) -> Result<bool> {
        Ok(self.x.nullable(&self.scope.schema)? || self.subquery.subquery.schema().field(0).is_nullable())
    }

    /// Never none, and never two.
    fn has_one_row(&self) -> bool {
        let mut plan = self.subquery.subquery.as_ref();
        loop {
            match plan {
                LogicalPlan::Projection(projection) => plan = &projection.input,
                LogicalPlan::SubqueryAlias(alias) => plan = &alias.input,
                LogicalPlan::Aggregate(aggregate) => return aggregate.group_expr.is_empty(),
                _ => return false,
            }
        }
    }

    fn has_limit(&self) -> Result<bool> {
        self.subquery.subquery.exists(|node| Ok(matches!(node, LogicalPlan::Limit(_))))
    }

    /// Left to the planner at `place`: below the top it must find `c` under a qualified name.
    fn planned(self, negated: bool, place: Place) -> Result<Expr> {
        let is_qualified = self.subquery.subquery.schema().qualified_field(0).0.is_some();
        let subquery = match place {
            Place::Conjunct => self.subquery,
            _ if is_qualified => self.subquery,
            _ => {
                let plan = LogicalPlanBuilder::from(self.subquery.subquery.as_ref().clone()).alias("__asked")?.build()?;
                self.subquery.with_plan(Arc::new(plan))
            }
        };
        Ok(Expr::InSubquery(InSubquery::new(Box::new(self.x), subquery, negated)))
    }

    fn equals_the_row(self, negated: bool) -> Expr {
        let row = Expr::ScalarSubquery(self.subquery);
        if negated { self.x.not_eq(row) } else { self.x.eq(row) }
    }

    /// NOT IN as anti joins: the planner's own would take a null among the rows of another for one among its own.
    fn matches_nothing(self) -> Result<Expr> {
        self.refuse_volatile()?;
        let x = self.x_from_within()?;
        let matched = self.exists(self.c().eq(x))?;
        Ok(match self.may_be_unknown()? {
            true => not(matched).and(not(self.unknown()?)),
            false => not(matched),
        })
    }

    fn with_unknown(self, negated: bool) -> Result<Expr> {
        self.refuse_volatile()?;
        let unknown = self.unknown()?;
        let place = self.scope.place;
        let matched = self.planned(false, Place::Truth)?.is_true();
        if place != Place::Value && negated {
            return Ok(not(matched).and(not(unknown)));
        }
        let known = matched.or(unknown.and(Expr::Literal(ScalarValue::Boolean(None), None)));
        Ok(if negated { not(known) } else { known })
    }

    /// Whether it is unknown, if nothing matches. Never null.
    fn unknown(&self) -> Result<Expr> {
        if self.is_correlated {
            return self.exists(self.c().is_null().or(self.x_from_within()?.is_null()));
        }
        let any_null = bool_or(self.c().is_null()).alias("any_null");
        let plan =
            LogicalPlanBuilder::from(self.subquery.subquery.as_ref().clone()).aggregate(Vec::<Expr>::new(), vec![any_null])?.build()?;
        let any_null = Expr::ScalarSubquery(self.subquery.with_plan(Arc::new(plan)));
        Ok(any_null.gt_eq(self.x.clone().is_not_null()).is_true())
    }

    fn c(&self) -> Expr {
        Expr::Column(Column::from(self.subquery.subquery.schema().qualified_field(0)))
    }

    /// `x` as the subquery sees it.
    fn x_from_within(&self) -> Result<Expr> {
        let has_subquery = |part: &Expr| Ok(matches!(part, Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_)));
        if self.x.exists(has_subquery)? {
            return Err(Error::unsupported("a subquery cannot be asked for in a subquery that refers to the row around it")
                .with_state(SqlState::FEATURE_NOT_SUPPORTED)
                .with_hint("compute the value before IN as a column of a subquery in FROM")
                .into());
        }
        let outer = self.x.clone().transform_up(|part| match part {
            Expr::Column(column) => {
                let (qualifier, field) = self.scope.schema.qualified_field_from_column(&column)?;
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field.clone(), Column::new(qualifier.cloned(), field.name()))))
            }
            other => Ok(Transformed::no(other)),
        })?;
        Ok(outer.data)
    }

    fn exists(&self, condition: Expr) -> Result<Expr> {
        let plan = LogicalPlanBuilder::from(self.subquery.subquery.as_ref().clone()).filter(condition)?.build()?;
        let outer_ref_columns = plan.all_out_ref_exprs();
        let subquery = Subquery { outer_ref_columns, ..self.subquery.with_plan(Arc::new(plan)) };
        Ok(Expr::Exists(Exists::new(subquery, false)))
    }

    /// What is asked twice must answer alike.
    fn refuse_volatile(&self) -> Result<()> {
        let mut found = volatile_in(&self.x)?;
        self.subquery.subquery.apply_with_subqueries(|node| {
            for expression in node.expressions() {
                found = found.take().or(volatile_in(&expression)?);
            }
            Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
        match found {
            None => Ok(()),
            Some(name) => Err(Error::unsupported(format!("{name}() cannot be used here: it gives another answer each time"))
                .with_state(SqlState::FEATURE_NOT_SUPPORTED)
                .with_detail("IN with a subquery, where unknown is not as good as false, asks the subquery twice")
                .with_hint("leave nulls out with WHERE … IS NOT NULL and compare with (x IN (…)) IS TRUE")
                .into()),
        }
    }
}

fn volatile_in(expression: &Expr) -> Result<Option<String>> {
    let mut found = None;
    expression.apply(|part| {
        if let Expr::ScalarFunction(call) = part
            && call.func.signature().volatility == Volatility::Volatile
            && !CLOCKS.contains(&call.func.name())
        {
            found = Some(call.func.name().to_string());
            return Ok(TreeNodeRecursion::Stop);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}
