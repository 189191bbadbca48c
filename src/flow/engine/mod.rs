//! The incremental engine: a query as a graph of operators that turn changes of its inputs into changes of its answer.
//!
//! 1. `plan` has DataFusion plan and optimise the query's text.
//! 2. `lower` makes a graph of `operators` of the plan. Each node has its inputs before it, and says how it is kept.
//! 3. `Dataflow::tick` hands the changes of all inputs of one moment through the graph, once, in order. What comes out is complete: the
//!    answer before the tick and these changes are the answer after it.
//! 4. `Dataflow::states` is what the operators remember (`state`, `arrangement`), for whoever saves it.
//!
//! The invariant: after any ticks, the sum of all changes that came out equals the query run once over the sum of all changes that went in.

mod arena;
mod arrangement;
mod by_time;
mod encoder;
mod explain;
mod interner;
mod lower;
mod operators;
mod ordered;
mod placeholder;
mod plan;
mod program;
mod relation;
mod seen;
mod single_row;
mod state;
#[cfg(test)]
mod tests;
mod watermark;

use arrow::datatypes::SchemaRef;
use sqlparser::ast::Query;

use crate::catalog::Emit;
use crate::error::{Error, Result};
use crate::model::Changes;

use lower::lower;
use operators::Operator;
use watermark::Watermarks;

pub use arrangement::{Arrangement, Became, RowNumber};
pub use operators::Moment;
pub use program::met;
pub use relation::{Arrival, Relation, Watermark};
pub use state::State;

/// A query that is kept.
pub struct Dataflow {
    relations: Vec<Relation>,
    nodes: Vec<Node>,
    schema: SchemaRef,
    watermarks: Watermarks,
    has_begun: bool,
}

/// What becomes of the rows that come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// They are an answer that equals the query's at any time, over whatever came.
    Kept,
    /// They are written and stand for ever. What can meet nothing but rows that are late is forgotten, and late rows are left out.
    Written,
}

/// An operator in its place.
struct Node {
    kind: Kind,
    /// Earlier nodes.
    inputs: Vec<usize>,
    schema: SchemaRef,
    arrival: Arrival,
    /// Columns that no two rows of the answer have alike, where that is known.
    unique: Option<Vec<usize>>,
    /// What it is and how it is kept, for EXPLAIN.
    title: String,
    kept: String,
}

enum Kind {
    /// The changes of a relation, by its place in `relations`.
    Input(usize),
    Operator(Box<dyn Operator>),
}

/// What an operator remembers, for `lakewire.views`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSize {
    pub operator: String,
    pub rows: usize,
    pub bytes: usize,
}

impl Dataflow {
    /// Plans `query` over `relations`. What cannot be kept is refused by name.
    pub async fn plan(query: &Query, relations: &[Relation]) -> Result<Dataflow> {
        Dataflow::plan_to_emit(query, relations, Emit::OnChange).await
    }

    /// The same, of a query that may say when its rows are given.
    pub async fn plan_to_emit(query: &Query, relations: &[Relation], emit: Emit) -> Result<Dataflow> {
        Dataflow::plan_to_give(query, relations, emit, Delivery::Kept).await
    }

    /// The same, for rows that may be written somewhere instead of kept.
    pub async fn plan_to_give(query: &Query, relations: &[Relation], emit: Emit, delivery: Delivery) -> Result<Dataflow> {
        let planned = plan::plan(query, relations).await?;
        let watermarks = Watermarks::new(relations.len());
        let nodes = lower(&planned, relations, emit, delivery, &watermarks).await?;
        let schema = nodes.last().ok_or_else(|| Error::internal("a dataflow without operators"))?.schema.clone();
        Ok(Dataflow { relations: relations.to_vec(), nodes, schema, watermarks, has_begun: false })
    }

    /// The columns of the answer.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The relations it was planned with, in the order in which `tick` wants their changes.
    pub fn relations(&self) -> &[Relation] {
        &self.relations
    }

