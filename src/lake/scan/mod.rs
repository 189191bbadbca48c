//! `LakeTable`: a version of a table as DataFusion sees it.
//!
//! A scan drops the files that cannot have a wanted row (`select`), and reads the rest with DataFusion's own Parquet source: the plan is
//! plain, so that it can be serialised and run on another node. Tables that are not plainly read go through `library`.

mod library;
mod select;
mod statistics;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use chrono::DateTime;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::scalar::ScalarValue;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::file_list::{Chunk, Kind, Shape};
use super::location;
use super::snapshot::Snapshot;
use super::table::Table;

/// With more files than this, only their sizes and row counts are told to the optimiser.
const FILES_WITH_STATISTICS_MAX: usize = 2000;

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

    fn plain_scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let shape = self.shape();
        let chunks = select::files(&self.snapshot, filters, state)?;
        let layout = Layout::of(shape);
        let wanted = layout.projection(&shape.table, projection)?;
        if chunks.iter().all(|chunk| chunk.len() == 0) {
            // A scan without files would have no partitions, which not every operator above takes.
            return Ok(Arc::new(EmptyExec::new(Arc::new(layout.schema.project(&wanted)?))));
        }
        let files = self.partitioned_files(&chunks, &layout)?;
        let statistics = match files.iter().all(|file| file.statistics.is_some()) {
            true => Statistics::try_merge_iter(files.iter().flat_map(|file| file.statistics.as_deref()), &layout.schema)?,
            false => statistics::of_all(&chunks, &layout.schema),
        };
        let groups = FileGroup::new(files).split_files(state.config().target_partitions().max(1));

        let mut source = ParquetSource::new(layout.table_schema()).with_table_parquet_options(parquet_options(state));
        // The choice of files has answered the others; without a predicate the row count stays exact.
        let open_filters = filters.iter().filter(|filter| !select::is_exact(filter, shape)).cloned();
        if let Some(filter) = conjunction(open_filters) {
            let schema = DFSchema::try_from(layout.schema.clone())?;
            source = source.with_predicate(state.create_physical_expr(filter, &schema)?);
        }
        let config = FileScanConfigBuilder::new(self.table.lake.store_url(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(Some(wanted))?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }

    fn partitioned_files(&self, chunks: &[Chunk], layout: &Layout) -> Result<Vec<PartitionedFile>> {
        let count = chunks.iter().map(Chunk::len).sum();
        let mut files = Vec::with_capacity(count);
        for chunk in chunks {
            let statistics =
                (count <= FILES_WITH_STATISTICS_MAX).then(|| statistics::ChunkColumns::of(chunk, &layout.schema, &layout.partition));
            for file in 0..chunk.len() {
                let mut entry =
                    PartitionedFile::new_from_meta(self.object(chunk, file)).with_partition_values(layout.partition_values(chunk, file)?);
                // Not `with_statistics`: it would say that a partition value is never null.
                entry.statistics = match &statistics {
                    Some(columns) => Some(Arc::new(columns.of_file(file)?)),
                    None => None,
                };
                files.push(entry);
            }
        }
        Ok(files)
    }

    fn object(&self, chunk: &Chunk, file: usize) -> ObjectMeta {
        let below = Path::parse(chunk.path(file)).expect("the list has paths that were parsed");
        ObjectMeta {
            location: location::joined(&self.table.path, &below),
            last_modified: DateTime::from_timestamp_millis(chunk.modified(file)).unwrap_or_default(),
            size: chunk.size(file) as u64,
            e_tag: None,
            version: None,
        }
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
        self.table.lake.register(state.runtime_env());
        match self.snapshot.reads_plainly() {
            true => self.plain_scan(state, projection, filters, limit),
            false => library::scan(&self.table, &self.snapshot, state, projection, filters, limit).await,
        }
    }
}

/// The columns as a file scan has them: those in the files, then the partition columns.
struct Layout {
    stored: Vec<Arc<Field>>,
    partition: Vec<Arc<Field>>,
    schema: SchemaRef,
}

impl Layout {
    fn of(shape: &Shape) -> Layout {
        let (partition, stored): (Vec<_>, Vec<_>) =
            shape.table.fields().iter().cloned().partition(|field| shape.partition_columns.contains(field.name()));
        let schema = Arc::new(Schema::new(stored.iter().chain(&partition).cloned().collect::<Vec<_>>()));
        Layout { stored, partition, schema }
    }

    fn table_schema(&self) -> TableSchema {
        TableSchema::builder(Arc::new(Schema::new(self.stored.clone()))).with_table_partition_cols(self.partition.clone()).build()
    }

    /// Where the wanted columns of the table stand here, in the wanted order.
    fn projection(&self, table: &Schema, wanted: Option<&Vec<usize>>) -> Result<Vec<usize>> {
        let all = || (0..table.fields().len()).collect();
        let wanted = wanted.cloned().unwrap_or_else(all);
        wanted.into_iter().map(|index| Ok(self.schema.index_of(table.field(index).name())?)).collect()
    }

    fn partition_values(&self, chunk: &Chunk, file: usize) -> Result<Vec<ScalarValue>> {
        let value = |field: &Arc<Field>| match chunk.column(Kind::Partition, field) {
            Some(values) => ScalarValue::try_from_array(&values, file),
            None => ScalarValue::try_from(field.data_type()),
        };
        self.partition.iter().map(value).collect()
    }
}

/// The session's settings; and the timestamps of old writers, which could be beyond what nanoseconds can hold, as Delta means them.
fn parquet_options(state: &dyn Session) -> TableParquetOptions {
    let mut options = TableParquetOptions { global: state.config_options().execution.parquet.clone(), ..TableParquetOptions::default() };
    options.global.coerce_int96.get_or_insert_with(|| "us".to_string());
    options
}

/// How many rows there are, if all files say it.
fn row_count(rows: u64, files_without: u64) -> Precision<usize> {
    match files_without {
        0 => Precision::Exact(rows as usize),
        _ => Precision::Absent,
    }
}
