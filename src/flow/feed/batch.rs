//! A decoded stretch of a partition, as the shared reader hands it to jobs.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringArray, UInt32Array};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{max, min, take};

use crate::error::Result;
use crate::formats::Decoded;
use crate::model::{PartitionId, Position};
use crate::sources::{Records, Source};

/// All records after `start` up to `end`: rows, or rejects.
pub struct FeedBatch {
    pub partition: PartitionId,
    pub start: Position,
    pub end: Position,
    /// The source's columns, as many as were known when it was decoded.
    pub rows: RecordBatch,
    /// `_offset`, `_arrival_time` and `_key` of each row.
    pub metadata: [ArrayRef; 3],
    pub rejects: Vec<Rejected>,
    /// Payload bytes of the records.
    pub payload_bytes: usize,
    /// The offset of each record, read or rejected, and where its payload ended in the batch it came in.
    offsets: StringArray,
    payload_ends: OffsetBuffer<i32>,
    /// When its first record arrived, and its last. `None` without records.
    pub(super) arrived_micros: Option<(i64, i64)>,
    /// What this takes in memory.
    pub(super) bytes: usize,
}

/// A record that could not be decoded, or one of several that came as one.
#[derive(Debug, Clone)]
pub struct Rejected {
    pub offset: Position,
    pub arrival_micros: i64,
    pub reason: String,
    /// The reason without what differs from record to record.
    pub kind: String,
    pub payload: Vec<u8>,
}

impl FeedBatch {
    /// `records` are those that `decoded` is about.
    pub(super) fn new(partition: PartitionId, start: Position, end: Position, records: &Records, decoded: Decoded) -> Result<FeedBatch> {
        let mut metadata = records.metadata_columns();
        let rejects: Vec<_> = decoded
            .rejects
            .into_iter()
            .map(|reject| {
                let record = reject.record as usize;
                Rejected {
                    offset: Position::new(records.offset.value(record)),
                    arrival_micros: records.arrival_time.value(record),
                    reason: reject.reason,
                    kind: reject.kind,
                    payload: reject.part.map_or_else(|| records.payload.value(record).to_vec(), Vec::from),
                }
            })
            .collect();
        if !rejects.is_empty() || decoded.rows.len() != records.len() {
            let rows = UInt32Array::from(decoded.rows);
            for column in &mut metadata {
                *column = take(column, &rows, None)?;
            }
        }
        let metadata_bytes: usize = metadata.iter().map(|column| column.get_array_memory_size()).sum();
        let reject_bytes: usize = rejects.iter().map(|reject| reject.payload.len() + reject.reason.len()).sum();
        Ok(FeedBatch {
            partition,
            start,
            end,
            bytes: decoded.batch.get_array_memory_size() + metadata_bytes + reject_bytes,
            rows: decoded.batch,
            metadata,
            rejects,
            payload_bytes: records.bytes(),
            arrived_micros: min(&records.arrival_time).zip(max(&records.arrival_time)),
            offsets: records.offset.clone(),
            payload_ends: records.payload.offsets().clone(),
        })
    }

    /// Rows as if they had been read from partition `p`, from position 0 on.
    #[cfg(test)]
    pub fn of_rows(rows: RecordBatch) -> FeedBatch {
        let count = rows.num_rows();
        let mut records = crate::formats::records::RecordsBuilder::default();
        for row in 0..count {
            records.push(b"", &Position::new((row + 1).to_string()), row as i64, Some(b"k"));
        }
        let records = records.finish();
        let metadata = records.metadata_columns();
        let partition = PartitionId::new("p");
        let (start, end) = (Position::new("0"), Position::new(count.to_string()));
        let (offsets, payload_ends) = (records.offset.clone(), records.payload.offsets().clone());
        FeedBatch {
            partition,
            start,
            end,
            rows,
            metadata,
            rejects: vec![],
            payload_bytes: 0,
            arrived_micros: None,
            offsets,
            payload_ends,
            bytes: 0,
        }
    }

    /// Whether reading this brings a job any further.
    pub(super) fn advances(&self) -> bool {
        self.start != self.end || self.rows.num_rows() > 0 || !self.rejects.is_empty()
    }

    /// The offset of its first record. Not all positions before it are places in what the lane has: "from this time on" may be any.
    pub(super) fn first_offset(&self) -> Option<Position> {
        (!self.offsets.is_empty()).then(|| Position::new(self.offsets.value(0)))
    }

    /// What comes after `position`, which lies within.
    pub(super) fn after(&self, position: &Position, source: &dyn Source) -> FeedBatch {
        let is_later = |offset: &Position| source.compare(offset, position) == Ordering::Greater;
        let offsets = self.metadata[0].as_string::<i32>();
        let first = (0..offsets.len()).find(|row| is_later(&Position::new(offsets.value(*row)))).unwrap_or(offsets.len());
        let left = offsets.len() - first;
        let passed = (0..self.offsets.len()).take_while(|record| !is_later(&Position::new(self.offsets.value(*record)))).count();
        let payload_ends = self.payload_ends.slice(passed, self.offsets.len() - passed);
        FeedBatch {
            partition: self.partition.clone(),
            start: position.clone(),
            end: self.end.clone(),
            rows: self.rows.slice(first, left),
            metadata: self.metadata.each_ref().map(|column| column.slice(first, left)),
            rejects: self.rejects.iter().filter(|reject| is_later(&reject.offset)).cloned().collect(),
            payload_bytes: (payload_ends[payload_ends.len() - 1] - payload_ends[0]) as usize,
            offsets: self.offsets.slice(passed, self.offsets.len() - passed),
            payload_ends,
            arrived_micros: self.arrived_micros,
            bytes: self.bytes,
        }
    }
}
