//! What a seed means: what is sent, and what happens to the servers that work on it.

use std::time::Duration;

use lakewire::lake::fault_store::{Halt, Plan, Rates};
use lakewire::sources::generator::recipe::{Dataset, Recipe, Stream};

use super::dice::Dice;
use super::kinesis;

/// Each story is told once without faults, for comparison: so there are only some.
const STORIES: u64 = 8;
const LIVES_MAX: u64 = 5;
/// A life that ends by an operation ends by one of the first so many.
const OPERATIONS_MAX: u64 = 250;
/// Of so many cases one has its records come through Kinesis.
const KINESIS_EVERY: u64 = 8;

#[derive(Debug, Clone)]
pub struct Case {
    pub story: Story,
    /// The Kinesis that the records come through. None: the generator.
    pub kinesis: Option<kinesis::Plan>,
    /// All but the last, which goes on until all is read, and has no faults of the store.
    pub lives: Vec<LifePlan>,
}

/// What is sent and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Story {
    pub data_seed: u64,
    pub records: u64,
    pub per_second: u64,
    pub partitions: u64,
    pub commit_interval_ms: u64,
    pub layout: Layout,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layout {
    Plain,
    /// Each epoch has several files.
    ByType,
}

#[derive(Debug, Clone)]
pub struct LifePlan {
    pub faults: Plan,
    pub end: End,
}

/// How a life ends, unless its time is over before.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// The process dies at this operation of the store.
    At(usize, Halt),
    /// It dies at some time.
    After(Duration),
    /// It is stopped in order at some time.
    StoppedAfter(Duration),
}

impl Case {
    pub fn random(seed: u64) -> Case {
        let mut dice = Dice::of(seed);
        let story = Story::nth(dice.below(STORIES));
        let lives = (0..=dice.below(LIVES_MAX)).map(|_| LifePlan::random(&mut dice)).collect();
        let kinesis = (dice.below(KINESIS_EVERY) == 0).then(|| kinesis::Plan::random(&mut dice));
        Case { story, kinesis, lives }
    }
}

impl Story {
    fn nth(number: u64) -> Story {
        let mut dice = Dice::of(number);
        let per_second = 800 + dice.below(800);
        Story {
            data_seed: number,
            records: 2200 + dice.below(1000),
            per_second,
            partitions: 1 + number % 3,
            commit_interval_ms: 200 + dice.below(1000),
            layout: if number.is_multiple_of(2) { Layout::Plain } else { Layout::ByType },
        }
    }

    pub fn recipe(&self) -> Recipe {
        Recipe { dataset: Dataset::Network(Stream::Events), seed: self.data_seed }
    }

    /// Makes the source `sent` of a generator, unless it is there.
    pub fn generator(&self) -> String {
        let Story { data_seed, records, per_second, partitions, .. } = self;
        format!(
            "CREATE SOURCE IF NOT EXISTS sent WITH (connector = 'generator', seed = {data_seed}, rows = {records}, rate = {per_second}, \
                 partitions = {partitions})"
        )
    }

    /// Defines what reads the source `sent`, or what of it is not there yet.
    pub fn readers(&self) -> String {
        let layout = match self.layout {
            Layout::Plain => "",
            Layout::ByType => "PARTITION BY (event_type)",
        };
        let with = format!("WITH (commit_interval = '{}ms')", self.commit_interval_ms);
        format!(
            "CREATE TABLE IF NOT EXISTS events (event_id text, event_type text, bytes_in bigint) {layout} WITH (schema = 'evolve'); \
             CREATE PIPELINE IF NOT EXISTS keep {with} AS INSERT INTO events SELECT * FROM sent; \
             CREATE MATERIALIZED VIEW IF NOT EXISTS of_source {with} AS {OF_SOURCE}; \
             CREATE MATERIALIZED VIEW IF NOT EXISTS of_table {with} AS {OF_TABLE}; \
             CREATE MATERIALIZED VIEW IF NOT EXISTS of_view {with} AS {OF_VIEW}"
        )
    }
}

pub const OF_SOURCE: &str = "SELECT event_type, count(*) AS n, max(event_id) AS last FROM sent GROUP BY event_type";
/// What `of_source` shows when all is read: the source itself cannot be asked.
pub const OF_SOURCE_BY_TABLE: &str = "SELECT event_type, count(*) AS n, max(event_id) AS last FROM events GROUP BY event_type";
pub const OF_TABLE: &str = "SELECT event_type, count(*) AS n, sum(bytes_in)::bigint AS bytes FROM events GROUP BY event_type";
pub const OF_VIEW: &str = "SELECT count(*) AS types, sum(n)::bigint AS n, sum(bytes)::bigint AS bytes FROM of_table";

impl LifePlan {
    pub fn random(dice: &mut Dice) -> LifePlan {
        // One life is quiet, another stormy.
        let worst = [0, 20, 100][dice.below(3) as usize];
        let mut rate = || dice.below(worst + 1);
        let rates = Rates {
            lost_answer: rate(),
            own_conflict: rate(),
            false_conflict: rate(),
            refused: rate(),
            torn_part: rate(),
            stale_list: 0,
            slow: rate() * 5,
            latency_ms_max: 400,
        };
        let side = if dice.below(2) == 0 { Halt::Before } else { Halt::After };
        let some_time = Duration::from_millis(dice.below(4000));
        let end = match dice.below(8) {
            0 => End::StoppedAfter(some_time),
            1 | 2 => End::After(some_time),
            _ => End::At(1 + dice.below(OPERATIONS_MAX) as usize, side),
        };
        LifePlan { faults: Plan { seed: dice.seed(), rates }, end }
    }
}
