//! Bytes ↔ Arrow. A decoder turns raw records into columns, tolerates drift, and says what it could not read.

pub mod json;
pub mod records;

use arrow::array::RecordBatch;

use crate::model::SourceColumn;

pub use records::{Records, RecordsBuilder};

/// What a decoder made of a batch of records.
pub struct Decoded {
    /// Has exactly the columns asked for plus `found`, in that order; one row per record that is not in `rejects`, in the records' order.
    pub batch: RecordBatch,
    /// For each row of `batch`, the index of its record.
    pub rows: Vec<u32>,
    /// Columns that these records have and that were not known, in the order they appeared.
    pub found: Vec<SourceColumn>,
    /// Records that cannot be read, in their order.
    pub rejects: Vec<Reject>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// The index of the record.
    pub record: u32,
    /// Why, in one line: `column "tenant_id" is bigint, the record has text "abc"`.
    pub reason: String,
}
