//! Materialized views beside batch runs: `cargo bench --bench views -- --events 2000000 --groups 10000000`.
//!
//! 1. Each query of Nexmark, kept over events that come in ticks of 10,000, beside one run of DataFusion over all of them, on one thread.
//! 2. How many rows per second an aggregate over 100,000 groups takes in.
//! 3. What a tick of 1,000 changes costs where there are very many groups, beside the same where there are 10,000.
//!
//! Rows are made, and queries planned, before the clock starts. What a view remembers is taken out every hundred ticks, as an epoch does that saves it;
//! that time is shown by itself. `--only q5` runs one query, or one of the parts `updates` and `sizes`.

#[allow(dead_code, unused_imports)]
#[path = "../tests/views/mod.rs"]
mod views;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;
use datafusion::datasource::MemTable;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::collect;
use lakewire::flow::engine::{Arrival, Dataflow, Relation};
use lakewire::model::{Changes, Name};
use lakewire::sources::generator::nexmark::{EVENT_TIME_RATE_DEFAULT, Market, Table, rows};
use lakewire::sql;
use views::{Query, nexmark};

const SEED: u64 = 7;
const TICK_EVENTS: u64 = 10_000;
const TICKS_PER_EPOCH: usize = 100;
const UPDATED_GROUPS: i64 = 100_000;
const FEW_GROUPS: i64 = 10_000;
const TICK_CHANGES: usize = 1_000;
/// So many rows fill the groups at once.
const FILL_ROWS: i64 = 50_000;
const AGGREGATE: &str = "SELECT k, count(*) AS n, sum(v) AS total, avg(v) AS mean FROM t GROUP BY k";

/// What is to be run, and how much of it.
struct Scale {
    events: u64,
    groups: i64,
    ticks: usize,
    only: Option<String>,
}

impl Scale {
    /// Small, unless arguments say more: cargo's own test of a bench is a debug build.
    fn from_arguments() -> Scale {
        let arguments: Vec<String> = std::env::args().collect();
        let given = |name: &str| Some(arguments[arguments.iter().position(|argument| argument == name)? + 1].clone());
        let number = |name: &str| given(name).map(|text| text.parse().unwrap_or_else(|_| panic!("{name} wants a number")));
        let (events, groups, ticks) = match arguments.iter().any(|argument| argument == "--bench") {
            true => (200_000, 1_000_000, 100),
            false => (4_000, 20_000, 2),
        };
        Scale {
            events: number("--events").unwrap_or(events),
            groups: number("--groups").unwrap_or(groups as u64) as i64,
            ticks: number("--ticks").map_or(ticks, |ticks| ticks as usize),
            only: given("--only"),
        }
    }

    fn has(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }
}

fn main() {
    let scale = Scale::from_arguments();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        if scale.only.as_ref().is_none_or(|only| only.starts_with('q')) {
            nexmark_queries(&scale).await;
        }
        if scale.has("updates") {
            updates(&scale).await;
        }
        if scale.has("sizes") {
            sizes(&scale).await;
        }
    });
}

/// The ticks of all tables: by table, the rows of each tick.
type Ticks = HashMap<&'static str, Vec<RecordBatch>>;

async fn nexmark_queries(scale: &Scale) {
    let tick_events = TICK_EVENTS.min(scale.events.div_ceil(4));
    let ticks = events(scale.events, tick_events);
    println!("Nexmark over {} events in ticks of {tick_events}", scale.events);
    println!("{:8}{:>12}{:>12}{:>12}{:>8}{:>8}", "", "kept ms", "saved ms", "batch ms", "ratio", "target");
    for query in nexmark::queries().iter().filter(|query| scale.has(query.name)) {
        let kept = keep(query, &ticks).await;
        let (batch, rows) = run_once(query, &ticks).await;
        assert_eq!(kept.rows, rows as i64, "{} is kept as it is answered", query.name);
        let target = if ["q0", "q1", "q2"].contains(&query.name) { 1.5 } else { 3.0 };
        let ratio = kept.ticks.as_secs_f64() / batch.as_secs_f64();
        let mark = if ratio > target { "  misses it" } else { "" };
        println!(
            "{:8}{:>12.1}{:>12.1}{:>12.1}{ratio:>8.2}{target:>8.1}{mark}",
            query.name,
            milliseconds(kept.ticks),
            milliseconds(kept.saved),
            milliseconds(batch)
        );
    }
}

