//! UNION ALL: the changes of all inputs.

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::program::conform;
use crate::model::Changes;

pub struct Union {
    pub schema: SchemaRef,
}

#[async_trait]
impl Operator for Union {
    async fn tick(&mut self, inputs: &[Changes], _: Moment) -> Result<Changes> {
        let parts = inputs.iter().map(|input| Ok(input.with_rows(conform(input.rows(), &self.schema)?)));
        Changes::concat(&self.schema, &parts.collect::<Result<Vec<_>>>()?)
    }
}
