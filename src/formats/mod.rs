//! Bytes ↔ Arrow. A decoder turns raw records into columns, tolerates drift, and says what it could not read.

pub mod json;
pub mod records;

use arrow::array::RecordBatch;

use crate::model::SourceColumn;

pub use records::{Records, RecordsBuilder};

/// What a decoder made of a batch of records.
pub struct Decoded {
    /// How many of the records this is about, from the first on. The others would have been too much for one batch; they want another call.
    pub taken: usize,
    /// Has exactly the columns asked for plus `found`, in that order. The rows are in the records' order.
    pub batch: RecordBatch,
    /// For each row of `batch`, the index of the record it came in: of a record that holds several, there are several rows. Of one that is in
    /// `rejects` as a whole there are none.
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
    /// What of it is rejected, if it holds several and others are rows. `None`: all of it.
    pub part: Option<Box<[u8]>>,
    /// Why, in one line: `column "tenant_id" is bigint, the record has text "abc"`.
    pub reason: String,
    /// The reason without what differs from record to record: `does not fit column "tenant_id"`.
    pub kind: String,
}
