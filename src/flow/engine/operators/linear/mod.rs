//! Aggregates that can take back what they took in: counts, sums, averages, variances; min and max; each also over distinct values. Also
//! DISTINCT, which is a count that nobody sees.
//!
//! A group has a number, and each aggregate has its state in plain vectors at that number. A tick costs the rows that came and the groups
//! that they touch, whatever the number of groups.

mod accumulator;
mod closing;
mod count;
mod exact_float;
mod groups;
mod running;
mod spread;
mod sum;
mod truth;
mod values;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::and;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::physical_expr::PhysicalExpr;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::interner::Number;
use crate::flow::engine::program::met;
use crate::flow::engine::state::State;
use crate::model::Changes;

use groups::{Groups, Touched};

pub use accumulator::{Accumulator, accumulator_for};
pub use closing::ClosingGroups;
pub use running::running;
pub use values::{Extreme, Values};

/// An aggregate: what it is computed from, and what it knows of each group.
pub struct Aggregate {
    /// A row counts if none of these is null.
    pub arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    pub measure: Measure,
    /// What it has to know beside that.
    pub values: Option<Values>,
}

pub enum Measure {
    /// A sum over all rows, or over the distinct values. Where rows only come, also their extreme.
    Sum(Box<dyn Accumulator>),
    /// The first of the values.
    First,
}

pub struct Linear {
    groups: Groups,
    /// By aggregate.
    values: Vec<Option<Values>>,
    /// One row, whether there is input or not: an aggregate without GROUP BY.
    is_global: bool,
}

impl Linear {
    /// Groups rows by the columns `key` of the input. The result has these columns and then one for each aggregate, as `schema` says.
    pub fn new(input: &Schema, key: Vec<usize>, mut aggregates: Vec<Aggregate>, schema: SchemaRef) -> Result<Linear> {
        let is_global = key.is_empty();
        let values = aggregates.iter_mut().map(|aggregate| aggregate.values.take()).collect();
        Ok(Linear { groups: Groups::new(input, key, aggregates, schema)?, values, is_global })
    }

    fn live(&self, group: Number) -> bool {
        self.groups.count(group) > 0 || self.is_global
    }

    /// Those of the touched groups that live now, and their results.
    fn look(&self, touched: &Touched, when: When) -> Result<Look> {
        let lives = |place: usize| (when == When::After || !touched.is_new[place]) && self.live(touched.groups[place]);
        let lives: Vec<bool> = (0..touched.groups.len()).map(lives).collect();
        let groups: Vec<Number> = touched.groups.iter().zip(&lives).filter(|(_, lives)| **lives).map(|(group, _)| *group).collect();
        let results = self.groups.results(&groups, &self.values)?;
        Ok(Look { lives, groups, results })
    }
}

/// A moment of a tick.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    Before,
    After,
}

/// What is known of the touched groups at one moment.
struct Look {
    /// By touched group.
    lives: Vec<bool>,
    /// Those that live, and the results of the aggregates for each.
    groups: Vec<Number>,
    results: Vec<ArrayRef>,
}

#[async_trait]
impl Operator for Linear {
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("an aggregate has one input") };
        let begins = moment.is_first && self.is_global;
        if input.is_empty() && !begins {
            return Ok(Changes::empty(self.groups.schema().clone()));
        }
        let (numbers, touched) = self.groups.touch(input.rows(), begins)?;
        let before = self.look(&touched, When::Before)?;
        self.groups.add(input, &numbers, &mut self.values)?;
        let after = self.look(&touched, When::After)?;
        let changes = self.groups.difference(&before, &after)?;
        for (group, _) in touched.groups.iter().zip(&after.lives).filter(|(_, lives)| !**lives) {
            self.groups.remove(*group);
        }
        Ok(changes)
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        let groups = ("groups".to_string(), &mut self.groups as &mut dyn State);
        let values = self.values.iter_mut().enumerate();
        let values = values.filter_map(|(number, values)| Some((format!("values {number}"), values.as_mut()?.state())));
        std::iter::once(groups).chain(values).collect()
    }
}

/// The rows of a tick, as an accumulator adds them.
pub struct Rows<'a> {
    pub groups: &'a [Number],
    pub weights: &'a [i64],
    /// Those that count; all where there is nothing to choose.
    counted: Option<&'a BooleanArray>,
}

impl Rows<'_> {
    /// Calls `add` with the row, its group and its weight for each row that counts.
    #[inline]
    pub fn each(&self, mut add: impl FnMut(usize, usize, i64)) {
        match self.counted {
            None => {
                for (row, (group, weight)) in self.groups.iter().zip(self.weights).enumerate() {
                    add(row, *group as usize, *weight);
                }
            }
            Some(counted) => {
                for row in counted.values().set_indices() {
                    add(row, self.groups[row] as usize, self.weights[row]);
                }
            }
        }
    }
}

/// The rows whose arguments are all there and that pass the filter. `None` for all.
fn counted(values: &[ArrayRef], filter: Option<&Arc<dyn PhysicalExpr>>, rows: &RecordBatch) -> Result<Option<BooleanArray>> {
    let mut counted = filter.map(|filter| met(filter, rows)).transpose()?;
    for nulls in values.iter().filter_map(|value| value.logical_nulls()).filter(|nulls| nulls.null_count() > 0) {
        let there = BooleanArray::new(nulls.inner().clone(), None);
        counted = Some(match counted {
            None => there,
            Some(counted) => and(&counted, &there)?,
        });
    }
    Ok(counted)
}
