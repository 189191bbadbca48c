//! Reading what other engines made with deletion vectors, column mapping or features that are not ours: by the Delta library's own scan.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::catalog::Session;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::expressions::{CastExpr, Column};
use datafusion::physical_expr::projection::ProjectionExpr;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};
use deltalake::DeltaTable;
use deltalake::logstore::{StorageConfig, default_logstore};
use object_store::prefix::PrefixStore;

use crate::lake::snapshot::Snapshot;
use crate::lake::table::Table;

pub async fn scan(
    table: &Table,
    snapshot: &Snapshot,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    filters: &[Expr],
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let loaded = load(table, snapshot).await.map_err(|error| DataFusionError::from(crate::error::Error::from(error)))?;
    loaded.update_datafusion_session(state).map_err(|error| DataFusionError::from(crate::error::Error::from(error)))?;
    let provider = loaded.table_provider().await?;
    let ours = snapshot.schema();
    let projected: Vec<_> = projection.cloned().unwrap_or_else(|| (0..ours.fields().len()).collect());
    let theirs = provider.schema();
    let indices = projected.iter().map(|index| Ok(theirs.index_of(ours.field(*index).name())?)).collect::<Result<Vec<_>>>()?;
    // A filter was made for our types; the query applies it again in any case, for we call it inexact.
    let usable: &[Expr] = if same_types(ours, &theirs) { filters } else { &[] };
    let limit = limit.filter(|_| usable.len() == filters.len());
    let plan = provider.scan(state, Some(&indices), usable, limit).await?;
    with_types(plan, &ours.project(&projected)?)
}

async fn load(table: &Table, snapshot: &Snapshot) -> Result<DeltaTable, deltalake::DeltaTableError> {
    let store = table.place.store().clone();
    let url = table.place.folder_url(&table.path);
    let folder = Arc::new(PrefixStore::new(store.clone(), table.path.clone()));
    let mut loaded = DeltaTable::new(default_logstore(folder, store, &url, &StorageConfig::default()));
    match snapshot.version() {
        Some(version) => loaded.load_version(version as u64).await?,
        None => loaded.load().await?,
    }
    Ok(loaded)
}

fn same_types(ours: &Schema, theirs: &Schema) -> bool {
    ours.fields().iter().all(|field| theirs.field_with_name(field.name()).is_ok_and(|their| their.data_type() == field.data_type()))
}

/// Casts the columns to the types that the table is known by.
fn with_types(plan: Arc<dyn ExecutionPlan>, wanted: &Schema) -> Result<Arc<dyn ExecutionPlan>> {
    let given = plan.schema();
    if given.fields() == wanted.fields() {
        return Ok(plan);
    }
    let columns = wanted.fields().iter().zip(given.fields()).enumerate().map(|(index, (wanted, given))| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(given.name(), index));
        let expr = match wanted.data_type() == given.data_type() {
            true => column,
            false => Arc::new(CastExpr::new(column, wanted.data_type().clone(), None)),
        };
        ProjectionExpr { expr, alias: wanted.name().clone() }
    });
    Ok(Arc::new(ProjectionExec::try_new(columns.collect::<Vec<_>>(), plan)?))
}
