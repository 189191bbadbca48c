//! Rows that are there from the beginning and never change: VALUES, SELECT without FROM.

use async_trait::async_trait;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::program::Program;
use crate::model::Changes;

pub struct Constant {
    pub program: Program,
}

#[async_trait]
impl Operator for Constant {
    async fn tick(&mut self, _: &[Changes], moment: Moment) -> Result<Changes> {
        match moment.is_first {
            true => Ok(Changes::inserted(self.program.run([]).await?)),
            false => Ok(Changes::empty(self.program.schema().clone())),
        }
    }
}
