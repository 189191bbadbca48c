//! A query that runs over the rows of one tick and forgets them: above what gives all that belongs together in one tick.

use async_trait::async_trait;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::program::Program;
use crate::model::Changes;

pub struct EachTick {
    pub program: Program,
}

#[async_trait]
impl Operator for EachTick {
    async fn tick(&mut self, inputs: &[Changes], _: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("a query over one tick has one input") };
        match input.is_empty() {
            true => Ok(Changes::empty(self.program.schema().clone())),
            false => Ok(Changes::inserted(self.program.run([input.repeated()?]).await?)),
        }
    }
}
