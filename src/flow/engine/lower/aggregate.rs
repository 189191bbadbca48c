//! Aggregates: by sums where every one of them is linear, by mergeable states where rows never go, else by running touched groups again.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{FieldRef, SchemaRef};
use datafusion::common::{Column, DFSchemaRef, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::utils::enumerate_grouping_sets;
use datafusion::logical_expr::{Aggregate, Expr, ExprSchemable, GroupingSet, LogicalPlan, LogicalPlanBuilder};

use super::computed::{places, with_columns};
use super::wording::list;
use super::{Lowering, New};
use crate::error::{Error, Result};
use crate::flow::engine::operators::{self, DistinctOn, Extreme, Linear, Measure, Merge, Recompute, Values, accumulator_for, running};
use crate::flow::engine::program::{Program, nullable};
use crate::flow::engine::relation::Arrival;

/// What computed group columns are called.
pub(super) const GROUP: &str = "__group";

impl Lowering<'_> {
    pub(super) async fn aggregate(&mut self, aggregate: &Aggregate) -> Result<usize> {
        self.refuse_clock(&aggregate.aggr_expr)?;
        if let [Expr::GroupingSet(_), ..] = aggregate.group_expr.as_slice() {
            let sets = one_by_one(aggregate)?;
            return self.lower(&sets).await;
        }
        let (below, group) = with_columns(&aggregate.input, &aggregate.group_expr, GROUP)?;
        let input = self.lower(&below).await?;
        let key = places(&below, &group)?;
        let schema = nullable(aggregate.schema.as_arrow());
        let title = title(aggregate);
        let unique = Some((0..key.len()).collect());
        if aggregate.aggr_expr.is_empty() && self.are_unique(input, &key) {
            let columns: Vec<Expr> = group.into_iter().map(Expr::Column).collect();
            return self.project(input, below.schema(), &columns, schema);
        }
        if self.nodes[input].arrival == Arrival::AppendOnly
            && let Some(arguments) = firsts(aggregate)
        {
            return self.distinct_on(input, &below, &group, arguments, schema, title);
        }
        if let Some(aggregates) = self.linear(aggregate, below.schema(), input, &key)? {
            // Of rows that only come, the distinct ones only come too.
            let arrival = match aggregates.is_empty() {
                true => self.nodes[input].arrival,
                false => Arrival::Changing,
            };
            let knows_values = aggregates.iter().any(|aggregate| aggregate.values.is_some());
            let kept = match (aggregates.is_empty(), knows_values) {
                (true, _) => "a count per distinct row; a change costs itself",
                (false, false) => "a running result per group; a change costs itself and its group's row",
                (false, true) => {
                    "a running result per group, and the values it may fall back on; a change costs itself and its group's row"
                }
            };
            let operator = Box::new(Linear::new(&self.nodes[input].schema, key, aggregates, schema.clone())?);
            return Ok(self.add(New { operator, inputs: vec![input], schema, arrival, unique, title, kept }));
        }
        let group = group.into_iter().map(Expr::Column).collect::<Vec<_>>();
        let build = |leaf: LogicalPlan| Aggregate::try_new(Arc::new(leaf), group.clone(), aggregate.aggr_expr.clone());
        let program =
            Program::new(self.state, &[below.schema().clone()], |leaves| Ok(LogicalPlan::Aggregate(build(only(leaves)?)?))).await?;
        if self.nodes[input].arrival == Arrival::AppendOnly
            && let Some(operator) = Merge::new(self.state, &program, group.len(), schema.clone())?
        {
            let kept = "a mergeable state per group, for rows only come; a change costs its groups' states";
            let operator = Box::new(operator);
            return Ok(self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::Changing, unique, title, kept }));
        }
        let inputs = vec![(self.nodes[input].schema.clone(), self.nodes[input].arrival, key)];
        let operator = Box::new(Recompute::new(program, inputs, (0..group.len()).collect())?);
        let kept = match group.is_empty() {
            true => "recomputed: all rows are kept and aggregated again when one has changed",
            false => "recomputed: all rows are kept by group; a change costs its group",
        };
        Ok(self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::Changing, unique, title, kept }))
    }

    /// Whether no two rows are alike in these columns: there is nothing for DISTINCT to do.
    fn are_unique(&self, input: usize, columns: &[usize]) -> bool {
        self.nodes[input].unique.as_ref().is_some_and(|unique| unique.iter().all(|column| columns.contains(column)))
    }

    /// DISTINCT ON without an order, of rows that only come: the key and what is shown of its first row.
    fn distinct_on(
        &mut self,
        input: usize,
        below: &LogicalPlan,
        group: &[Column],
        arguments: Vec<Expr>,
        schema: SchemaRef,
        title: String,
    ) -> Result<usize> {
        let (input, time) = self.passing_key(input, below, group, &places(below, group)?)?;
        let columns: Vec<Expr> = group.iter().cloned().map(Expr::Column).chain(arguments).collect();
        let projected = self.project(input, below.schema(), &columns, schema.clone())?;
        let kept = match &time {
            Some(_) => "the keys that were seen and whose time is not past; a change costs itself",
            None => "the keys that were seen; a change costs itself",
        };
        let operator = Box::new(DistinctOn::new(&schema, group.len(), time)?);
        let unique = Some((0..group.len()).collect());
        Ok(self.add(New { operator, inputs: vec![projected], schema, arrival: Arrival::AppendOnly, unique, title, kept }))
    }

    /// The aggregates, if all of them can take rows back.
    pub(super) fn linear(
        &self,
        aggregate: &Aggregate,
        below: &DFSchemaRef,
        input: usize,
        key: &[usize],
    ) -> Result<Option<Vec<operators::Aggregate>>> {
        let results = aggregate.schema.fields().iter().skip(aggregate.group_expr.len());
        let group: Vec<FieldRef> = key.iter().map(|column| self.nodes[input].schema.fields()[*column].clone()).collect();
        let mut linear = Vec::with_capacity(aggregate.aggr_expr.len());
        for (expression, result) in aggregate.aggr_expr.iter().zip(results) {
            let Expr::AggregateFunction(AggregateFunction { func, params }) = expression.clone().unalias() else { return Ok(None) };
            let AggregateFunctionParams { args, distinct, filter, .. } = params;
            let types = args.iter().map(|argument| Ok(argument.get_type(below)?)).collect::<Result<Vec<_>>>()?;
            let extreme = types.first().filter(|argument| *argument == result.data_type());
            let extreme = extreme.and_then(|argument| Extreme::of(func.name(), argument));
            let arrival = self.nodes[input].arrival;
            let (measure, values) = match (extreme, accumulator_for(func.name(), &types, result.data_type())) {
                (Some(extreme), _) => match running(&types[0], extreme).filter(|_| arrival == Arrival::AppendOnly) {
                    Some(extreme) => (Measure::Sum(extreme), None),
                    None => (Measure::First, Some(Values::ordered(&group, &types[0], extreme, arrival)?)),
                },
                (None, Some(sum)) if distinct => (Measure::Sum(sum), Some(Values::distinct(&group, &types, arrival)?)),
                (None, Some(sum)) => (Measure::Sum(sum), None),
                (None, None) => return Ok(None),
            };
            let arguments = args.iter().map(|argument| self.physical(argument, below)).collect::<Result<Vec<_>>>()?;
            let filter = filter.map(|filter| self.physical(&filter, below)).transpose()?;
            linear.push(operators::Aggregate { arguments, filter, measure, values });
        }
        Ok(Some(linear))
    }
}

