//! Whoever only appends knows no files; whoever reads knows them all, however far writers have got meanwhile.

use std::time::Duration;

use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use url::Url;

use super::super::fault_store::{FaultStore, Plan, Rates};
use super::maintenance::describe;
use super::*;
use crate::error::Result;

const JOB: &str = "job";
const OTHERS: &str = "others";

/// A table of one folder of a store, as some server has it open.
fn opened(store: &Arc<FaultStore>, clock: &Clock) -> Arc<Table> {
    let lake = Lake::with_store(store.clone(), Url::parse("memory:///lake").unwrap(), clock.clone());
    lake.table("t").unwrap()
}

fn store(plan: Plan) -> Arc<FaultStore> {
    Arc::new(FaultStore::with_plan(Arc::new(InMemory::new()), plan))
}

/// Every request takes as long as the next one, or less.
fn slow(seed: u64, latency_ms_max: u64) -> Plan {
    Plan { seed, rates: Rates { slow: 1000, latency_ms_max, ..Rates::default() } }
}

/// Six files in a checkpoint and three after it.
async fn made(store: &Arc<FaultStore>, clock: &Clock) {
    let table = opened(store, clock);
    table.create(id_and_kind(), &[], "t").await.unwrap();
    for n in 0..9 {
        append(&table, batch(n..n + 1, "a")).await;
        if n == 5 {
            table.checkpoint().await.unwrap();
        }
    }
}

/// As a pipeline does it.
async fn publish(table: &Arc<Table>, epoch: i64) -> Committed {
    let columns: Vec<_> = id_and_kind().fields().iter().map(|field| field.as_ref().clone()).collect();
    let head = table.evolve(&columns, &[]).await.unwrap();
    let mut writer = table.writer(&head, FILE_BYTES).unwrap();
    writer.write(batch(epoch..epoch + 1, "job")).await.unwrap();
    let adds = writer.close().await.unwrap();
    table.commit(commit_of(adds, Some((JOB, epoch)))).await.unwrap()
}

/// Takes one file out of the table and puts another in its place.
async fn replace_one(table: &Arc<Table>, n: i64) {
    let turn = table.rewriting_turn().await;
    let base = table.refresh().await.unwrap();
    let removes = base.data_files().take(1).map(|file| file.removed(&base)).collect::<Result<_>>().unwrap();
    let adds = files(table, batch(n..n + 2, "new")).await;
    turn.commit(&base, Rewrite { removes, adds, transaction: None, operation: Operation::Update }).await.unwrap();
}

fn commit_path(version: i64) -> Path {
    Path::from(format!("lake/t/_delta_log/{version:020}.json"))
}

fn told(snapshot: &Snapshot) -> String {
    describe(snapshot, &[JOB, OTHERS])
}

async fn told_anew(store: &Arc<FaultStore>, clock: &Clock) -> String {
    told(&opened(store, clock).refresh().await.unwrap())
}

#[tokio::test]
async fn whoever_only_appends_never_reads_the_list_of_files() {
    let (store, clock) = (store(Plan::default()), Clock::wall());
    made(&store, &clock).await;
    let (table, others) = (opened(&store, &clock), opened(&store, &clock));
    for epoch in 1..=12 {
        let committed = publish(&table, epoch).await;
        assert!(matches!(committed, Committed::At(_)), "{committed:?}");
        assert_eq!(publish(&table, epoch).await, Committed::Already);
        match epoch {
            3 => drop(append(&others, batch(0..5, OTHERS)).await),
            6 => replace_one(&others, epoch).await,
            8 => drop(others.evolve(&[Field::new("more", DataType::Float64, true)], &[]).await.unwrap()),
            10 => drop(table.checkpoint().await.unwrap().unwrap()),
            11 => drop(table.clean_log(None).await.unwrap()),
            _ => {}
        }
        assert_eq!(table.head().unwrap().transaction(JOB), Some(epoch));
        assert_eq!(*table.versions().borrow(), table.head().unwrap().version());
        assert!(table.snapshot().is_none(), "epoch {epoch}");
    }
    assert_eq!(table.head().unwrap().version(), Some(9 + 12 + 3));
    // Behind a checkpoint nobody knows when the last commit was, but whoever saw it.
    table.checkpoint().await.unwrap().unwrap();
    let last_commit = table.head().unwrap().last_commit();
    assert_eq!(told(&table.refresh().await.unwrap()), told_anew(&store, &clock).await);
    assert_eq!(table.snapshot().unwrap().totals().files, 9 + 1 + 12);
    assert!(last_commit.is_some() && table.snapshot().unwrap().last_commit() == last_commit);
}

