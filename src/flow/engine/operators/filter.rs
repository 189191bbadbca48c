//! The rows that meet a condition.

use std::sync::Arc;

use async_trait::async_trait;
use datafusion::physical_expr::PhysicalExpr;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::program::met;
use crate::model::Changes;

pub struct Filter {
    pub condition: Arc<dyn PhysicalExpr>,
}

#[async_trait]
impl Operator for Filter {
    async fn tick(&mut self, inputs: &[Changes], _: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("a filter has one input") };
        match input.is_empty() {
            true => Ok(input.clone()),
            false => input.filter(&met(&self.condition, input.rows())?),
        }
    }
}