    /// Whether rows of the answer never go, if those of append-only inputs do not.
    pub fn arrival(&self) -> Arrival {
        self.last().arrival
    }

    /// The first part of the query that takes rows back, if one does.
    pub fn takes_rows_back(&self) -> Option<&str> {
        self.nodes.iter().find(|node| node.arrival == Arrival::Changing).map(|node| node.title.as_str())
    }

    /// Columns that no two rows of the answer have alike, if that is known.
    pub fn unique(&self) -> Option<&[usize]> {
        self.last().unique.as_deref()
    }

    /// Says that no row of a relation is expected any more whose time is before this. Takes effect at the next tick; a watermark does not go
    /// back. Of partitions that are read side by side, the one that is least far counts.
    /// Returns whether it has moved.
    pub fn advance_watermark(&self, relation: usize, micros: i64) -> bool {
        self.watermarks.advance(relation, micros)
    }

    /// Rows that came when their window had closed and were left out, since this was made.
    pub fn late_rows(&self) -> u64 {
        let late = |node: &Node| match &node.kind {
            Kind::Operator(operator) => operator.late_rows(),
            Kind::Input(_) => 0,
        };
        self.nodes.iter().map(late).sum()
    }

    /// Whether rows come or go by themselves as the clock moves: then it wants a tick now and then, also without input.
    pub fn follows_the_clock(&self) -> bool {
        self.nodes.iter().any(|node| matches!(&node.kind, Kind::Operator(operator) if operator.follows_the_clock()))
    }

    /// One tick. `inputs` has changes for each relation, in the order of `relations`, under the relation's whole schema. What comes out is
    /// consolidated, or rows that only came: among those a row may stand several times. After an error the dataflow must not be used any more.
    pub async fn tick(&mut self, inputs: &[Changes], now_micros: i64) -> Result<Changes> {
        let moment = Moment { now_micros, is_first: !self.has_begun };
        self.has_begun = true;
        let mut made: Vec<Changes> = Vec::with_capacity(self.nodes.len());
        for node in &mut self.nodes {
            let changes = match &mut node.kind {
                Kind::Input(relation) => inputs[*relation].clone(),
                Kind::Operator(operator) => {
                    let given: Vec<Changes> = node.inputs.iter().map(|input| made[*input].clone()).collect();
                    operator.tick(&given, moment).await?
                }
            };
            made.push(changes);
        }
        let answer = made.pop().ok_or_else(|| Error::internal("a dataflow without operators"))?;
        if answer.are_inserts() { Ok(answer) } else { answer.consolidated() }
    }

    /// All states, each with a name that is the same whenever this query is planned over these relations.
    pub fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        let mut states = Vec::new();
        for (number, node) in self.nodes.iter_mut().enumerate() {
            if let Kind::Operator(operator) = &mut node.kind {
                states.extend(operator.states().into_iter().map(|(name, state)| (format!("{number}/{name}"), state)));
            }
        }
        states
    }

    /// After all states were restored: what comes at the first tick has come.
    pub fn resume(&mut self) {
        self.has_begun = true;
        for node in &mut self.nodes {
            if let Kind::Operator(operator) = &mut node.kind {
                operator.restored();
            }
        }
    }

    /// How large the state of each operator is.
    pub fn sizes(&mut self) -> Vec<StateSize> {
        let mut sizes = Vec::new();
        for node in &mut self.nodes {
            if let Kind::Operator(operator) = &mut node.kind {
                let states = operator.states();
                if !states.is_empty() {
                    let rows = states.iter().map(|(_, state)| state.rows()).sum();
                    let bytes = states.iter().map(|(_, state)| state.bytes()).sum();
                    sizes.push(StateSize { operator: node.title.clone(), rows, bytes });
                }
            }
        }
        sizes
    }

    /// The operators and how each is kept, one line each, the answer first.
    pub fn explain(&self) -> Vec<String> {
        explain::lines(&self.nodes)
    }

    fn last(&self) -> &Node {
        self.nodes.last().expect("a dataflow has an operator")
    }
}