/// `side_input` comes whole with the first tick.
fn events(count: u64, tick_events: u64) -> Ticks {
    let market = Market { seed: SEED, event_time_rate: EVENT_TIME_RATE_DEFAULT };
    let starts = || (0..count).step_by(tick_events as usize);
    let tick = |table: Table, start: u64| rows(&market, table, start..count.min(start + tick_events));
    let tables = Table::ALL.iter().map(|table| (table.as_str(), starts().map(|start| tick(*table, start)).collect()));
    let side = nexmark::initial(SEED, 0).into_iter().map(|(name, changes)| {
        let later = starts().skip(1).map(|_| RecordBatch::new_empty(changes.schema()));
        (name, std::iter::once(changes.rows().clone()).chain(later).collect())
    });
    tables.chain(side).collect()
}

struct Kept {
    ticks: Duration,
    saved: Duration,
    /// In the view at the end.
    rows: i64,
}

async fn keep(query: &Query, ticks: &Ticks) -> Kept {
    let relation = |(name, schema): (&'static str, SchemaRef)| Relation {
        arrival: if nexmark::EVENT_TABLES.contains(&name) { Arrival::AppendOnly } else { Arrival::Changing },
        ..Relation::table(Name::new(name).expect("tables have plain names"), schema)
    };
    let relations: Vec<Relation> = nexmark::tables().into_iter().map(relation).collect();
    let mut dataflow = plan(&query.written_out(), &relations).await;
    let mut kept = Kept { ticks: Duration::ZERO, saved: Duration::ZERO, rows: 0 };
    let count = ticks["bid"].len();
    let rows_of = |tick: usize| relations.iter().map(move |relation| Changes::inserted(ticks[relation.name.as_str()][tick].clone()));
    for tick in 0..count {
        let changes: Vec<Changes> = rows_of(tick).collect();
        let began = Instant::now();
        let made = dataflow.tick(&changes, 0).await.expect("a tick of rows that come");
        kept.ticks += began.elapsed();
        kept.rows += made.weights().values().iter().sum::<i64>();
        if (tick + 1) % TICKS_PER_EPOCH == 0 || tick + 1 == count {
            kept.saved += save(&mut dataflow);
        }
    }
    kept
}

async fn plan(query: &str, relations: &[Relation]) -> Dataflow {
    let parsed = sql::parse_query(query).unwrap_or_else(|error| panic!("{error}\n{query}"));
    Dataflow::plan(&parsed, relations).await.unwrap_or_else(|error| panic!("{error}\n{query}"))
}

fn save(dataflow: &mut Dataflow) -> Duration {
    let began = Instant::now();
    for (name, state) in dataflow.states() {
        std::hint::black_box(state.take_changes().unwrap_or_else(|error| panic!("{name}: {error}")));
    }
    began.elapsed()
}

/// How long it takes, and how many rows it gives.
async fn run_once(query: &Query, ticks: &Ticks) -> (Duration, usize) {
    let context = sql::planner::context(Arc::new(RuntimeEnv::default()), 1).expect("the planner can be made");
    for (name, batches) in ticks {
        let table = MemTable::try_new(batches[0].schema(), vec![batches.clone()]).expect("the rows fit their schema");
        context.register_table(*name, Arc::new(table)).expect("each table has its own name");
    }
    let frame = context.sql(&query.written_out()).await.unwrap_or_else(|error| panic!("{error}\n{}", query.sql));
    let task = Arc::new(frame.task_ctx());
    let plan = frame.create_physical_plan().await.expect("a query that was kept can be planned");
    let began = Instant::now();
    let batches = collect(plan, task).await.expect("a query that was kept can be run");
    (began.elapsed(), batches.iter().map(RecordBatch::num_rows).sum())
}

