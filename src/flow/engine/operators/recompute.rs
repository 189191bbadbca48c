//! The net under all other operators: the query is run again over the rows of the keys that were touched, and what it gives is compared with
//! what was given before. Right for every query whose answer for a key depends on the rows of that key alone.

use std::collections::HashSet;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::arrangement::{Arrangement, KeyNumber};
use crate::flow::engine::program::Program;
use crate::flow::engine::relation::Arrival;
use crate::flow::engine::state::State;
use crate::model::Changes;

pub struct Recompute {
    program: Program,
    /// By input: all its rows, by key.
    inputs: Vec<Arrangement>,
    /// What was given, by the same key.
    output: Arrangement,
}

impl Recompute {
    /// `inputs` has for each its columns, how its rows come, and the columns of its key; `output_key` are the columns of the result that hold the key.
    pub fn new(program: Program, inputs: Vec<(SchemaRef, Arrival, Vec<usize>)>, output_key: Vec<usize>) -> Result<Recompute> {
        let inputs = inputs.into_iter().map(|(schema, arrival, key)| Arrangement::of(arrival, schema, key)).collect::<Result<_>>()?;
        let output = Arrangement::new(program.schema().clone(), output_key)?;
        Ok(Recompute { program, inputs, output })
    }

    async fn recompute(&mut self, touched: &Keys<'_>) -> Result<Changes> {
        let mut rows = Vec::with_capacity(self.inputs.len());
        for input in &self.inputs {
            rows.push(gather(input, touched)?.repeated()?);
        }
        let given = gather(&self.output, touched)?;
        let made = Changes::inserted(self.program.run(rows).await?);
        let changes = Changes::concat(self.program.schema(), &[given.negated(), made])?.consolidated()?;
        self.output.update(&changes, |_, _, _| {})?;
        Ok(changes)
    }
}

#[async_trait]
impl Operator for Recompute {
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes> {
        let keys = self.inputs.iter().zip(inputs).map(|(input, changes)| input.encode_keys(changes.rows())).collect::<Result<Vec<_>>>()?;
        let mut touched = Keys::default();
        for ((input, changes), keys) in self.inputs.iter_mut().zip(inputs).zip(&keys) {
            touched.extend((0..changes.len()).map(|row| keys.row(row)));
            input.update_at(changes, keys, |_, _, _| {})?;
        }
        // What is one key's for all rows may have an answer for no rows.
        if moment.is_first && self.output.is_keyless() {
            touched.insert(&[]);
        }
        match touched.is_empty() {
            true => Ok(Changes::empty(self.program.schema().clone())),
            false => self.recompute(&touched).await,
        }
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        let inputs = self.inputs.iter_mut().enumerate().map(|(number, input)| (format!("input {number}"), input as &mut dyn State));
        inputs.chain([("output".to_string(), &mut self.output as &mut dyn State)]).collect()
    }
}

/// Encoded keys, each once.
type Keys<'a> = HashSet<&'a [u8], foldhash::fast::RandomState>;

fn gather(arrangement: &Arrangement, keys: &Keys<'_>) -> Result<Changes> {
    let found: Vec<KeyNumber> = keys.iter().filter_map(|key| arrangement.find_key(key)).collect();
    arrangement.gather(found.into_iter())
}
