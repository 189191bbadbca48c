//! `lakewire.rejects`: the records that no job could read, as a Delta table of the lake. Every record of a job's input is in the job's output
//! or here, once.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::feed::FeedBatch;
use crate::error::Result;
use crate::model::{Name, SqlType};

/// Where it stands in the lake.
pub const LOCATION: &str = "_lakewire/tables/rejects";

pub fn schema() -> SchemaRef {
    let columns = [
        ("pipeline", SqlType::Text),
        ("source", SqlType::Text),
        ("partition", SqlType::Text),
        ("offset", SqlType::Text),
        ("time", SqlType::TimestampTz),
        ("reason", SqlType::Text),
        ("bytes", SqlType::Bytea),
    ];
    Arc::new(Schema::new(columns.map(|(name, data_type)| data_type.to_field(name, true)).to_vec()))
}

pub fn fields() -> Vec<Field> {
    schema().fields().iter().map(|field| field.as_ref().clone()).collect()
}

/// The rejects of one batch as rows. `time` is when the record arrived.
pub fn rows(pipeline: &Name, source: &Name, batch: &FeedBatch) -> Result<RecordBatch> {
    let rejects = &batch.rejects;
    let repeat = |text: &str| Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rejects.len()))) as ArrayRef;
    let columns = vec![
        repeat(pipeline.as_str()),
        repeat(source.as_str()),
        repeat(batch.partition.as_str()),
        Arc::new(StringArray::from_iter_values(rejects.iter().map(|reject| reject.offset.as_str()))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(rejects.iter().map(|reject| reject.arrival_micros)).with_timezone("UTC")),
        Arc::new(StringArray::from_iter_values(rejects.iter().map(|reject| reject.reason.as_str()))),
        Arc::new(BinaryArray::from_iter_values(rejects.iter().map(|reject| reject.payload.as_slice()))),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
