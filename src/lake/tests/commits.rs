//! Making, changing and appending to tables: exactly once, whatever the store answers and whoever else is at it.

use object_store::memory::InMemory;
use url::Url;

use super::super::fault_store::{Fault, FaultStore};
use super::*;
use crate::error::{Kind, Result};

async fn in_memory() -> (Arc<FaultStore>, Lake, Arc<Table>) {
    let store = Arc::new(FaultStore::new(Arc::new(InMemory::new())));
    let lake = Lake::with_store(store.clone(), Url::parse("memory:///lake").unwrap(), Clock::wall());
    let table = lake.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    (store, lake, table)
}

#[tokio::test]
async fn a_table_is_made_filled_widened_and_opened_again() {
    let folder = TempDir::new().unwrap();
    let lake = open(&folder).await;
    lake.check().await.unwrap();
    let table = lake.table("events").unwrap();
    assert_eq!(table.refresh().await.unwrap().version(), None);

    table.create(id_and_kind(), &[], "events").await.unwrap();
    let again = table.create(id_and_kind(), &[], "events").await.unwrap_err();
    assert_eq!(again.kind(), Kind::Duplicate);
    assert_eq!(append(&table, batch(0..3, "a")).await, Committed::At(1));

    let more = [Field::new("id", DataType::Int64, true), Field::new("n", DataType::Float64, false)];
    let wider = table.evolve(&more, &[]).await.unwrap();
    assert_eq!(wider.version(), Some(2));
    assert_eq!(table.evolve(&more, &[]).await.unwrap().version(), Some(2));
    assert!(wider.schema().field_with_name("n").unwrap().is_nullable());
    append(&table, batch(3..5, "b")).await;

    let other = open(&folder).await.table("events").unwrap();
    let snapshot = other.refresh().await.unwrap();
    assert_eq!(snapshot.version(), Some(3));
    assert_eq!(snapshot.totals().rows, 5);
    assert_eq!(snapshot.totals().files, 2);
    assert_eq!(snapshot.schema(), wider.schema());
    assert!(snapshot.last_commit().is_some());
    assert_eq!(count(&other).await, 5);
    assert_eq!(std::path::Path::new(&lake.url_of("events")), folder.path().canonicalize().unwrap().join("events"));
}

