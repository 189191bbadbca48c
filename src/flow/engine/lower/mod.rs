//! From DataFusion's plan to operators. What has no operator of its own is run again over the keys that were touched, or as a whole.

mod aggregate;
mod bounds;
mod close;
mod computed;
mod first;
mod following;
mod join;
mod meeting;
mod one_window;
mod past;
mod reach;
mod temporal;
mod ties;
mod whole;
mod window;
mod wording;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::DFSchema;
use datafusion::execution::SessionState;
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::physical_expr::PhysicalExpr;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::operators::{Constant, Filter, Map, Operator, Stateless, Union};
use super::plan::Planned;
use super::program::{Program, nullable};
use super::relation::{Arrival, Relation};
use super::watermark::Watermarks;
use super::{Delivery, Kind as NodeKind, Node};
use crate::catalog::Emit;
use crate::error::{Error, Kind, Result};
use crate::sql::overflow;

use meeting::Closes;
use whole::has_subqueries;

pub use wording::name;

/// The operators of a plan, each after its inputs, the answer last.
pub async fn lower(
    planned: &Planned,
    relations: &[Relation],
    emit: Emit,
    delivery: Delivery,
    watermarks: &Watermarks,
) -> Result<Vec<Node>> {
    let watermarks = watermarks.clone();
    let mut lowering =
        Lowering { state: &planned.state, relations, emit, delivery, watermarks, closes: None, nodes: vec![], known: HashMap::new() };
    let last = match emit {
        Emit::OnChange => lowering.lower(&planned.logical).await?,
        Emit::OnWindowClose => lowering.on_window_close(&planned.logical).await?,
    };
    // The answer must be the last node, also where it is an input or stands in the plan twice.
    if last + 1 != lowering.nodes.len() {
        let schema = lowering.nodes[last].schema.clone();
        lowering.union(vec![last], schema, "Result".to_string());
    }
    Ok(lowering.nodes)
}

struct Lowering<'a> {
    state: &'a SessionState,
    relations: &'a [Relation],
    emit: Emit,
    delivery: Delivery,
    watermarks: Watermarks,
    /// What closes the windows above, while what is below them is lowered.
    closes: Option<Closes>,
    nodes: Vec<Node>,
    /// What was lowered already: a part that stands in the plan twice is kept once.
    known: HashMap<LogicalPlan, usize>,
}

/// A node to be added.
struct New {
    operator: Box<dyn Operator>,
    inputs: Vec<usize>,
    schema: SchemaRef,
    arrival: Arrival,
    unique: Option<Vec<usize>>,
    title: String,
    kept: &'static str,
}

