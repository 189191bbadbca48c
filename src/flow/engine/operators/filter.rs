//! The rows that meet a condition.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::prep_null_mask_filter;
use async_trait::async_trait;
use datafusion::physical_expr::PhysicalExpr;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::program::evaluate;
use crate::model::Changes;

pub struct Filter {
    pub condition: Arc<dyn PhysicalExpr>,
}

#[async_trait]
impl Operator for Filter {
    async fn tick(&mut self, inputs: &[Changes], _: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("a filter has one input") };
        if input.is_empty() {
            return Ok(input.clone());
        }
        let met = evaluate(&self.condition, input.rows())?;
        let met = met.as_boolean();
        match met.null_count() {
            0 => input.filter(met),
            _ => input.filter(&prep_null_mask_filter(met)),
        }
    }
}
