//! The shared reader under jobs that are fast, slow, that leave and come back: each gets every record once, in order, whatever the lanes do.

use std::cmp::Ordering;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use async_trait::async_trait;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;
use crate::catalog::{Change, Format, ObjectKind, SecretKey, Seen, Sight, SourceDef};
use crate::formats::records::RecordsBuilder;
use crate::model::{Options, PartitionState, SourceColumn, SqlType};
use crate::sources::{Behind, PartitionReader};

const RECORDS: u64 = 30_000;
/// So small that a job which rests for a moment falls off.
const LANE_BYTES: usize = 16 << 10;

/// `{"n": 0}`, `{"n": 1}` … in one partition, in batches of any size; every 97th record is broken, and some hold several.
struct Numbers {
    seed: u64,
}

struct NumbersReader {
    next: u64,
    random: ChaCha8Rng,
}

fn number(position: &Position) -> u64 {
    position.as_str().parse().unwrap()
}

fn is_broken(record: u64) -> bool {
    record % 97 == 96
}

/// How many rows a record that is not broken makes.
fn copies(record: u64) -> usize {
    if record.is_multiple_of(10) { 3 } else { 1 }
}

#[async_trait]
impl Source for Numbers {
    async fn partitions(&self, known: &Positions) -> Result<Vec<Partition>> {
        let id = PartitionId::new("0");
        Ok(if known.get(&id) == Some(&PartitionState::Done) { vec![] } else { vec![Partition { id }] })
    }

    async fn start(&self, _: &PartitionId, _: Start, _: &Positions) -> Result<Position> {
        Ok(Position::new("0"))
    }

    async fn read(&self, _: &PartitionId, from: &Position) -> Result<Box<dyn PartitionReader>> {
        let next = number(from);
        Ok(Box::new(NumbersReader { next, random: ChaCha8Rng::seed_from_u64(self.seed ^ next) }))
    }

    fn compare(&self, left: &Position, right: &Position) -> Ordering {
        number(left).cmp(&number(right))
    }

    async fn recent(&self, _: &PartitionId) -> Result<Position> {
        Ok(Position::new("0"))
    }
}

#[async_trait]
impl PartitionReader for NumbersReader {
    async fn next(&mut self) -> Result<Batch> {
        tokio::task::yield_now().await;
        let size = u64::from(self.random.next_u32() % 200).min(RECORDS - self.next);
        let mut records = RecordsBuilder::default();
        for n in self.next..self.next + size {
            let payload = if is_broken(n) { format!("{{\"n\": {n}") } else { format!("{{\"n\": {n}}}\n").repeat(copies(n)) };
            records.push(payload.as_bytes(), &Position::new((n + 1).to_string()), 0, None);
        }
        self.next += size;
        Ok(Batch {
            records: records.finish(),
            next: Position::new(self.next.to_string()),
            behind: Behind { records: Some(RECORDS - self.next), milliseconds: None },
            ended: self.next == RECORDS,
        })
    }
}

async fn catalog(folder: &std::path::Path) -> Catalog {
    let key = SecretKey::load_or_create(&folder.join("key")).unwrap();
    Catalog::open(&format!("sqlite:{}", folder.join("catalog.db").display()), key, Clock::wall()).await.unwrap()
}

async fn feed(seed: u64, folder: &std::path::Path) -> Arc<SourceFeed> {
    feed_within(ReaderBudget::new(LANE_BYTES), seed, folder).await
}

async fn feed_within(budget: Arc<ReaderBudget>, seed: u64, folder: &std::path::Path) -> Arc<SourceFeed> {
    let (clock, catalog) = (Clock::wall(), catalog(folder).await);
    let columns = vec![SourceColumn::found("n", SqlType::BigInt)];
    let definition = SourceDef {
        connector: "numbers".into(),
        format: Format::Json,
        flatten: false,
        mode: SchemaMode::Evolve,
        start: None,
        options: Options::default(),
        columns: columns.clone(),
        watermark: None,
    };
    let name = Name::new("numbers").unwrap();
    let object = Object {
        id: ObjectId::new(),
        name: name.clone(),
        sql: String::new(),
        created_at: clock.now(),
        definition: Definition::Source(definition),
    };
    catalog.commit(vec![Change::Create(object.clone())]).await.unwrap();
    Arc::new(SourceFeed {
        name: name.clone(),
        source: Arc::new(Numbers { seed }),
        tally: Arc::new(Tally::new(object.id, catalog.clone(), clock.clone())),
        clock: clock.clone(),
        columns: Arc::new(Columns::new(object.id, name, columns, catalog, EventLog::new(clock))),
        mode: SchemaMode::Evolve,
        flatten: false,
        network: Handle::current(),
        compute: Handle::current(),
        budget,
        lanes: Mutex::default(),
    })
}

