//! A scan of chosen files with DataFusion's own Parquet source.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use chrono::DateTime;
use datafusion::catalog::Session;
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Statistics};
use datafusion::config::TableParquetOptions;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::scalar::ScalarValue;
use object_store::ObjectMeta;
use object_store::path::Path;

use super::addressed::{Addresses, hidden_fields};
use super::{select, statistics};
use crate::lake::file_list::{Chunk, Kind, Shape};
use crate::lake::location;
use crate::lake::table::Table;

/// With more files than this, only their sizes and row counts are told to the optimiser.
const FILES_WITH_STATISTICS_MAX: usize = 2000;

/// What is scanned, and how its rows are shown.
pub struct PlainScan<'a> {
    pub table: &'a Table,
    pub shape: &'a Shape,
    /// Where they are given, rows also say where they stand.
    pub addresses: Option<&'a Addresses>,
}

/// What of it is wanted.
#[derive(Default)]
pub struct Wanted<'a> {
    /// Columns of the table, then `FILE` and `ROW` where rows are addressed. All of them if not given.
    pub projection: Option<&'a Vec<usize>>,
    pub filters: &'a [Expr],
    pub limit: Option<usize>,
    /// How many streams to read in. With one, files and their rows come in order.
    pub partitions: usize,
}

impl PlainScan<'_> {
    pub fn of_chunks(&self, chunks: &[Chunk], state: &dyn Session, wanted: &Wanted) -> Result<Arc<dyn ExecutionPlan>> {
        let layout = Layout::of(self.shape, self.addresses.is_some());
        let projection = layout.projection(&self.shape.table, wanted.projection)?;
        if chunks.iter().all(|chunk| chunk.len() == 0) {
            // A scan without files would have no partitions, which not every operator above takes.
            return Ok(Arc::new(EmptyExec::new(Arc::new(layout.schema.project(&projection)?))));
        }
        let files = self.partitioned_files(chunks, &layout)?;
        let statistics = match files.iter().all(|file| file.statistics.is_some()) {
            true => Statistics::try_merge_iter(files.iter().flat_map(|file| file.statistics.as_deref()), &layout.schema)?,
            false => statistics::of_all(chunks, &layout.schema),
        };
        let groups = FileGroup::new(files).split_files(wanted.partitions.max(1));

        let mut source = ParquetSource::new(layout.table_schema()).with_table_parquet_options(parquet_options(state));
        // The choice of files has answered the others; without a predicate the row count stays exact.
        let open_filters = wanted.filters.iter().filter(|filter| !select::is_exact(filter, self.shape)).cloned();
        if let Some(filter) = conjunction(open_filters) {
            let schema = DFSchema::try_from(layout.schema.clone())?;
            source = source.with_predicate(state.create_physical_expr(filter, &schema)?);
        }
        let config = FileScanConfigBuilder::new(self.table.place.store_url(), Arc::new(source))
            .with_file_groups(groups)
            .with_statistics(statistics)
            .with_projection_indices(Some(projection))?
            .with_limit(wanted.limit)
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
                let mut values = layout.partition_values(chunk, file)?;
                values.extend(self.addresses.map(|addresses| addresses.number(chunk, file)));
                let mut entry = PartitionedFile::new_from_meta(self.object(chunk, file)).with_partition_values(values);
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

/// The columns as a file scan has them: those in the files, then those of which a file has one value, then those that the reader makes.
struct Layout {
    stored: Vec<Arc<Field>>,
    partition: Vec<Arc<Field>>,
    address: Option<Address>,
    schema: SchemaRef,
}

struct Address {
    file: Arc<Field>,
    row: Arc<Field>,
}

impl Layout {
    fn of(shape: &Shape, is_addressed: bool) -> Layout {
        let (partition, stored): (Vec<_>, Vec<_>) =
            shape.table.fields().iter().cloned().partition(|field| shape.partition_columns.contains(field.name()));
        let address = is_addressed.then(hidden_fields).map(|[file, row]| Address { file, row });
        let hidden = address.iter().flat_map(|address| [&address.file, &address.row]);
        let schema = Arc::new(Schema::new(stored.iter().chain(&partition).chain(hidden).cloned().collect::<Vec<_>>()));
        Layout { stored, partition, address, schema }
    }

    fn table_schema(&self) -> TableSchema {
        let of_a_file = self.partition.iter().chain(self.address.iter().map(|address| &address.file));
        let made = self.address.iter().map(|address| address.row.clone()).collect::<Vec<_>>();
        TableSchema::builder(Arc::new(Schema::new(self.stored.clone())))
            .with_table_partition_cols(of_a_file.cloned().collect::<Vec<_>>())
            .with_virtual_columns(made)
            .build()
    }

    /// Where the wanted columns stand here, in the wanted order.
    fn projection(&self, table: &Schema, wanted: Option<&Vec<usize>>) -> Result<Vec<usize>> {
        let columns = table.fields().len();
        let all = || (0..self.schema.fields().len()).collect();
        let place = |index: usize| match index < columns {
            true => Ok(self.schema.index_of(table.field(index).name())?),
            false => Ok(index),
        };
        wanted.cloned().unwrap_or_else(all).into_iter().map(place).collect()
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
pub fn row_count(rows: u64, files_without: u64) -> Precision<usize> {
    match files_without {
        0 => Precision::Exact(rows as usize),
        _ => Precision::Absent,
    }
}
