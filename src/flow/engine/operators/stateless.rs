//! What DataFusion does with each row by itself, such as UNNEST.

use std::collections::BTreeMap;

use arrow::array::{Int64Array, UInt32Array};
use async_trait::async_trait;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::program::Program;
use crate::model::Changes;

/// `program` must give for some rows what it gives for each of them alone.
pub struct Stateless {
    pub program: Program,
}

#[async_trait]
impl Operator for Stateless {
    async fn tick(&mut self, inputs: &[Changes], _: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("a stateless operator has one input") };
        if input.are_inserts() {
            return Ok(Changes::inserted(self.program.run([input.rows().clone()]).await?));
        }
        // The program knows no weights: rows of one weight go through it together. There are seldom more than two.
        let mut by_weight: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for row in 0..input.len() {
            by_weight.entry(input.weight(row)).or_default().push(row as u32);
        }
        let mut parts = Vec::with_capacity(by_weight.len());
        for (weight, rows) in by_weight {
            let rows = input.take(&UInt32Array::from(rows))?.rows().clone();
            let made = self.program.run([rows]).await?;
            let weights = Int64Array::from_value(weight, made.num_rows());
            parts.push(Changes::new(made, weights));
        }
        Changes::concat(self.program.schema(), &parts)
    }
}
