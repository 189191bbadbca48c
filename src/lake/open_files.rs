//! The data files of a writer that are not finished: one per partition value, and not more of them than memory has room for.
//!
//! An open file has buffers for each of its columns, however few rows it gets. So the values that come first get the open files, and the
//! rows of others wait. When much waits, the open files are finished, and what waits is written value by value.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::compute::{SortColumn, concat_batches, filter_record_batch, lexsort_to_indices, not, partition, take_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::row::{RowConverter, SortField};
use deltalake::datafile::writer::{DeltaWriter, WriterConfig};
use deltalake::kernel::Add;
use object_store::ObjectStore;

use crate::error::Result;

/// Columns of all open files. The dictionary of each takes about 72 KB.
const OPEN_COLUMNS_MAX: usize = 2048;
/// Of a table with very many columns.
const OPEN_FILES_MIN: usize = 4;
/// Arrow bytes that the open files have taken in before all are finished. Encoded they are less.
const OPEN_BYTES_MAX: usize = 1 << 30;
/// Arrow bytes of rows that wait.
const WAITING_BYTES_MAX: usize = 64 << 20;

pub struct OpenFiles {
    store: Arc<dyn ObjectStore>,
    config: WriterConfig,
    writer: DeltaWriter,
    /// Of a table without partitions there is one file at a time, which the writer limits by itself.
    values: Option<Values>,
    open_bytes: usize,
    waiting: Vec<RecordBatch>,
    waiting_bytes: usize,
    finished: Vec<Add>,
}

/// The partition values that rows have come with.
struct Values {
    columns: Vec<usize>,
    converter: RowConverter,
    open: HashSet<Box<[u8]>>,
    open_max: usize,
    waiting: HashSet<Box<[u8]>>,
}

impl OpenFiles {
    pub fn new(store: Arc<dyn ObjectStore>, config: WriterConfig, schema: &SchemaRef, partition_columns: &[String]) -> Result<OpenFiles> {
        let values = match partition_columns.is_empty() {
            true => None,
            false => Some(Values::new(schema, partition_columns)?),
        };
        let writer = DeltaWriter::new(store.clone(), config.clone());
        Ok(OpenFiles { store, config, writer, values, open_bytes: 0, waiting: vec![], waiting_bytes: 0, finished: vec![] })
    }

    /// After an error they are to be aborted.
    pub async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let Some(values) = &mut self.values else { return Ok(self.writer.write(batch).await?) };
        let has_file = values.admit(batch)?;
        if has_file.true_count() == batch.num_rows() {
            return self.write_open(batch).await;
        }
        let later = filter_record_batch(batch, &not(&has_file)?)?;
        self.waiting_bytes += bytes_of(&later);
        self.waiting.push(later);
        self.write_open(&filter_record_batch(batch, &has_file)?).await?;
        match self.waiting_bytes >= WAITING_BYTES_MAX {
            true => self.write_waiting().await,
            false => Ok(()),
        }
    }

    /// So many files there are or will be.
    pub fn count(&self) -> usize {
        self.finished.len() + self.values.as_ref().map_or(1, |values| values.open.len() + values.waiting.len())
    }

    /// Finishes all. After an error some may exist.
    pub async fn close(mut self) -> Result<Vec<Add>> {
        if let Err(error) = self.write_waiting().await {
            self.abort().await;
            return Err(error);
        }
        self.finished.extend(self.writer.close().await?);
        Ok(self.finished)
    }

    /// Gives up those that are not finished.
    pub async fn abort(self) {
        if let Err(error) = self.writer.abort().await {
            tracing::warn!(%error, "an unfinished upload could not be given up");
        }
    }

    /// Rows that all have an open file, or get one now.
    async fn write_open(&mut self, batch: &RecordBatch) -> Result<()> {
        Box::pin(self.writer.write(batch)).await?;
        self.open_bytes += bytes_of(batch);
        match self.open_bytes >= OPEN_BYTES_MAX {
            true => self.finish_open().await,
            false => Ok(()),
        }
    }

    async fn finish_open(&mut self) -> Result<()> {
        let next = DeltaWriter::new(self.store.clone(), self.config.clone());
        let full = std::mem::replace(&mut self.writer, next);
        self.open_bytes = 0;
        if let Some(values) = &mut self.values {
            values.open.clear();
        }
        self.finished.extend(Box::pin(full.close()).await?);
        Ok(())
    }

    /// The last of the files stay open.
    async fn write_waiting(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        for group in self.values.as_mut().map_or(Ok(vec![]), |values| values.take_waiting(waiting))? {
            self.finish_open().await?;
            if let Some(values) = &mut self.values {
                values.admit(&group)?;
            }
            self.write_open(&group).await?;
        }
        Ok(())
    }
}

/// Of what it shares with other batches its own part.
pub fn bytes_of(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| column.to_data().get_slice_memory_size().unwrap_or(0)).sum()
}

impl Values {
    fn new(schema: &Schema, partition_columns: &[String]) -> Result<Values> {
        let columns = partition_columns.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<_>, _>>()?;
        let fields = columns.iter().map(|column| SortField::new(schema.field(*column).data_type().clone())).collect();
        let open_max = (OPEN_COLUMNS_MAX / schema.flattened_fields().len().max(1)).max(OPEN_FILES_MIN);
        Ok(Values { columns, converter: RowConverter::new(fields)?, open: HashSet::new(), open_max, waiting: HashSet::new() })
    }

