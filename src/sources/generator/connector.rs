//! `connector = 'generator'`: a source that makes its records when they are read.
//!
//! It has no past: `earliest`, `latest` and a time as `start` all mean its first record. Partition *p* of *n* holds the records *k* with
//! *k* mod *n* = *p*. A position is the number of records of the whole dataset that are passed, in decimal.

use std::cmp::Ordering;

use async_trait::async_trait;

use super::nexmark::{EVENT_TIME_RATE_MAX, Table};
use super::reader::GeneratorReader;
use super::recipe::{Dataset, DatasetName, Recipe, SEED_DEFAULT, Stream, Wish};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::options::Start;
use crate::model::{Options, PartitionId, PartitionState, Position, Positions};
use crate::sources::{Connector, Partition, PartitionReader, Source};

pub const RATE_MAX: u64 = 10_000_000;
pub const PARTITIONS_MAX: u64 = 64;

pub struct GeneratorConnector;

/// What the options say.
#[derive(Debug, Clone)]
pub struct Plan {
    pub recipe: Recipe,
    /// Over all partitions. None: no end.
    pub rows: Option<u64>,
    /// Records per second over all partitions. None: as fast as it can.
    pub rate: Option<u64>,
    pub partitions: u64,
}

#[async_trait]
impl Connector for GeneratorConnector {
    fn name(&self) -> &'static str {
        "generator"
    }

    fn validate(&self, options: &mut Options) -> Result<()> {
        Plan::take(options).map(drop)
    }

    async fn open(&self, mut options: Options, clock: Clock) -> Result<Box<dyn Source>> {
        let plan = Plan::take(&mut options)?;
        Ok(Box::new(GeneratorSource { plan, clock }))
    }
}

impl Plan {
    fn take(options: &mut Options) -> Result<Plan> {
        let dataset = take_dataset(options)?;
        let seed = options.take_u64("seed", 0..=u64::MAX)?.unwrap_or(SEED_DEFAULT);
        let rows = options.take_u64("rows", 1..=u64::MAX)?;
        let rate = options.take_u64("rate", 1..=RATE_MAX)?;
        let partitions = options.take_u64("partitions", 1..=PARTITIONS_MAX)?.unwrap_or(1);
        if dataset == Dataset::Network(Stream::Management) && partitions > 1 {
            return Err(Error::invalid("stream 'management' has one partition")
                .with_detail("the last record of a key counts, and only within a partition is there an order")
                .with_hint("leave the option \"partitions\" out"));
        }
        Ok(Plan { recipe: Recipe { dataset, seed }, rows, rate, partitions })
    }
}

fn take_dataset(options: &mut Options) -> Result<Dataset> {
    let wish = Wish {
        dataset: options.take_word("dataset", DatasetName::WORDS)?.and_then(DatasetName::from_word).unwrap_or_default(),
        stream: options.take_word("stream", Stream::WORDS)?.and_then(Stream::from_word),
        table: options.take_word("table", Table::WORDS)?.and_then(Table::from_word),
        event_time_rate: options.take_u64("event_time_rate", 1..=EVENT_TIME_RATE_MAX)?,
    };
    wish.dataset()
}

struct GeneratorSource {
    plan: Plan,
    clock: Clock,
}

#[async_trait]
impl Source for GeneratorSource {
    async fn partitions(&self, known: &Positions) -> Result<Vec<Partition>> {
        let ids = (0..self.plan.partitions).map(|index| PartitionId::new(index.to_string()));
        Ok(ids.filter(|id| known.get(id) != Some(&PartitionState::Done)).map(|id| Partition { id }).collect())
    }

    async fn start(&self, partition: &PartitionId, _start: Start, _known: &Positions) -> Result<Position> {
        self.index(partition)?;
        Ok(position(0))
    }

    async fn read(&self, partition: &PartitionId, from: &Position) -> Result<Box<dyn PartitionReader>> {
        let index = self.index(partition)?;
        let passed = number(from).ok_or_else(|| {
            Error::invalid(format!("\"{from}\" is not a position of a generator")).with_hint("a position is a whole number of records")
        })?;
        Ok(Box::new(GeneratorReader::new(&self.plan, self.clock.clone(), index, passed)))
    }

    fn compare(&self, left: &Position, right: &Position) -> Ordering {
        number(left).cmp(&number(right))
    }

    async fn recent(&self, partition: &PartitionId) -> Result<Position> {
        self.index(partition)?;
        Ok(position(0))
    }
}

impl GeneratorSource {
    fn index(&self, partition: &PartitionId) -> Result<u64> {
        let index = partition.as_str().parse().ok().filter(|index| *index < self.plan.partitions);
        index.ok_or_else(|| {
            Error::undefined(format!("partition \"{partition}\" does not exist"))
                .with_detail(format!("the generator has {} partitions, numbered from 0", self.plan.partitions))
        })
    }
}

pub fn position(passed: u64) -> Position {
    Position::new(passed.to_string())
}

fn number(position: &Position) -> Option<u64> {
    position.as_str().parse().ok()
}
