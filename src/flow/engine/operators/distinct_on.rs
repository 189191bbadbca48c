//! DISTINCT and DISTINCT ON over rows that only come: the first row of each key is given, later ones are not looked at.

use std::sync::Arc;

use arrow::array::{BooleanArray, BooleanBufferBuilder};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use super::bound::Bound;
use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::seen::Seen;
use crate::flow::engine::state::State;
use crate::model::Changes;

pub struct DistinctOn {
    /// The first so many columns are the key.
    key: usize,
    seen: Seen,
    /// Before which a key may be forgotten.
    bound: Option<Bound>,
}

/// Which column of a key is a time, and when it is past.
pub struct KeyTime {
    pub column: usize,
    pub bound: Bound,
}

impl DistinctOn {
    /// Of rows of `schema`, whose first `key` columns are the key. No row comes whose key is past.
    pub fn new(schema: &SchemaRef, key: usize, time: Option<KeyTime>) -> Result<DistinctOn> {
        let keys = Arc::new(schema.project(&(0..key).collect::<Vec<_>>())?);
        let (column, bound) = time.map(|time| (time.column, time.bound)).unzip();
        Ok(DistinctOn { key, seen: Seen::new(keys, column)?, bound })
    }
}

#[async_trait]
impl Operator for DistinctOn {
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("DISTINCT ON has one input") };
        let mut first = BooleanBufferBuilder::new(input.len());
        first.append_n(input.len(), false);
        for row in self.seen.add(&input.rows().columns()[..self.key], input.len())? {
            first.set_bit(row, true);
        }
        if let Some(past) = self.bound.as_ref().map(|bound| bound.at(moment)).transpose()?.flatten() {
            self.seen.forget_before(past);
        }
        Ok(Changes::inserted(input.filter(&BooleanArray::new(first.finish(), None))?.rows().clone()))
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("seen".to_string(), &mut self.seen)]
    }
}