impl Lowering<'_> {
    fn lower<'b>(&'b mut self, plan: &'b LogicalPlan) -> BoxFuture<'b, Result<usize>> {
        async move {
            if let Some(node) = self.known.get(plan) {
                return Ok(*node);
            }
            let before = self.nodes.len();
            let node = match self.lower_anew(plan).await {
                Err(error) if error.kind() == Kind::Unsupported => self.fall_back(plan, before, error).await?,
                lowered => lowered?,
            };
            self.known.insert(plan.clone(), node);
            Ok(node)
        }
        .boxed()
    }

    async fn lower_anew(&mut self, plan: &LogicalPlan) -> Result<usize> {
        if has_subqueries(plan)? {
            return self.whole_from_scans(plan).await;
        }
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan),
            // A bag of rows has no order.
            LogicalPlan::Sort(sort) => match sort.fetch {
                None => self.lower(&sort.input).await,
                Some(fetch) => self.sorted(sort, fetch).await,
            },
            LogicalPlan::Limit(limit) => self.limit(plan, limit).await,
            LogicalPlan::SubqueryAlias(alias) => self.lower(&alias.input).await,
            LogicalPlan::Subquery(subquery) => self.lower(&subquery.subquery).await,
            LogicalPlan::Projection(projection) => {
                let input = self.lower(&projection.input).await?;
                self.project(input, projection.input.schema(), &projection.expr, nullable(projection.schema.as_arrow()))
            }
            LogicalPlan::Filter(filter) => {
                if let Some(node) = self.numbered(filter).await? {
                    return Ok(node);
                }
                let input = self.lower(&filter.input).await?;
                self.filter(input, filter.input.schema(), &filter.predicate)
            }
            LogicalPlan::Union(union) => {
                let mut inputs = Vec::with_capacity(union.inputs.len());
                for input in &union.inputs {
                    inputs.push(self.lower(input).await?);
                }
                Ok(self.union(inputs, nullable(union.schema.as_arrow()), "Union all".to_string()))
            }
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate).await,
            LogicalPlan::Join(join) => self.join(plan, join).await,
            LogicalPlan::Window(window) => self.window(plan, window).await,
            LogicalPlan::Unnest(_) => self.stateless(plan).await,
            LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => self.constant(plan).await,
            _ => self.whole(plan).await,
        }
    }

    /// What DataFusion cannot run in parts it may be able to run as a whole.
    async fn fall_back(&mut self, plan: &LogicalPlan, before: usize, error: Error) -> Result<usize> {
        self.nodes.truncate(before);
        self.known.retain(|_, node| *node < before);
        self.whole_from_scans(plan).await.map_err(|_| error)
    }

    fn add(&mut self, new: New) -> usize {
        let New { operator, inputs, schema, arrival, unique, title, kept } = new;
        self.nodes.push(Node { kind: NodeKind::Operator(operator), inputs, schema, arrival, unique, title, kept: kept.to_string() });
        self.nodes.len() - 1
    }

    fn scan(&mut self, scan: &datafusion::logical_expr::TableScan) -> Result<usize> {
        let name = scan.table_name.table();
        let place = self.relations.iter().position(|relation| relation.name.as_str() == name);
        let place = place.ok_or_else(|| Error::internal(format!("a plan reads \"{name}\", which the query does not name")))?;
        let input = self.input(place);
        let Some(projection) = &scan.projection else { return Ok(input) };
        let relation = &self.relations[place];
        if projection.iter().copied().eq(0..relation.schema.fields().len()) {
            return Ok(input);
        }
        let schema = nullable(&relation.schema.project(projection)?);
        let expressions = projection.iter().map(|column| column_at(&relation.schema, *column)).collect();
        let arrival = relation.arrival;
        let title = format!("Columns of {name}: {}", names(&schema));
        Ok(self.map(input, expressions, schema, arrival, title))
    }

    fn input(&mut self, place: usize) -> usize {
        let is_it = |node: &Node| matches!(node.kind, NodeKind::Input(relation) if relation == place);
        if let Some(node) = self.nodes.iter().position(is_it) {
            return node;
        }
        let relation = &self.relations[place];
        self.nodes.push(Node {
            kind: NodeKind::Input(place),
            inputs: vec![],
            schema: nullable(&relation.schema),
            arrival: relation.arrival,
            unique: relation.unique.clone(),
            title: format!("Input {}", relation.name),
            kept: String::new(),
        });
        self.nodes.len() - 1
    }

    fn map(&mut self, input: usize, expressions: Vec<Arc<dyn PhysicalExpr>>, schema: SchemaRef, arrival: Arrival, title: String) -> usize {
        let place_of = |column: &usize| expressions.iter().position(|expression| reads_column(expression) == Some(*column));
        let unique = self.nodes[input].unique.as_ref().and_then(|columns| columns.iter().map(place_of).collect());
        let operator = Box::new(Map { expressions, schema: schema.clone() });
        self.add(New { operator, inputs: vec![input], schema, arrival, unique, title, kept: "" })
    }

    fn project(&mut self, input: usize, input_schema: &DFSchema, expressions: &[Expr], schema: SchemaRef) -> Result<usize> {
        self.refuse_clock(expressions)?;
        let title = format!("Project {}", wording::list(expressions));
        let expressions = expressions.iter().map(|expression| self.physical(expression, input_schema)).collect::<Result<Vec<_>>>()?;
        let arrival = self.nodes[input].arrival;
        Ok(self.map(input, expressions, schema, arrival, title))
    }

    /// Conditions on the row first, then those that follow the clock: what is never seen need not be kept for its time.
    fn filter(&mut self, input: usize, input_schema: &DFSchema, predicate: &Expr) -> Result<usize> {
        let parts = split_conjunction(predicate).into_iter().flat_map(temporal::comparisons);
        let (clocked, plain): (Vec<Expr>, Vec<Expr>) = parts.partition(|part| crate::flow::now::clock_in(part).is_some());
        let mut node = input;
        if let Some(predicate) = conjunction(plain) {
            let condition = self.physical(&predicate, input_schema)?;
            let Node { schema, arrival, unique, .. } = &self.nodes[input];
            let (schema, arrival, unique) = (schema.clone(), *arrival, unique.clone());
            let (operator, title) = (Box::new(Filter { condition }), format!("Filter {}", wording::words(&predicate)));
            node = self.add(New { operator, inputs: vec![input], schema, arrival, unique, title, kept: "" });
        }
        for condition in &clocked {
            node = self.temporal(node, input_schema, condition)?;
        }
        Ok(node)
    }

    fn union(&mut self, inputs: Vec<usize>, schema: SchemaRef, title: String) -> usize {
        let arrival = self.arrival_of(&inputs);
        let unique = match inputs.as_slice() {
            [only] => self.nodes[*only].unique.clone(),
            _ => None,
        };
        let operator = Box::new(Union { schema: schema.clone() });
        self.add(New { operator, inputs, schema, arrival, unique, title, kept: "" })
    }

    async fn stateless(&mut self, plan: &LogicalPlan) -> Result<usize> {
        let [below] = plan.inputs()[..] else { return Err(Error::internal("a stateless operator has one input")) };
        let input = self.lower(below).await?;
        let build = |leaves| Ok(plan.with_new_exprs(plan.expressions(), leaves)?);
        let program = Program::new(self.state, std::slice::from_ref(below.schema()), build).await?;
        let (schema, arrival) = (program.schema().clone(), self.nodes[input].arrival);
        let (operator, title) = (Box::new(Stateless { program }), wording::plan(plan));
        Ok(self.add(New { operator, inputs: vec![input], schema, arrival, unique: None, title, kept: "" }))
    }

    async fn constant(&mut self, plan: &LogicalPlan) -> Result<usize> {
        self.refuse_clock(&plan.expressions())?;
        let program = Program::new(self.state, &[], |_| Ok(plan.clone())).await?;
        let schema = program.schema().clone();
        let (operator, title) = (Box::new(Constant { program }), wording::plan(plan));
        let kept = "given once";
        Ok(self.add(New { operator, inputs: vec![], schema, arrival: Arrival::AppendOnly, unique: None, title, kept }))
    }

    fn arrival_of(&self, inputs: &[usize]) -> Arrival {
        match inputs.iter().all(|input| self.nodes[*input].arrival == Arrival::AppendOnly) {
            true => Arrival::AppendOnly,
            false => Arrival::Changing,
        }
    }

    fn physical(&self, expression: &Expr, schema: &DFSchema) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(self.state.create_physical_expr(overflow::checked(expression.clone(), schema)?, schema)?)
    }

    /// The clock moves without any change of an input: only a filter can follow it.
    fn refuse_clock(&self, expressions: &[Expr]) -> Result<()> {
        match expressions.iter().find_map(crate::flow::now::clock_in) {
            None => Ok(()),
            Some(name) => Err(Error::unsupported(format!("{name}() cannot be used here in a materialized view"))
                .with_detail("its value changes all the time, and so would the view")
                .with_hint("compare a column with it in WHERE, such as event_time > now() - INTERVAL '1 day'; or compute it where the view is read")),
        }
    }
}

fn column_at(schema: &arrow::datatypes::Schema, column: usize) -> Arc<dyn PhysicalExpr> {
    Arc::new(datafusion::physical_expr::expressions::Column::new(schema.field(column).name(), column))
}

/// The column that an expression hands on as it is.
fn reads_column(expression: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    expression.downcast_ref::<datafusion::physical_expr::expressions::Column>().map(|column| column.index())
}

fn names(schema: &arrow::datatypes::Schema) -> String {
    schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ")
}