/// What is aggregated, if that is nothing, or the first value of each in no order: DISTINCT and DISTINCT ON.
fn firsts(aggregate: &Aggregate) -> Option<Vec<Expr>> {
    let first = |expression: &Expr| match expression.clone().unalias() {
        Expr::AggregateFunction(AggregateFunction { func, params }) if func.name() == "first_value" => {
            let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment } = params;
            let is_plain = !distinct && filter.is_none() && order_by.is_empty() && null_treatment.is_none();
            is_plain.then(|| args.into_iter().next()).flatten()
        }
        _ => None,
    };
    match aggregate.group_expr.is_empty() {
        true => None,
        false => aggregate.aggr_expr.iter().map(first).collect(),
    }
}

/// The leaf of a program that has one.
pub(super) fn only(leaves: Vec<LogicalPlan>) -> Result<LogicalPlan> {
    leaves.into_iter().next().ok_or_else(|| Error::internal("a program without a leaf"))
}

/// Grouping sets as the union of an aggregate for each.
fn one_by_one(aggregate: &Aggregate) -> Result<LogicalPlan> {
    let enumerated = enumerate_grouping_sets(aggregate.group_expr.clone())?;
    let sets: Vec<Vec<Expr>> = match enumerated.as_slice() {
        [Expr::GroupingSet(GroupingSet::GroupingSets(sets))] => sets.clone(),
        [Expr::GroupingSet(GroupingSet::Rollup(all))] => (0..=all.len()).map(|count| all[..count].to_vec()).collect(),
        [Expr::GroupingSet(GroupingSet::Cube(all))] => (0..1_u32 << all.len()).map(|mask| masked(all, mask)).collect(),
        _ => return Err(Error::unsupported("this combination of grouping sets cannot be kept in a view")),
    };
    let all: Vec<Expr> = match aggregate.group_expr.as_slice() {
        [Expr::GroupingSet(set)] => set.distinct_expr().into_iter().cloned().collect(),
        _ => return Err(Error::unsupported("grouping sets beside other group columns cannot be kept in a view")),
    };
    let mut seen: HashMap<Vec<bool>, u64> = HashMap::new();
    let parts = sets.iter().map(|set| {
        let left_out: Vec<bool> = all.iter().map(|expression| !set.contains(expression)).collect();
        let ordinal = seen.entry(left_out.clone()).or_default();
        let part = one_set(aggregate, &all, &left_out, *ordinal);
        *ordinal += 1;
        part
    });
    let mut parts = parts.collect::<Result<Vec<_>>>()?.into_iter();
    let first = parts.next().ok_or_else(|| Error::internal("grouping sets without a set"))?;
    let union = parts.try_fold(LogicalPlanBuilder::from(first), |union, part| union.union(part))?;
    Ok(union.build()?)
}

