//! A materialized view as a relation.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use crate::catalog::{Object, ViewDef};
use crate::error::{Error, SqlState};
use crate::model::Name;

/// A view can be planned with as soon as it is defined; it is read once its job has published it.
pub struct View {
    name: Name,
    schema: SchemaRef,
}

impl View {
    pub fn new(object: &Object, view: &ViewDef) -> View {
        View { name: object.name.clone(), schema: schema_of(view) }
    }
}

/// The columns of a view as Arrow has them. All may be null.
pub fn schema_of(view: &ViewDef) -> SchemaRef {
    Arc::new(Schema::new(view.columns.iter().map(|column| column.data_type.to_field(&column.name, true)).collect::<Vec<_>>()))
}

#[async_trait]
impl TableProvider for View {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        Err(Error::state(format!("materialized view \"{}\" has not been populated", self.name))
            .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
            .with_hint("lakewire.views shows how far it is")
            .into())
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({})", self.name)
    }
}
