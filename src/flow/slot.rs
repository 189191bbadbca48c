//! The leaf of a plan that is made once and run again and again: it gives whatever batch lies in it.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use parking_lot::Mutex;

#[derive(Debug)]
pub struct Slot {
    schema: SchemaRef,
    rows: Mutex<Option<RecordBatch>>,
}

impl Slot {
    pub fn new(schema: SchemaRef) -> Arc<Slot> {
        Arc::new(Slot { schema, rows: Mutex::new(None) })
    }

    pub fn fill(&self, rows: Option<RecordBatch>) {
        *self.rows.lock() = rows;
    }
}

impl PartitionStream for Slot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _task: Arc<TaskContext>) -> SendableRecordBatchStream {
        // A slot may stand in several branches: each sees all of the batch.
        let rows = self.rows.lock().clone();
        let stream = futures::stream::iter(rows.into_iter().map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream))
    }
}
