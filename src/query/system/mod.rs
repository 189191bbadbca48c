//! The server's own tables, in the schema `lakewire`. Each is computed when it is read; `rejects` is a table of the lake (`relations`).

mod events;
mod expectations;
mod indexes;
mod job_inputs;
mod jobs;
mod settings;
mod sources;
mod tables;
mod view_operators;
mod views;

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::ScalarValue;
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use super::QueryServices;
use crate::error::Result;
use crate::model::SqlType;

/// All of them.
pub const SYSTEM_TABLES: &[&dyn SystemTable] = &[
    &jobs::Jobs,
    &job_inputs::JobInputs,
    &sources::Sources,
    &tables::Tables,
    &views::Views,
    &indexes::Indexes,
    &view_operators::ViewOperators,
    &expectations::Expectations,
    &events::Events,
    &settings::Settings,
];

/// One table of the server's own.
#[async_trait]
pub trait SystemTable: Send + Sync {
    fn name(&self) -> &'static str;

    fn columns(&self) -> Vec<(&'static str, SqlType)>;

    /// The rows as they are now, each with a value per column.
    async fn rows(&self, services: &QueryServices) -> Result<Vec<Vec<ScalarValue>>>;
}

pub(super) struct SystemRelation {
    table: &'static dyn SystemTable,
    schema: SchemaRef,
    services: Arc<QueryServices>,
}

impl SystemRelation {
    pub fn new(table: &'static dyn SystemTable, services: Arc<QueryServices>) -> SystemRelation {
        SystemRelation { table, schema: schema_of(table), services }
    }

    async fn batch(&self) -> Result<RecordBatch> {
        let rows = self.table.rows(&self.services).await?;
        let mut columns = Vec::with_capacity(self.schema.fields().len());
        for (index, field) in self.schema.fields().iter().enumerate() {
            columns.push(match rows.is_empty() {
                true => arrow::array::new_empty_array(field.data_type()),
                false => ScalarValue::iter_to_array(rows.iter().map(|row| row[index].clone()))?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

pub fn schema_of(table: &dyn SystemTable) -> SchemaRef {
    Arc::new(Schema::new(table.columns().iter().map(|(name, data_type)| data_type.to_field(name, true)).collect::<Vec<_>>()))
}

#[async_trait]
impl TableProvider for SystemRelation {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let batch = self.batch().await?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![batch]], self.schema.clone(), projection.cloned())?)
    }
}

impl fmt::Debug for SystemRelation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SystemRelation({})", self.table.name())
    }
}

fn text(value: impl ToString) -> ScalarValue {
    ScalarValue::Utf8(Some(value.to_string()))
}

fn text_or_null(value: Option<impl ToString>) -> ScalarValue {
    ScalarValue::Utf8(value.map(|value| value.to_string()))
}

fn bigint(value: u64) -> ScalarValue {
    ScalarValue::Int64(Some(value as i64))
}

fn bigint_or_null(value: Option<u64>) -> ScalarValue {
    ScalarValue::Int64(value.map(|value| value as i64))
}

fn time(value: DateTime<Utc>) -> ScalarValue {
    time_or_null(Some(value))
}

fn time_or_null(value: Option<DateTime<Utc>>) -> ScalarValue {
    ScalarValue::TimestampMicrosecond(value.map(|value| value.timestamp_micros()), Some("UTC".into()))
}