/// Reads from `from` to the end, resting and re-attaching at random, and checks that nothing is missing, doubled or out of order.
async fn consume(feed: Arc<SourceFeed>, from: u64, laziness: u32, seed: u64) {
    consume_partition(feed, "0", from, laziness, seed).await;
}

async fn consume_partition(feed: Arc<SourceFeed>, partition: &str, from: u64, laziness: u32, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let partition = PartitionId::new(partition);
    let wake = Arc::new(Notify::new());
    let mut position = Position::new(from.to_string());
    let mut cursor = feed.attach(&partition, &position, &wake);
    loop {
        for _ in 0..random.next_u32() % laziness {
            tokio::task::yield_now().await;
        }
        if random.next_u32().is_multiple_of(200) {
            cursor = feed.attach(&partition, &position, &wake);
        }
        match cursor.look() {
            Look::Batch(batch) => position = check(&batch, &position),
            Look::Nothing => wake.notified().await,
            Look::Finished => break,
            Look::FellOff => unreachable!("a cursor attaches anew by itself"),
            Look::Failed(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(number(&position), RECORDS, "a job saw the end before the last record");
}

fn check(batch: &FeedBatch, position: &Position) -> Position {
    assert_eq!(batch.start, *position, "a batch does not begin where the job stands");
    let (first, end) = (number(position), number(&batch.end));
    let rows: Vec<u64> = batch.rows.column(0).as_primitive::<Int64Type>().values().iter().map(|n| *n as u64).collect();
    let expected = (first..end).filter(|n| !is_broken(*n)).flat_map(|n| std::iter::repeat_n(n, copies(n)));
    assert_eq!(rows, expected.collect::<Vec<_>>());
    let offsets: Vec<u64> = batch.metadata[0].as_string::<i32>().iter().map(|offset| offset.unwrap().parse::<u64>().unwrap() - 1).collect();
    assert_eq!(offsets, rows);
    let rejects: Vec<u64> = batch.rejects.iter().map(|reject| number(&reject.offset) - 1).collect();
    assert_eq!(rejects, (first..end).filter(|n| is_broken(*n)).collect::<Vec<_>>());
    batch.end.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_job_gets_every_record_once() {
    for seed in 0..4 {
        println!("seed {seed}");
        let folder = tempfile::tempdir().unwrap();
        let feed = feed(seed, folder.path()).await;
        let jobs = [(0, 1), (0, 2), (0, 40), (777, 7), (RECORDS / 2, 3), (RECORDS, 1), (1, 400)];
        let tasks = jobs.map(|(from, laziness)| tokio::spawn(consume(feed.clone(), from, laziness, seed * 100 + u64::from(laziness))));
        for task in tasks {
            task.await.unwrap();
        }
        // Lanes end when the last who listens has gone.
        while !feed.lanes.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

/// What one batch of `Numbers` takes at most.
const BATCH_BYTES_MAX: usize = 64 << 10;

/// Nobody takes anything until all that may be read ahead is read. Then jobs of all speeds do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_lanes_stay_within_one_budget() {
    const LANES: usize = 24;
    const BYTES_MAX: usize = 2 << 20;
    let budget = ReaderBudget::new(BYTES_MAX);
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // Of two sources of one server.
    let feeds = [feed_within(budget.clone(), 1, folders[0].path()).await, feed_within(budget.clone(), 2, folders[1].path()).await];
    let wake = Arc::new(Notify::new());
    let attach = |lane: usize| feeds[lane % 2].attach(&PartitionId::new(lane.to_string()), &Position::new("0"), &wake);
    let cursors: Vec<_> = (0..LANES).map(attach).collect();
    while budget.held_bytes() < BYTES_MAX / 2 {
        tokio::task::yield_now().await;
    }
    let tasks: Vec<_> = (0..LANES)
        .map(|lane| {
            let feed = feeds[lane % 2].clone();
            tokio::spawn(async move { consume_partition(feed, &lane.to_string(), 0, 1 + lane as u32 * 3, lane as u64).await })
        })
        .collect();
    drop(cursors);
    for task in tasks {
        task.await.unwrap();
    }
    assert!(budget.peak_bytes() <= BYTES_MAX + LANES * BATCH_BYTES_MAX, "{}", budget.peak_bytes());
    // All is given back when nobody listens any more.
    while budget.held_bytes() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_source_that_is_faster_than_its_jobs_waits() {
    const BYTES_MAX: usize = 256 << 10;
    /// Of a decoded record: a number, an offset, a time.
    const RECORD_BYTES_MIN: u64 = 20;
    let (budget, folder) = (ReaderBudget::new(BYTES_MAX), tempfile::tempdir().unwrap());
    let feed = feed_within(budget.clone(), 5, folder.path()).await;
    let wake = Arc::new(Notify::new());
    let mut cursor = feed.attach(&PartitionId::new("0"), &Position::new("0"), &wake);
    let lane = feed.lanes.lock().values().next().unwrap()[0].clone();
    let mut position = Position::new("0");
    while number(&position) < RECORDS {
        // The job takes nothing before the source has run ahead as far as it may.
        while budget.held_bytes() + BATCH_BYTES_MAX < BYTES_MAX && number(&lane.head()) < RECORDS {
            tokio::task::yield_now().await;
        }
        let ahead = number(&lane.head()) - number(&position);
        assert!(ahead <= (BYTES_MAX + BATCH_BYTES_MAX) as u64 / RECORD_BYTES_MIN, "{ahead}");
        match cursor.look() {
            Look::Batch(batch) => position = check(&batch, &position),
            Look::Nothing => wake.notified().await,
            Look::Finished | Look::FellOff => unreachable!("there is more"),
            Look::Failed(error) => panic!("{error:?}"),
        }
    }
    let peak = budget.peak_bytes();
    assert!(peak > BYTES_MAX / 2 && peak <= BYTES_MAX + BATCH_BYTES_MAX, "{peak}");
}

/// A flush is answered when a fetch that began after it has found the end.
#[tokio::test]
async fn a_mark_is_passed_at_the_end_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let feed = feed(7, folder.path()).await;
    let wake = Arc::new(Notify::new());
    let mut cursor = feed.attach(&PartitionId::new("0"), &Position::new("0"), &wake);
    cursor.mark();
    let mut seen = 0;
    loop {
        assert_eq!(cursor.has_passed_mark(), seen == RECORDS);
        match cursor.look() {
            Look::Batch(batch) => seen = number(&batch.end),
            Look::Nothing => wake.notified().await,
            Look::Finished => break,
            Look::FellOff => unreachable!("a cursor attaches anew by itself"),
            Look::Failed(error) => panic!("{error:?}"),
        }
    }
    assert!(cursor.has_passed_mark());
}

/// One job, one count of each record; and the counts are there after everything was closed, until the source is dropped.
#[tokio::test]
async fn what_is_read_is_counted_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let feed = feed(3, folder.path()).await;
    let broken = (0..RECORDS).filter(|n| is_broken(*n)).count() as u64;
    let rows: usize = (0..RECORDS).filter(|n| !is_broken(*n)).map(copies).sum();
    for reads in 1..3 {
        consume(feed.clone(), 0, 1, 199).await;
        // The second time there is nothing to keep.
        feed.tally.keep().await.unwrap();
        feed.tally.keep().await.unwrap();
        let again = catalog(folder.path()).await;
        let source = again.snapshot().find(ObjectKind::Source, &feed.name).unwrap().id;
        let mut seen = again.seen(source).await.unwrap();
        seen.sort_by(|left, right| left.sight.cmp(&right.sight));
        assert!(seen.iter().all(|seen| seen.first_micros > 0));
        let told: Vec<(Sight, u64)> = seen.into_iter().map(|Seen { sight, times, .. }| (sight, times)).collect();
        let expected = [
            (Sight::Record, reads * (rows as u64 + broken)),
            (Sight::Column("n".to_string()), reads * rows as u64),
            (Sight::Reject("malformed JSON".to_string()), reads * broken),
        ];
        assert_eq!(told, expected);
        if reads == 2 {
            again.commit(vec![Change::Drop(source)]).await.unwrap();
            assert_eq!(again.seen(source).await.unwrap(), [], "what was seen goes with the source");
            let late = [Seen { sight: Sight::Record, first_micros: 1, times: 1 }];
            again.add_seen(source, &late).await.unwrap();
            assert_eq!(again.seen(source).await.unwrap(), []);
        }
    }
}