async fn updates(scale: &Scale) {
    println!("\nAn aggregate over {UPDATED_GROUPS} groups, in ticks of {TICK_EVENTS} rows");
    println!("{:24}{:>8}{:>14}{:>14}", "", "ticks", "rows/s", "target");
    for (name, arrival) in [("rows come", Arrival::AppendOnly), ("rows come and go", Arrival::Changing)] {
        let mut view = Aggregated::over(UPDATED_GROUPS, arrival).await;
        let mut took = Duration::ZERO;
        for _ in 0..scale.ticks {
            took += view.tick(TICK_EVENTS as usize).await;
        }
        let speed = (scale.ticks as u64 * TICK_EVENTS) as f64 / took.as_secs_f64();
        println!("{name:24}{:>8}{speed:>14.0}{:>14}", scale.ticks, 1_000_000);
    }
}

async fn sizes(scale: &Scale) {
    println!("\nA tick of {TICK_CHANGES} changes, the median of {}", scale.ticks);
    println!("{:>12}{:>12}{:>8}{:>8}", "groups", "ms", "ratio", "target");
    let mut few = None;
    for groups in [FEW_GROUPS, scale.groups] {
        let mut view = Aggregated::over(groups, Arrival::Changing).await;
        let mut took = Vec::with_capacity(scale.ticks);
        for _ in 0..scale.ticks {
            took.push(view.tick(TICK_CHANGES).await);
        }
        took.sort();
        let median = milliseconds(took[took.len() / 2]);
        match few {
            None => println!("{groups:>12}{median:>12.3}"),
            Some(few) => println!("{groups:>12}{median:>12.3}{:>8.2}{:>8.1}", median / few, 1.5),
        }
        few.get_or_insert(median);
    }
}

/// A view of `AGGREGATE` and the rows that are there.
struct Aggregated {
    dataflow: Dataflow,
    arrival: Arrival,
    rows: Vec<(i64, i64)>,
    groups: i64,
    /// A sequence without a pattern that a cache could use: the state of a linear congruential generator.
    random: u64,
    ticks: usize,
}

impl Aggregated {
    /// One row in each group.
    async fn over(groups: i64, arrival: Arrival) -> Aggregated {
        let relation = Relation { arrival, ..Relation::table(Name::new("t").expect("a plain name"), pairs(&[]).schema()) };
        let mut dataflow = plan(AGGREGATE, &[relation]).await;
        let mut rows = Vec::with_capacity(groups as usize);
        for start in (0..groups).step_by(FILL_ROWS as usize) {
            let first = rows.len();
            rows.extend((start..groups.min(start + FILL_ROWS)).map(|k| (k, k % 1000)));
            dataflow.tick(&[Changes::inserted(pairs(&rows[first..]))], 0).await.expect("groups come");
        }
        save(&mut dataflow);
        Aggregated { dataflow, arrival, rows, groups, random: SEED, ticks: 0 }
    }

    async fn tick(&mut self, changes: usize) -> Duration {
        let changes = match self.arrival {
            Arrival::AppendOnly => Changes::inserted(pairs(&(0..changes).map(|_| self.row()).collect::<Vec<_>>())),
            Arrival::Changing => self.replacements(changes / 2),
        };
        let began = Instant::now();
        std::hint::black_box(self.dataflow.tick(&[changes], 0).await.expect("groups change"));
        let took = began.elapsed();
        self.ticks += 1;
        if self.ticks.is_multiple_of(TICKS_PER_EPOCH) {
            save(&mut self.dataflow);
        }
        took
    }

    /// Rows that go and others that come for them.
    fn replacements(&mut self, count: usize) -> Changes {
        let mut rows = Vec::with_capacity(2 * count);
        for _ in 0..count {
            let place = self.below(self.rows.len() as u64) as usize;
            let row = self.row();
            rows.extend([std::mem::replace(&mut self.rows[place], row), row]);
        }
        let weights: Int64Array = (0..rows.len()).map(|place| Some(if place % 2 == 0 { -1 } else { 1 })).collect();
        Changes::new(pairs(&rows), weights)
    }

    fn row(&mut self) -> (i64, i64) {
        (self.below(self.groups as u64) as i64, self.below(1000) as i64)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % bound
    }
}

fn pairs(rows: &[(i64, i64)]) -> RecordBatch {
    let column = |of: fn(&(i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
    RecordBatch::try_from_iter([("k", column(|row| row.0)), ("v", column(|row| row.1))]).expect("columns of the same length")
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
