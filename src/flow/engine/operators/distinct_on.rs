//! DISTINCT ON over rows that only come: the first row of each key is given, later ones are not looked at.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::arrangement::{Arrangement, Became};
use crate::flow::engine::state::State;
use crate::model::Changes;

pub struct DistinctOn {
    /// The first so many columns are the key.
    key: usize,
    seen: Arrangement,
}

impl DistinctOn {
    /// Of rows of `schema`, whose first `key` columns are the key.
    pub fn new(schema: &SchemaRef, key: usize) -> Result<DistinctOn> {
        let keys = std::sync::Arc::new(schema.project(&(0..key).collect::<Vec<_>>())?);
        Ok(DistinctOn { key, seen: Arrangement::new(keys, (0..key).collect())? })
    }
}

#[async_trait]
impl Operator for DistinctOn {
    async fn tick(&mut self, inputs: &[Changes], _: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("DISTINCT ON has one input") };
        if input.is_empty() {
            return Ok(input.clone());
        }
        let columns = input.rows().columns()[..self.key].to_vec();
        let keys = RecordBatch::try_new(self.seen.schema().clone(), columns)?;
        let encoded = self.seen.encode_keys(&keys)?;
        // What is new to what was seen, and the first of its kind in this tick.
        let mut in_tick = std::collections::HashSet::new();
        let is_first = |row: usize| self.seen.find_key(encoded.row(row)).is_none() && in_tick.insert(encoded.row(row));
        let first: BooleanArray = (0..input.len()).map(is_first).map(Some).collect();
        let new = Changes::inserted(keys).filter(&first)?;
        self.seen.update(&new, |_, _, became| debug_assert!(matches!(became, Became::New)))?;
        Ok(Changes::inserted(input.filter(&first)?.rows().clone()))
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("seen".to_string(), &mut self.seen)]
    }
}
