//! A look at a source: its most recent records, as rows. For seeing what unknown JSON holds; a bounded sample, never the whole stream.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::{concat_batches, take};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use tokio::time::{Instant, timeout_at};

use super::QueryServices;
use crate::catalog::{Definition, Object, SourceDef};
use crate::error::{Error, Result};
use crate::flow::compile::{METADATA_COLUMNS, metadata_field};
use crate::formats::json::JsonDecoder;
use crate::model::options::Start;
use crate::model::{PartitionId, Positions, SourceColumn, column};
use crate::sources::{self, Records, Source};

/// How many records of each partition a look takes.
pub const SAMPLE_RECORDS_MAX: usize = 1000;
/// How many partitions a look takes them from.
const SAMPLE_PARTITIONS_MAX: usize = 16;
/// How long it waits for all of them together.
pub const SAMPLE_TIME_MAX: Duration = Duration::from_secs(3);

/// Where a look begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// At the oldest records there are: for finding columns, so that the same ones are found again.
    Oldest,
    Recent,
}

/// Some records of a source, by partition: at most `SAMPLE_RECORDS_MAX` of each, and what comes within `SAMPLE_TIME_MAX`.
pub async fn sample(source: &dyn Source, look: Look) -> Result<Vec<(PartitionId, Records)>> {
    let nothing_known = Positions::new();
    let deadline = Instant::now() + SAMPLE_TIME_MAX;
    let mut partitions = source.partitions(&nothing_known).await?;
    partitions.truncate(SAMPLE_PARTITIONS_MAX);
    let samples = partitions.into_iter().map(|partition| async move {
        let from = match look {
            Look::Oldest => source.start(&partition.id, Start::Earliest, &Positions::new()).await?,
            Look::Recent => source.recent(&partition.id).await?,
        };
        let mut reader = source.read(&partition.id, &from).await?;
        let mut taken: Vec<Records> = vec![];
        let mut count = 0;
        while count < SAMPLE_RECORDS_MAX {
            let Ok(batch) = timeout_at(deadline, reader.next()).await else { break };
            let batch = batch?;
            let records = batch.records.slice(0, batch.records.len().min(SAMPLE_RECORDS_MAX - count));
            count += records.len();
            let is_at_end =
                batch.ended || (records.is_empty() && (batch.behind.records == Some(0) || batch.behind.milliseconds == Some(0)));
            if !records.is_empty() {
                taken.push(records);
            }
            if is_at_end {
                break;
            }
        }
        Ok::<_, Error>(taken.into_iter().map(|records| (partition.id.clone(), records)).collect::<Vec<_>>())
    });
    Ok(futures::future::try_join_all(samples).await?.into_iter().flatten().collect())
}

/// A source as a relation. Its columns are those that are known when the query is planned.
pub struct Peek {
    object: Object,
    columns: Arc<Vec<SourceColumn>>,
    schema: SchemaRef,
    services: Arc<QueryServices>,
}

impl Peek {
    pub fn new(object: Object, services: Arc<QueryServices>) -> Peek {
        let columns = match (services.flow.feeds.columns(object.id), &object.definition) {
            (Some(live), _) => live.current(),
            (None, Definition::Source(source)) => Arc::new(source.columns.clone()),
            (None, _) => Arc::default(),
        };
        let metadata = METADATA_COLUMNS.iter().map(|name| Arc::new(metadata_field(name)));
        let fields = column::to_arrow_schema(&columns).fields().iter().cloned().chain(metadata).collect::<Vec<_>>();
        Peek { object, columns, schema: Arc::new(Schema::new(fields)), services }
    }

    /// The columns without those that only appear when they are named.
    pub fn data_schema(&self) -> SchemaRef {
        column::to_arrow_schema(&self.columns)
    }

    async fn rows(&self) -> Result<RecordBatch> {
        let Definition::Source(definition) = &self.object.definition else {
            return Err(Error::internal(format!("\"{}\" is not a source", self.object.name)));
        };
        let options = definition.options.reveal(|secret| self.services.flow.catalog.secret(secret))?;
        let source = sources::connector(&definition.connector)?.open(options, self.services.flow.clock.clone()).await?;
        let samples = sample(source.as_ref(), Look::Recent).await?;
        let batches = samples.iter().map(|(partition, records)| self.decode(definition, partition, records)).collect::<Result<Vec<_>>>()?;
        Ok(concat_batches(&self.schema, &batches)?)
    }

    fn decode(&self, definition: &SourceDef, partition: &PartitionId, records: &Records) -> Result<RecordBatch> {
        let mut decoder = JsonDecoder::new(&self.columns, definition.mode, definition.flatten);
        // Of records that are packed, those that make a batch: they are a sample too.
        let decoded = decoder.decode(records)?;
        let rows = arrow::array::UInt32Array::from(decoded.rows);
        let mut arrays: Vec<ArrayRef> = decoded.batch.columns()[..self.columns.len()].to_vec();
        arrays.push(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(partition.as_str(), rows.len()))));
        for metadata in records.metadata_columns() {
            arrays.push(take(&metadata, &rows, None)?);
        }
        Ok(RecordBatch::try_new(self.schema.clone(), arrays)?)
    }
}

#[async_trait]
impl TableProvider for Peek {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let rows = self.rows().await?;
        Ok(MemorySourceConfig::try_new_exec(&[vec![rows]], self.schema.clone(), projection.cloned())?)
    }
}

impl fmt::Debug for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Peek({})", self.object.name)
    }
}