#[tokio::test]
async fn a_column_keeps_its_type() {
    let (_, _, table) = in_memory().await;
    let error = table.evolve(&[Field::new("id", DataType::Utf8, true)], &[]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
    let error = table.evolve(&[Field::new("ID", DataType::Int64, true)], &[]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_committers_through_two_handles_commit_each_once() {
    const COMMITS_EACH: i64 = 12;
    let folder = TempDir::new().unwrap();
    let lakes = [open(&folder).await, open(&folder).await];
    lakes[0].table("t").unwrap().create(id_and_kind(), &[], "t").await.unwrap();

    let committers = (0..8i64).map(|committer| {
        let table = lakes[(committer % 2) as usize].table("t").unwrap();
        tokio::spawn(async move {
            let mut versions = Vec::new();
            for n in 1..=COMMITS_EACH {
                let first_id = committer * 1000 + n;
                let adds = files(&table, batch(first_id..first_id + 1, "x")).await;
                let commit = commit_of(adds, Some((&format!("job-{committer}"), n)));
                let Committed::At(version) = table.commit(commit.clone()).await.unwrap() else { panic!("the first time is not a repeat") };
                assert_eq!(table.commit(commit).await.unwrap(), Committed::Already);
                versions.push(version);
            }
            versions
        })
    });
    let mut versions: Vec<_> = futures::future::join_all(committers).await.into_iter().flat_map(|done| done.unwrap()).collect();
    versions.sort_unstable();
    assert_eq!(versions, (1..=8 * COMMITS_EACH).collect::<Vec<_>>());

    let table = open(&folder).await.table("t").unwrap();
    assert_eq!(table.refresh().await.unwrap().transaction("job-3"), Some(COMMITS_EACH));
    assert_eq!(
        query(&table, "select count(*) as n, count(distinct id) as ids from t").await,
        query(&table, "select 96 as n, 96 as ids").await
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_evolutions_converge() {
    let folder = TempDir::new().unwrap();
    let lakes = [open(&folder).await, open(&folder).await];
    let tasks = (0..6).map(|n| {
        let table = lakes[n % 2].table("t").unwrap();
        let wanted = [Field::new("id", DataType::Int64, true), Field::new(format!("c{}", n % 3), DataType::Utf8, true)];
        tokio::spawn(async move { table.evolve(&wanted, &["id".to_string()]).await.unwrap() })
    });
    futures::future::join_all(tasks).await.into_iter().for_each(|done| drop(done.unwrap()));
    let snapshot = lakes[0].table("t").unwrap().refresh().await.unwrap();
    let mut names: Vec<_> = snapshot.schema().fields().iter().map(|field| field.name().as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["c0", "c1", "c2", "id"]);
    assert_eq!(snapshot.partition_columns(), ["id"]);
    assert_eq!(snapshot.version(), Some(2));
}

#[tokio::test]
async fn a_lost_answer_does_not_repeat_the_commit() {
    for fault in [Fault::LostAnswer, Fault::OwnConflict, Fault::FalseConflict] {
        let (store, lake, table) = in_memory().await;
        let adds = files(&table, batch(0..4, "a")).await;
        store.play(&[fault]);
        assert_eq!(table.commit(commit_of(adds, None)).await.unwrap(), Committed::At(1), "{fault:?}");
        append(&table, batch(4..5, "b")).await;

        let other = Lake::with_store(lake.store().clone(), Url::parse("memory:///lake").unwrap(), Clock::wall()).table("t").unwrap();
        assert_eq!(other.refresh().await.unwrap().version(), Some(2), "{fault:?}");
        assert_eq!(count(&other).await, 5, "{fault:?}");
    }
}

#[tokio::test]
async fn a_commit_that_failed_can_be_repeated() {
    let (store, _, table) = in_memory().await;
    let commit = commit_of(files(&table, batch(0..4, "a")).await, Some(("job", 7)));
    store.play(&[Fault::Refused]);
    assert_eq!(table.commit(commit.clone()).await.unwrap_err().kind(), Kind::Unavailable);

    let kept = serde_json::to_string(&commit.adds).unwrap();
    let repeated = Commit { adds: serde_json::from_str(&kept).unwrap(), ..commit.clone() };
    assert_eq!(table.commit(repeated.clone()).await.unwrap(), Committed::At(1));
    assert_eq!(table.commit(repeated).await.unwrap(), Committed::Already);
    let older = commit_of(commit.adds, Some(("job", 6)));
    assert_eq!(table.commit(older).await.unwrap(), Committed::Already);
    assert_eq!(count(&table).await, 4);
}

/// By then a vacuum may have taken the files. What a manifest names it does not take.
#[tokio::test]
async fn files_that_nothing_names_are_not_committed_when_they_are_old() {
    let clock = Clock::mock(chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap());
    let lake = Lake::with_store(Arc::new(InMemory::new()), Url::parse("memory:///lake").unwrap(), clock.clone());
    let table = lake.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    append(&table, batch(0..1, "a")).await;
    let (early, named) = (files(&table, batch(1..2, "b")).await, files(&table, batch(2..3, "c")).await);
    clock.advance(std::time::Duration::from_secs(23 * 3600));
    table.commit(commit_of(early.clone(), None)).await.unwrap();
    clock.advance(std::time::Duration::from_secs(2 * 3600));
    assert_eq!(table.commit(commit_of(early.clone(), None)).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(table.commit(commit_of(named, Some(("job", 1)))).await.unwrap(), Committed::At(3));

    let turn = table.rewriting_turn().await;
    let base = table.refresh().await.unwrap();
    let removes = base.data_files().take(1).map(|file| file.removed(&base)).collect::<Result<_>>().unwrap();
    let rewrite = Rewrite { removes, adds: early, transaction: None, operation: Operation::Update };
    assert_eq!(turn.commit(&base, rewrite.clone()).await.unwrap_err().kind(), Kind::Unavailable);
    let young = files(&table, batch(5..6, "d")).await;
    assert_eq!(turn.commit(&base, Rewrite { adds: young, ..rewrite }).await.unwrap(), Rewritten::At(4));
}

#[tokio::test]
async fn a_repeat_by_another_handle_finds_the_winner_in_the_log() {
    let (_, lake, table) = in_memory().await;
    let other = Lake::with_store(lake.store().clone(), Url::parse("memory:///lake").unwrap(), Clock::wall()).table("t").unwrap();
    other.refresh().await.unwrap();
    let commit = commit_of(files(&table, batch(0..4, "a")).await, Some(("job", 1)));
    assert_eq!(table.commit(commit.clone()).await.unwrap(), Committed::At(1));
    assert_eq!(other.commit(commit).await.unwrap(), Committed::Already);
}

#[tokio::test]
async fn a_commit_costs_the_same_whatever_the_number_of_files() {
    let (store, _, table) = in_memory().await;
    let mut costs = Vec::new();
    for n in 0..300 {
        let commit = commit_of(files(&table, batch(n..n + 1, "a")).await, Some(("job", n)));
        let before = store.operations();
        table.commit(commit).await.unwrap();
        costs.push(store.operations() - before);
    }
    assert!(costs.iter().all(|cost| *cost == 1), "{costs:?}");
    let snapshot = table.snapshot().unwrap();
    assert_eq!(snapshot.totals().files, 300);
    assert!(snapshot.files().chunks().len() <= 9, "{}", snapshot.files().chunks().len());
}

#[tokio::test]
async fn what_cannot_be_written_is_refused() {
    let (_, lake, table) = in_memory().await;
    let snapshot = table.refresh().await.unwrap();
    let stranger = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    assert_eq!(table.writer(&snapshot, FILE_BYTES).unwrap().write(stranger).await.unwrap_err().kind(), Kind::Invalid);

    let strict = lake.table("strict").unwrap();
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, false)]));
    let snapshot = strict.create(schema, &[], "strict").await.unwrap();
    let nulls = RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from(vec![None::<i64>])) as ArrayRef)]).unwrap();
    assert_eq!(strict.writer(&snapshot, FILE_BYTES).unwrap().write(nulls).await.unwrap_err().kind(), Kind::Data);

    let error = lake.table("p").unwrap().evolve(&[Field::new("a", DataType::Utf8, true)], &["b".to_string()]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Invalid);
}

#[tokio::test]
async fn a_table_may_have_any_name() {
    let folder = TempDir::new().unwrap();
    let root = TempDir::with_prefix_in("la ke#%20", folder.path()).unwrap();
    let lake = open(&root).await;
    for name in ["100% ünï#1?", "a b/c:d", "%2F"] {
        let table = lake.table(name).unwrap();
        table.create(id_and_kind(), &["kind".to_string()], name).await.unwrap();
        append(&table, batch(0..3, "x/y")).await;
        assert_eq!(count(&table).await, 3, "{name}");
        assert!(std::path::Path::new(&lake.url_of(table.location())).join("_delta_log").is_dir(), "{name}");
    }
}
