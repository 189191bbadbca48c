//! `LakeTable`: a version of a table as DataFusion sees it.
//!
//! A scan drops the files that cannot have a wanted row (`select`), and reads the rest with DataFusion's own Parquet source: the plan is
//! plain, so that it can be serialised and run on another node. Tables that are not plainly read go through `library`.

mod addressed;
pub mod files;
mod library;
mod plain;
mod select;
mod statistics;

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Statistics;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::file_list::Shape;
use super::snapshot::Snapshot;
use super::table::Table;
use plain::{PlainScan, Wanted};

pub use addressed::{AddressedTable, FILE, ROW};

#[derive(Debug)]
pub struct LakeTable {
    table: Arc<Table>,
    snapshot: Arc<Snapshot>,
}

impl LakeTable {
    pub fn new(table: Arc<Table>, snapshot: Arc<Snapshot>) -> LakeTable {
        LakeTable { table, snapshot }
    }

    /// The version that is read, whatever is committed meanwhile.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    fn shape(&self) -> &Shape {
        self.snapshot.files().shape()
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.snapshot.schema().clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let exact = |filter: &&Expr| self.snapshot.reads_plainly() && select::is_exact(filter, self.shape());
        Ok(filters
            .iter()
            .map(|filter| match exact(filter) {
                true => TableProviderFilterPushDown::Exact,
                false => TableProviderFilterPushDown::Inexact,
            })
            .collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        Some(statistics::of_all(self.snapshot.files().chunks(), self.snapshot.schema()))
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.place.register(state.runtime_env());
        match self.snapshot.reads_plainly() {
            true => {
                let chunks = select::files(&self.snapshot, filters, state)?;
                let scan = PlainScan { table: &self.table, shape: self.shape(), addresses: None };
                scan.of_chunks(&chunks, state, &Wanted { projection, filters, limit, partitions: state.config().target_partitions() })
            }
            false => library::scan(&self.table, &self.snapshot, state, projection, filters, limit).await,
        }
    }
}