    /// Opens files for the batch's values as long as there is room. Gives the rows that have one.
    fn admit(&mut self, batch: &RecordBatch) -> Result<BooleanArray> {
        let values = self.converter.convert_columns(&self.of(batch))?;
        let mut has_file = Vec::with_capacity(values.num_rows());
        for row in 0..values.num_rows() {
            let is_repeated = row > 0 && values.row(row) == values.row(row - 1);
            has_file.push(if is_repeated { has_file[row - 1] } else { self.admit_value(values.row(row).data()) });
        }
        Ok(BooleanArray::from(has_file))
    }

    fn admit_value(&mut self, value: &[u8]) -> bool {
        if self.open.contains(value) {
            return true;
        }
        let has_room = self.open.len() < self.open_max;
        let values = if has_room { &mut self.open } else { &mut self.waiting };
        if !values.contains(value) {
            values.insert(value.into());
        }
        has_room
    }

    /// The rows sorted by their values, in groups that have as many values as files may be open.
    fn take_waiting(&mut self, batches: Vec<RecordBatch>) -> Result<Vec<RecordBatch>> {
        self.waiting.clear();
        let Some(first) = batches.first() else { return Ok(vec![]) };
        let rows = concat_batches(first.schema_ref(), &batches)?;
        drop(batches);
        let keys = self.of(&rows).into_iter().map(|values| SortColumn { values, options: None }).collect::<Vec<_>>();
        let sorted = take_record_batch(&rows, &lexsort_to_indices(&keys, None)?)?;
        let ranges = partition(&self.of(&sorted))?.ranges();
        let groups = ranges.chunks(self.open_max).map(|group| {
            let start = group[0].start;
            sorted.slice(start, group[group.len() - 1].end - start)
        });
        Ok(groups.collect())
    }

    /// The partition columns.
    fn of(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        self.columns.iter().map(|column| batch.column(*column).clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use arrow::array::Int64Array;
    use arrow::datatypes::{DataType, Field};
    use object_store::memory::InMemory;
    use serde_json::Value;

    use super::*;

    const VALUES: i64 = 10_000;

    fn open() -> OpenFiles {
        let column = |name: &str| Field::new(name, DataType::Int64, true);
        let schema = Arc::new(Schema::new(vec![column("id"), column("kind")]));
        let partition_columns = ["kind".to_string()];
        let config = WriterConfig::new(schema.clone(), partition_columns.to_vec(), None, None, None, Default::default(), None);
        OpenFiles::new(Arc::new(InMemory::new()), config, &schema, &partition_columns).unwrap()
    }

    /// A row of each value.
    fn round(nth: i64) -> RecordBatch {
        let column = |from: i64| Arc::new(Int64Array::from_iter_values(from..from + VALUES)) as ArrayRef;
        RecordBatch::try_from_iter([("id", column(nth * VALUES)), ("kind", column(0))]).unwrap()
    }

    /// How many rows each value has, with the sum of the lowest and the highest id.
    fn rows(files: &[Add]) -> BTreeMap<i64, (i64, i64)> {
        let mut rows = BTreeMap::<i64, (i64, i64)>::new();
        for file in files {
            let statistics: Value = serde_json::from_str(file.stats.as_deref().unwrap()).unwrap();
            let ids = ["minValues", "maxValues"].map(|end| statistics[end]["id"].as_i64().unwrap());
            let kind = file.partition_values["kind"].as_deref().unwrap().parse().unwrap();
            let of_kind = rows.entry(kind).or_default();
            *of_kind = (of_kind.0 + statistics["numRecords"].as_i64().unwrap(), of_kind.1 + ids[0] + ids[1]);
        }
        rows
    }

    #[tokio::test]
    async fn few_files_are_open_for_many_values() {
        let mut files = open();
        let open_max = OPEN_COLUMNS_MAX / 2;
        for nth in 0..2 {
            files.write(&round(nth)).await.unwrap();
            assert_eq!(files.values.as_ref().unwrap().open.len(), open_max);
            assert_eq!(files.count(), VALUES as usize);
        }
        // As if much waited. The last of it stays open.
        files.write_waiting().await.unwrap();
        let (open, finished) = (files.values.as_ref().unwrap().open.len(), files.finished.len());
        assert!((1..=open_max).contains(&open), "{open}");
        assert_eq!(open + finished, VALUES as usize);

        let finished = files.close().await.unwrap();
        assert_eq!(finished.len(), VALUES as usize, "each value has one file");
        let expected = (0..VALUES).map(|kind| (kind, (2, kind + VALUES + kind))).collect();
        assert_eq!(rows(&finished), expected);
    }

    #[tokio::test]
    async fn a_table_without_partitions_has_one_file() {
        let batch = round(0);
        let config = WriterConfig::new(batch.schema(), vec![], None, None, None, Default::default(), None);
        let mut files = OpenFiles::new(Arc::new(InMemory::new()), config, &batch.schema(), &[]).unwrap();
        files.write(&batch).await.unwrap();
        files.write(&batch).await.unwrap();
        assert_eq!(files.close().await.unwrap().len(), 1);
    }
}
