//! `AddressedTable`: a version of a table whose rows also say where they stand, so that they can be changed there.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::scalar::ScalarValue;
use parking_lot::Mutex;
use parquet::arrow::RowNumber;

use super::plain::{PlainScan, Wanted};
use super::select;
use crate::error::Error;
use crate::lake::file_list::Chunk;
use crate::lake::rewrite::DataFile;
use crate::lake::snapshot::Snapshot;
use crate::lake::table::Table;

/// The column with the number of the file a row is in.
pub const FILE: &str = "__lakewire_file";
/// The column with the number of the row in its file, from 0.
pub const ROW: &str = "__lakewire_row";

/// The columns of the table, then `FILE` and `ROW`.
#[derive(Debug)]
pub struct AddressedTable {
    table: Arc<Table>,
    snapshot: Arc<Snapshot>,
    addresses: Addresses,
    schema: SchemaRef,
}

/// The files that scans have numbered.
#[derive(Debug, Default)]
pub struct Addresses(Mutex<Vec<DataFile>>);

impl AddressedTable {
    /// Errors: `Unsupported` if the files cannot be read row by row: deletion vectors, column mapping.
    pub fn new(table: Arc<Table>, snapshot: Arc<Snapshot>) -> crate::error::Result<AddressedTable> {
        snapshot.check_rewritable()?;
        if !snapshot.reads_plainly() {
            return Err(Error::unsupported("cannot change rows of this table")
                .with_detail("it has deletion vectors, column mapping or a reader feature that is not known")
                .with_hint("another engine made the table so; it can be read, and changed by that engine"));
        }
        let schema = Arc::new(Schema::new(snapshot.schema().fields().iter().cloned().chain(hidden_fields()).collect::<Vec<_>>()));
        Ok(AddressedTable { table, snapshot, addresses: Addresses::default(), schema })
    }

    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The file that a scan has given this number.
    pub fn file(&self, number: i64) -> Option<DataFile> {
        self.addresses.0.lock().get(usize::try_from(number).ok()?).cloned()
    }

    /// The files of the rows for which all filters hold, if what the log knows tells exactly these, and how many rows they have.
    pub fn files_of_exactly(&self, filters: &[Expr], state: &dyn Session) -> Result<Option<Vec<DataFile>>> {
        if !filters.iter().all(|filter| select::is_exact(filter, self.snapshot.files().shape())) {
            return Ok(None);
        }
        let chunks = select::files(&self.snapshot, filters, state)?;
        if chunks.iter().any(|chunk| chunk.totals().files_without_row_count > 0) {
            return Ok(None);
        }
        Ok(Some(chunks.iter().flat_map(|chunk| (0..chunk.len()).map(|file| DataFile::new(chunk, file))).collect()))
    }
}

/// `FILE` and `ROW`. The Parquet reader knows the latter by its extension type.
pub fn hidden_fields() -> [Arc<Field>; 2] {
    let row = Field::new(ROW, DataType::Int64, true).with_extension_type(RowNumber);
    [Arc::new(Field::new(FILE, DataType::Int64, false)), Arc::new(row)]
}

impl Addresses {
    pub fn number(&self, chunk: &Chunk, file: usize) -> ScalarValue {
        let mut files = self.0.lock();
        files.push(DataFile::new(chunk, file));
        ScalarValue::Int64(Some(files.len() as i64 - 1))
    }
}

#[async_trait]
impl TableProvider for AddressedTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let shape = self.snapshot.files().shape();
        let is_about_address = |filter: &Expr| filter.column_refs().iter().any(|column| column.name == FILE || column.name == ROW);
        let support = |filter: &&Expr| match select::is_exact(filter, shape) {
            true => TableProviderFilterPushDown::Exact,
            false if is_about_address(filter) => TableProviderFilterPushDown::Unsupported,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(support).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.place.register(state.runtime_env());
        let chunks = select::files(&self.snapshot, filters, state)?;
        let scan = PlainScan { table: &self.table, shape: self.snapshot.files().shape(), addresses: Some(&self.addresses) };
        let wanted = Wanted { projection, filters, limit, partitions: state.config().target_partitions() };
        scan.of_chunks(&chunks, state, &wanted)
    }
}
