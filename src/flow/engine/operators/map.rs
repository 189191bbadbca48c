//! Columns computed from columns.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::physical_expr::PhysicalExpr;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::program::evaluate;
use crate::model::Changes;

pub struct Map {
    pub expressions: Vec<Arc<dyn PhysicalExpr>>,
    pub schema: SchemaRef,
}

impl Map {
    pub fn apply(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(self.expressions.len());
        for (expression, field) in self.expressions.iter().zip(self.schema.fields()) {
            let column = evaluate(expression, rows)?;
            columns.push(match column.data_type() == field.data_type() {
                true => column,
                false => cast(&column, field.data_type())?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

#[async_trait]
impl Operator for Map {
    async fn tick(&mut self, inputs: &[Changes], _: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("a map has one input") };
        Ok(input.with_rows(self.apply(input.rows())?))
    }
}
