//! How far the times of a source have come: its watermark.
//!
//! The newest time of all its records, less the lateness that its owner allows for. A partition that still has records from before would be
//! left behind by the others, so while it works through them its own newest time counts. Nor does a record with a time to come push the
//! watermark past the clock.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{cast, max};
use arrow::datatypes::{DataType, Int64Type};

use crate::error::Result;
use crate::model::PartitionId;

/// The end of the year 9999: when nothing will ever come.
const END_OF_TIME_MICROS: i64 = 253_402_300_799_999_999;

pub struct Times {
    /// Of the relation.
    column: usize,
    lateness_micros: i64,
    /// By partition, the newest time.
    newest: HashMap<PartitionId, i64>,
}

/// Where the partitions of a source stand.
pub enum Backlog {
    /// These still have records from before.
    Of(Vec<PartitionId>),
    /// All have ended.
    Ended,
}

impl Times {
    pub fn new(column: usize, lateness_micros: i64) -> Times {
        Times { column, lateness_micros, newest: HashMap::new() }
    }

    /// Looks at rows of a partition.
    pub fn see(&mut self, partition: &PartitionId, rows: &RecordBatch) -> Result<()> {
        let times = cast(rows.column(self.column), &DataType::Int64)?;
        if let Some(newest) = max(times.as_primitive::<Int64Type>()).filter(|_| !times.is_empty()) {
            let known = self.newest.entry(partition.clone()).or_insert(newest);
            *known = newest.max(*known);
        }
        Ok(())
    }

    /// The watermark, if there is one yet.
    pub fn watermark(&self, backlog: &Backlog, now_micros: i64) -> Option<i64> {
        let waiting = match backlog {
            Backlog::Ended => return Some(END_OF_TIME_MICROS),
            Backlog::Of(waiting) => waiting,
        };
        let newest = self.newest.values().copied().max()?;
        let held = waiting.iter().map(|partition| self.newest.get(partition).copied()).collect::<Option<Vec<_>>>()?;
        let reached = held.into_iter().min().map_or(newest, |held| held.min(newest));
        Some(reached.min(now_micros) - self.lateness_micros)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, TimestampMicrosecondArray};

    use super::*;

    fn see(times: &mut Times, partition: &str, micros: &[Option<i64>]) {
        let column = Arc::new(TimestampMicrosecondArray::from(micros.to_vec()).with_timezone("UTC")) as ArrayRef;
        times.see(&PartitionId::new(partition), &RecordBatch::try_from_iter_with_nullable([("t", column, true)]).unwrap()).unwrap();
    }

    fn of(partitions: &[&str]) -> Backlog {
        Backlog::Of(partitions.iter().map(|partition| PartitionId::new(*partition)).collect())
    }

    #[test]
    fn a_partition_with_a_backlog_holds_the_others() {
        let mut times = Times::new(0, 10);
        assert_eq!(times.watermark(&of(&[]), 1000), None);
        see(&mut times, "a", &[Some(100), None, Some(90)]);
        assert_eq!(times.watermark(&of(&[]), 1000), Some(90));
        assert_eq!(times.watermark(&of(&["b"]), 1000), None);
        see(&mut times, "b", &[Some(50)]);
        assert_eq!(times.watermark(&of(&["b"]), 1000), Some(40));
        assert_eq!(times.watermark(&of(&[]), 1000), Some(90));
    }

    #[test]
    fn a_time_to_come_does_not_push_it_past_the_clock() {
        let mut times = Times::new(0, 10);
        see(&mut times, "a", &[Some(5000), None]);
        assert_eq!(times.watermark(&of(&[]), 1000), Some(990));
        assert_eq!(times.watermark(&Backlog::Ended, 1000), Some(END_OF_TIME_MICROS));
    }
}