fn masked(all: &[Expr], mask: u32) -> Vec<Expr> {
    all.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0).map(|(_, expression)| expression.clone()).collect()
}

/// The aggregate over one grouping set: null for what is left out, and the number that GROUPING() looks at.
fn one_set(aggregate: &Aggregate, all: &[Expr], left_out: &[bool], ordinal: u64) -> Result<LogicalPlan> {
    let kept: Vec<Expr> = all.iter().zip(left_out).filter(|(_, out)| !**out).map(|(expression, _)| expression.clone()).collect();
    // All rows are one group, of which nothing is asked.
    let grouped = match kept.is_empty() && aggregate.aggr_expr.is_empty() {
        true => LogicalPlanBuilder::empty(true).build()?,
        false => LogicalPlan::Aggregate(Aggregate::try_new(aggregate.input.clone(), kept, aggregate.aggr_expr.clone())?),
    };
    let mut made = grouped.schema().columns().into_iter().map(Expr::Column);
    let mut columns = Vec::with_capacity(aggregate.schema.fields().len());
    let mut fields = aggregate.schema.fields().iter();
    for out in left_out {
        let field = fields.next().ok_or_else(|| Error::internal("a grouping set has more columns than its aggregate"))?;
        columns.push(match out {
            true => Expr::Literal(ScalarValue::try_from(field.data_type())?, None),
            false => made.next().ok_or_else(|| Error::internal("an aggregate lacks a group column"))?,
        });
    }
    let id = left_out.iter().fold(0_u64, |id, out| (id << 1) | u64::from(*out)) | (ordinal << left_out.len());
    let field = fields.next().ok_or_else(|| Error::internal("grouping sets without a grouping id"))?;
    columns.push(Expr::Literal(ScalarValue::UInt64(Some(id)).cast_to(field.data_type())?, None));
    columns.extend(made);
    let named = columns.into_iter().enumerate().map(|(number, column)| column.alias(format!("__set_{number}")));
    Ok(LogicalPlanBuilder::from(grouped).project(named)?.build()?)
}

fn title(aggregate: &Aggregate) -> String {
    match (aggregate.group_expr.is_empty(), aggregate.aggr_expr.is_empty()) {
        (true, _) => format!("Aggregate {}", list(&aggregate.aggr_expr)),
        (false, true) => format!("Distinct {}", list(&aggregate.group_expr)),
        (false, false) => format!("Aggregate {} by {}", list(&aggregate.aggr_expr), list(&aggregate.group_expr)),
    }
}
