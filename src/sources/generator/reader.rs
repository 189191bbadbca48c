//! Reads one partition of a generator.

use async_trait::async_trait;

use super::connector::{Plan, position};
use super::pacer::Pacer;
use super::recipe::Recipe;
use super::record::Record;
use crate::clock::Clock;
use crate::error::Result;
use crate::sources::{Batch, Behind, PartitionReader, RecordsBuilder};

const BATCH_RECORDS_MAX: usize = 4096;
/// No record has this number or a higher one.
const END_OF_NUMBERS: u64 = u64::MAX;

pub struct GeneratorReader {
    recipe: Recipe,
    clock: Clock,
    /// None: everything is due at once.
    pacer: Option<Pacer>,
    rows: Option<u64>,
    /// How many records of the whole dataset are passed.
    passed: u64,
    index: u64,
    partitions: u64,
    record: Record,
}

impl GeneratorReader {
    /// Reads partition `index` of the plan after the first `passed` records of the whole dataset.
    pub fn new(plan: &Plan, clock: Clock, index: u64, passed: u64) -> GeneratorReader {
        let pacer = plan.rate.map(|rate| Pacer::new(clock.clone(), rate, passed));
        let (recipe, rows, partitions) = (plan.recipe, plan.rows, plan.partitions);
        GeneratorReader { recipe, clock, pacer, rows, passed, index, partitions, record: Record::default() }
    }

    /// Waits until a record is due, but not for long, and returns the first number that is not due.
    async fn wait_until_due(&mut self) -> u64 {
        let (next, end) = (self.next_number(), self.end());
        match &mut self.pacer {
            Some(pacer) if next < end => pacer.wait(next).await.min(end),
            _ => end,
        }
    }

    fn read_until(&mut self, limit: u64) -> Batch {
        let mut records = RecordsBuilder::default();
        let arrival_micros = self.clock.now_micros();
        let mut number = self.next_number();
        while number < limit && records.len() < BATCH_RECORDS_MAX {
            self.recipe.make(number, &mut self.record);
            self.passed = number + 1;
            records.push(&self.record.payload, &position(self.passed), arrival_micros, Some(&self.record.key));
            number = number.saturating_add(self.partitions);
        }
        Batch { records: records.finish(), next: position(self.passed), behind: self.behind(number, limit), ended: number >= self.end() }
    }

    /// Of an endless generator without a rate nobody can say how far its end is.
    fn behind(&self, next: u64, limit: u64) -> Behind {
        let left = limit.saturating_sub(next);
        match (&self.pacer, self.rows) {
            (None, None) => Behind::default(),
            (None, Some(_)) => Behind { records: Some(left.div_ceil(self.partitions)), milliseconds: None },
            (Some(pacer), _) => {
                Behind { records: Some(left.div_ceil(self.partitions)), milliseconds: Some(left.saturating_mul(1000) / pacer.rate()) }
            }
        }
    }

    /// The first number of this partition that is not passed.
    fn next_number(&self) -> u64 {
        let ahead = (self.index + self.partitions - self.passed % self.partitions) % self.partitions;
        self.passed.saturating_add(ahead)
    }

    fn end(&self) -> u64 {
        self.rows.unwrap_or(END_OF_NUMBERS)
    }
}

#[async_trait]
impl PartitionReader for GeneratorReader {
    async fn next(&mut self) -> Result<Batch> {
        // Without a rate nothing here ever waits; others on this thread get their turn all the same.
        tokio::task::consume_budget().await;
        let limit = self.wait_until_due().await;
        Ok(self.read_until(limit))
    }
}
