//! What has no operator of its own: all rows of its inputs are kept, and the query is run again over all of them when one has changed.

use std::collections::HashSet;

use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::logical_expr::LogicalPlan;

use super::{Lowering, New, wording};
use crate::error::{Error, Result};
use crate::flow::engine::operators::Recompute;
use crate::flow::engine::program::Program;
use crate::flow::engine::relation::Arrival;

impl Lowering<'_> {
    /// Runs `plan` again and again over what its inputs give.
    pub(super) async fn whole(&mut self, plan: &LogicalPlan) -> Result<usize> {
        let lowest = ordered_input(plan);
        let mut expressions = lowest.expressions();
        let mut node = plan;
        while node != lowest {
            expressions.extend(node.expressions());
            let [input] = node.inputs()[..] else { return Err(Error::internal("a limit and what it counts have one input each")) };
            node = input;
        }
        self.refuse_clock(&expressions)?;
        self.whole_over(plan, lowest.inputs().into_iter().cloned().collect()).await
    }

    /// Runs all of `plan` again and again over its tables: where a subquery stands in an expression, or nothing else is possible.
    pub(super) async fn whole_from_scans(&mut self, plan: &LogicalPlan) -> Result<usize> {
        let mut expressions = vec![];
        plan.apply_with_subqueries(|node| {
            expressions.extend(node.expressions());
            Ok(TreeNodeRecursion::Continue)
        })?;
        self.refuse_clock(&expressions)?;
        self.whole_over(plan, scans(plan)?).await
    }

    async fn whole_over(&mut self, plan: &LogicalPlan, below: Vec<LogicalPlan>) -> Result<usize> {
        let mut inputs = Vec::with_capacity(below.len());
        for input in &below {
            inputs.push(self.lower(input).await?);
        }
        let leaf_schemas: Vec<_> = below.iter().map(|input| input.schema().clone()).collect();
        let program = Program::new(self.state, &leaf_schemas, |leaves| replace(plan, &below, &leaves)).await?;
        let keys = inputs.iter().map(|input| (self.nodes[*input].schema.clone(), self.nodes[*input].arrival, vec![])).collect();
        let schema = program.schema().clone();
        let operator = Box::new(Recompute::new(program, keys, vec![])?);
        let kept = "recomputed: the query runs again over all rows when one has changed";
        Ok(self.add(New { operator, inputs, schema, arrival: Arrival::Changing, unique: None, title: wording::plan(plan), kept }))
    }
}

/// A limit counts rows in an order, so the sort below it belongs to it.
fn ordered_input(plan: &LogicalPlan) -> &LogicalPlan {
    fn sort_below(plan: &LogicalPlan) -> Option<&LogicalPlan> {
        match plan {
            LogicalPlan::Sort(_) => Some(plan),
            LogicalPlan::Projection(projection) => sort_below(&projection.input),
            LogicalPlan::SubqueryAlias(alias) => sort_below(&alias.input),
            LogicalPlan::Limit(limit) => sort_below(&limit.input),
            _ => None,
        }
    }
    match plan {
        LogicalPlan::Limit(_) => sort_below(plan).unwrap_or(plan),
        _ => plan,
    }
}

/// Whether a node cannot be looked at by itself: a subquery stands in its expressions, or it calls itself.
pub(super) fn has_subqueries(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_subqueries(|_| {
        found = true;
        Ok(TreeNodeRecursion::Stop)
    })?;
    Ok(found || matches!(plan, LogicalPlan::RecursiveQuery(_)))
}

/// The tables that a plan reads, each once. What a recursive query calls itself is none.
fn scans(plan: &LogicalPlan) -> Result<Vec<LogicalPlan>> {
    let mut own_names = HashSet::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::RecursiveQuery(recursive) = node {
            own_names.insert(recursive.name.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    let mut scans: Vec<LogicalPlan> = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && !own_names.contains(scan.table_name.table())
            && !scans.contains(node)
        {
            scans.push(node.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(scans)
}

/// The plan with leaves where its inputs were.
fn replace(plan: &LogicalPlan, inputs: &[LogicalPlan], leaves: &[LogicalPlan]) -> Result<LogicalPlan> {
    let replaced = plan.clone().transform_down_with_subqueries(|node| {
        Ok(match inputs.iter().position(|input| *input == node) {
            Some(place) => Transformed::new(leaves[place].clone(), true, TreeNodeRecursion::Jump),
            None => Transformed::no(node),
        })
    })?;
    Ok(replaced.data)
}