#[tokio::test]
async fn a_table_that_was_just_made_has_no_list_either() {
    let (store, clock) = (store(Plan::default()), Clock::wall());
    let table = opened(&store, &clock);
    for epoch in 1..=3 {
        publish(&table, epoch).await;
        assert!(table.snapshot().is_none());
    }
    assert_eq!(told(&table.refresh().await.unwrap()), told_anew(&store, &clock).await);
}

#[tokio::test]
async fn opening_to_append_costs_no_more_requests_than_opening_to_read() {
    let (store, clock) = (store(Plan::default()), Clock::wall());
    made(&store, &clock).await;
    let cost = || {
        let before = store.operations();
        let store = store.clone();
        move || store.operations() - before
    };
    let (table, spent) = (opened(&store, &clock), cost());
    table.refresh_head().await.unwrap();
    assert_eq!(spent(), 1 + 1 + 1 + 3, "the hint, a list, the checkpoint, three commits");
    let spent = cost();
    table.refresh().await.unwrap();
    assert_eq!(spent(), 1 + 1 + 1 + 3 + 1, "the same once more, and whether there is another commit");
    let spent = cost();
    table.refresh().await.unwrap();
    table.refresh_head().await.unwrap();
    assert_eq!(spent(), 2);
}

#[tokio::test]
async fn a_list_that_was_read_goes_on_with_every_commit() {
    let (store, clock) = (store(Plan::default()), Clock::wall());
    made(&store, &clock).await;
    let (table, others) = (opened(&store, &clock), opened(&store, &clock));
    publish(&table, 1).await;
    table.refresh().await.unwrap();
    for epoch in 2..6 {
        if epoch == 4 {
            replace_one(&others, epoch).await;
        }
        publish(&table, epoch).await;
        table.refresh_head().await.unwrap();
        let before = store.operations();
        let known = table.snapshot().unwrap();
        assert_eq!((store.operations(), known.version()), (before, table.head().unwrap().version()));
        assert_eq!(told(&known), told_anew(&store, &clock).await);
    }
}

#[tokio::test]
async fn nobody_waits_for_another() {
    let (store, clock) = (store(Plan::default()), Clock::wall());
    made(&store, &clock).await;
    let table = opened(&store, &clock);
    {
        let _reader = table.reading.lock().await;
        publish(&table, 1).await;
        table.refresh_head().await.unwrap();
    }
    let _writer = table.writing_turn().await;
    let _looker = table.looking.lock().await;
    assert_eq!(table.refresh().await.unwrap().version(), Some(10));
}

/// A commit that a reader would fail at stops a writer too, whether it knows files or not.
#[tokio::test]
async fn a_broken_commit_stops_whoever_meets_it() {
    for knows_files in [true, false] {
        let (store, clock) = (store(Plan::default()), Clock::wall());
        made(&store, &clock).await;
        let table = opened(&store, &clock);
        publish(&table, 1).await;
        if knows_files {
            table.refresh().await.unwrap();
        }
        let outside = r#"{"add":{"path":"s3://elsewhere/f","partitionValues":{},"size":1,"modificationTime":0,"dataChange":true}}"#;
        store.put(&commit_path(11), outside.into()).await.unwrap();
        let before = table.head().unwrap().version();
        assert!(table.refresh_head().await.is_err() && table.commit(commit_of(vec![], Some((JOB, 2)))).await.is_err());
        assert_eq!((table.head().unwrap().version(), table.snapshot().is_some()), (before, knows_files));
    }
}

