//! A batch of raw records, in columns from the first moment: the payloads stand in one buffer.

use arrow::array::{
    Array, ArrayRef, BinaryArray, BinaryBuilder, StringArray, StringBuilder, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};

use crate::model::Position;

/// Records as they came, not decoded. The four arrays have one length.
#[derive(Debug, Clone)]
pub struct Records {
    /// The bytes of each record. Never null; may be empty.
    pub payload: BinaryArray,
    /// The position right after each record: the column `_offset`.
    pub offset: StringArray,
    /// When the service took the record in, UTC: the column `_arrival_time`.
    pub arrival_time: TimestampMicrosecondArray,
    /// The partition key or message key, if there is one: the column `_key`.
    pub key: BinaryArray,
}

impl Records {
    pub fn len(&self) -> usize {
        self.payload.len()
    }

    pub fn is_empty(&self) -> bool {
        self.payload.is_empty()
    }

    /// Payload bytes.
    pub fn bytes(&self) -> usize {
        let ends = self.payload.value_offsets();
        (ends[ends.len() - 1] - ends[0]) as usize
    }

    pub fn slice(&self, start: usize, len: usize) -> Records {
        Records {
            payload: self.payload.slice(start, len),
            offset: self.offset.slice(start, len),
            arrival_time: self.arrival_time.slice(start, len),
            key: self.key.slice(start, len),
        }
    }
}

#[derive(Default)]
pub struct RecordsBuilder {
    payload: BinaryBuilder,
    offset: StringBuilder,
    arrival_time: TimestampMicrosecondBuilder,
    key: BinaryBuilder,
}

impl RecordsBuilder {
    pub fn push(&mut self, payload: &[u8], offset: &Position, arrival_micros: i64, key: Option<&[u8]>) {
        self.payload.append_value(payload);
        self.offset.append_value(offset.as_str());
        self.arrival_time.append_value(arrival_micros);
        self.key.append_option(key);
    }

    pub fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        self.payload.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn finish(mut self) -> Records {
        Records {
            payload: self.payload.finish(),
            offset: self.offset.finish(),
            arrival_time: self.arrival_time.finish().with_timezone("UTC"),
            key: self.key.finish(),
        }
    }
}

impl Records {
    /// The columns that every source has beside those of its data, in this order: `_offset`, `_arrival_time`, `_key`.
    pub fn metadata_columns(&self) -> [ArrayRef; 3] {
        [std::sync::Arc::new(self.offset.clone()), std::sync::Arc::new(self.arrival_time.clone()), std::sync::Arc::new(self.key.clone())]
    }
}