#[tokio::test]
async fn a_log_that_lacks_what_was_known_is_read_as_it_is() {
    let (store, clock) = (store(Plan::default()), Clock::wall());
    made(&store, &clock).await;
    let table = opened(&store, &clock);
    publish(&table, 1).await;
    publish(&table, 2).await;
    store.delete(&commit_path(11)).await.unwrap();
    store.delete(&commit_path(10)).await.unwrap();
    assert_eq!(table.head().unwrap().version(), Some(11));
    assert_eq!(told(&table.refresh().await.unwrap()), told_anew(&store, &clock).await);
    assert_eq!(table.head().unwrap().version(), Some(9));
}

/// A reader that begins at any moment of a writer's work. Requests take a millisecond each, so that reader and writer are under way together.
#[tokio::test(start_paused = true)]
async fn a_reader_that_loads_while_others_write_comes_out_level() {
    const EPOCHS: i64 = 8;
    for begin_ms in 0..24 {
        let (store, clock) = (store(slow(1, 1)), Clock::wall());
        made(&store, &clock).await;
        let table = opened(&store, &clock);
        table.refresh_head().await.unwrap();
        let writer = async {
            let began = tokio::time::Instant::now();
            for epoch in 1..=EPOCHS {
                publish(&table, epoch).await;
            }
            began.elapsed()
        };
        let reader = async {
            tokio::time::sleep(Duration::from_millis(begin_ms)).await;
            let asked = table.head().unwrap().version();
            let read = table.refresh().await.unwrap();
            assert!(read.version() >= asked, "it is as new as what was known before");
            assert!(table.snapshot().is_some_and(|known| known.version() >= read.version()), "the list stays");
        };
        let (took, ()) = tokio::join!(writer, reader);
        assert_eq!(took, Duration::from_millis(3 * EPOCHS as u64), "to look, to write the file, to commit: the reader costs it nothing");
        let known = table.snapshot().unwrap();
        assert_eq!(known.version(), table.head().unwrap().version(), "{begin_ms} ms");
        assert_eq!(told(&known), told_anew(&store, &clock).await, "{begin_ms} ms");
    }
}

/// The same with two servers, one of which takes files away, and with requests that overtake each other.
#[tokio::test(start_paused = true)]
async fn whatever_overtakes_what_the_list_is_that_of_the_log() {
    for seed in 0..60 {
        let (store, clock) = (store(slow(seed, 20)), Clock::wall());
        made(&store, &clock).await;
        let (table, others) = (opened(&store, &clock), opened(&store, &clock));
        let writer = async {
            for epoch in 1..=6 {
                publish(&table, epoch).await;
            }
        };
        let rewriter = async {
            for n in 0..3 {
                replace_one(&others, n).await;
                others.checkpoint().await.unwrap();
            }
        };
        let readers = [0, 15, 40, 90].map(|begin_ms| {
            let table = table.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(begin_ms)).await;
                let mut last = None;
                for _ in 0..4 {
                    let read = table.refresh().await.unwrap();
                    assert!(read.version() >= last, "seed {seed}: it never goes back");
                    last = read.version();
                    assert!(table.head().unwrap().version() >= last, "seed {seed}");
                }
            }
        });
        tokio::join!(writer, rewriter, futures::future::join_all(readers));
        let expected = told_anew(&store, &clock).await;
        assert_eq!(told(&table.refresh().await.unwrap()), expected, "seed {seed}");
        assert_eq!(told(&table.snapshot().unwrap()), expected, "seed {seed}");
    }
}

#[tokio::test]
async fn a_lake_that_is_gone_keeps_nothing_of_its_tables() {
    let (store, clock) = (store(Plan::default()), Clock::wall());
    made(&store, &clock).await;
    let lake = Lake::with_store(store, Url::parse("memory:///lake").unwrap(), clock);
    let table = lake.table("t").unwrap();
    table.refresh().await.unwrap();
    let known = Arc::downgrade(&table);
    drop((table, lake));
    assert!(known.upgrade().is_none());
}
