//! Commits that remove files: never against a file that is gone, never half, whoever else is at it.

use object_store::memory::InMemory;
use url::Url;

use super::super::fault_store::{Fault, FaultStore};
use super::*;
use crate::error::Kind;

async fn in_memory() -> (Arc<FaultStore>, Lake, Arc<Table>) {
    let store = Arc::new(FaultStore::new(Arc::new(InMemory::new())));
    let lake = Lake::with_store(store.clone(), Url::parse("memory:///lake").unwrap(), Clock::wall());
    let table = lake.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    (store, lake, table)
}

/// The same table through another server's eyes.
fn elsewhere(lake: &Lake) -> Arc<Table> {
    Lake::with_store(lake.store().clone(), Url::parse("memory:///lake").unwrap(), Clock::wall()).table("t").unwrap()
}

/// Puts other rows in the place of the file that was added `nth`.
async fn replacement(table: &Arc<Table>, base: &Snapshot, nth: usize, rows: RecordBatch) -> Rewrite {
    let removes = vec![base.data_files().nth(nth).unwrap().removed(base).unwrap()];
    Rewrite { removes, adds: files(table, rows).await, transaction: None, operation: Operation::Update }
}

#[tokio::test]
async fn of_two_removers_of_one_file_one_is_overtaken_and_writes_nothing() {
    let (_, lake, table) = in_memory().await;
    append(&table, batch(0..10, "a")).await;
    let other = elsewhere(&lake);
    let (ours, theirs) = (table.refresh().await.unwrap(), other.refresh().await.unwrap());

    let turn = table.rewriting_turn().await;
    let their_turn = other.rewriting_turn().await;
    let rewrite = replacement(&table, &ours, 0, batch(0..7, "ours")).await;
    let lost = replacement(&other, &theirs, 0, batch(0..3, "theirs")).await;
    assert_eq!(turn.commit(&ours, rewrite).await.unwrap(), Rewritten::At(2));
    assert_eq!(their_turn.commit(&theirs, lost).await.unwrap(), Rewritten::Overtaken);
    assert_eq!(count(&other).await, 7);

    let again = other.refresh().await.unwrap();
    let rewrite = replacement(&other, &again, 0, batch(0..3, "theirs")).await;
    assert_eq!(their_turn.commit(&again, rewrite).await.unwrap(), Rewritten::At(3));
    assert_eq!(count(&table).await, 3);
}

#[tokio::test]
async fn appends_pass_a_rewrite_and_are_kept() {
    let (_, lake, table) = in_memory().await;
    append(&table, batch(0..10, "a")).await;
    let base = table.refresh().await.unwrap();
    let turn = table.rewriting_turn().await;
    let rewrite = replacement(&table, &base, 0, batch(0..4, "b")).await;
    append(&table, batch(10..15, "same server")).await;
    append(&elsewhere(&lake), batch(15..20, "another")).await;
    assert_eq!(turn.commit(&base, rewrite).await.unwrap(), Rewritten::At(4));
    assert_eq!(count(&table).await, 14);
    assert_eq!(count(&elsewhere(&lake)).await, 14, "the log says the same to somebody who reads it from the start");
}

#[tokio::test]
async fn who_only_adds_after_having_looked_is_overtaken_too() {
    let (_, lake, table) = in_memory().await;
    append(&table, batch(0..10, "a")).await;
    let other = elsewhere(&lake);
    let (ours, theirs) = (table.refresh().await.unwrap(), other.refresh().await.unwrap());
    let insert = |adds| Rewrite { removes: vec![], adds, transaction: None, operation: Operation::Merge };
    let (first, second) = (insert(files(&table, batch(10..11, "x")).await), insert(files(&other, batch(10..11, "x")).await));
    assert_eq!(table.rewriting_turn().await.commit(&ours, first).await.unwrap(), Rewritten::At(2));
    assert_eq!(other.rewriting_turn().await.commit(&theirs, second).await.unwrap(), Rewritten::Overtaken);
    assert_eq!(count(&other).await, 11);
}

#[tokio::test]
async fn a_lost_answer_does_not_repeat_a_rewrite() {
    for fault in [Fault::LostAnswer, Fault::OwnConflict, Fault::FalseConflict] {
        let (store, lake, table) = in_memory().await;
        append(&table, batch(0..10, "a")).await;
        let base = table.refresh().await.unwrap();
        let rewrite = replacement(&table, &base, 0, batch(0..4, "b")).await;
        store.play(&[fault]);
        assert_eq!(table.rewriting_turn().await.commit(&base, rewrite).await.unwrap(), Rewritten::At(2), "{fault:?}");
        assert_eq!(count(&elsewhere(&lake)).await, 4, "{fault:?}");
    }
}

#[tokio::test]
async fn a_rewrite_that_failed_can_be_repeated_with_its_transaction() {
    let (store, _, table) = in_memory().await;
    append(&table, batch(0..10, "a")).await;
    let base = table.refresh().await.unwrap();
    let transaction = Some(AppTransaction { app_id: "job".into(), version: 1 });
    let rewrite = Rewrite { transaction, ..replacement(&table, &base, 0, batch(0..4, "b")).await };
    let turn = table.rewriting_turn().await;
    store.play(&[Fault::Refused]);
    assert_eq!(turn.commit(&base, rewrite.clone()).await.unwrap_err().kind(), Kind::Unavailable);
    assert_eq!(turn.commit(&base, rewrite.clone()).await.unwrap(), Rewritten::At(2));
    assert_eq!(turn.commit(&base, rewrite).await.unwrap(), Rewritten::Already);
    assert_eq!(count(&table).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_removers_and_appenders_lose_no_row() {
    const ROUNDS: i64 = 8;
    let folder = TempDir::new().unwrap();
    let lakes = [open(&folder).await, open(&folder).await];
    let table = lakes[0].table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    for n in 0..4 {
        append(&table, batch(n * 100..n * 100 + 20, "a")).await;
    }
    // Each remover takes one row out of the first file that has more than one, so that in the end it is known how many are left.
    let removers = (0..2).map(|n| {
        let table = lakes[n].table("t").unwrap();
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                let turn = table.rewriting_turn().await;
                loop {
                    let base = table.refresh().await.unwrap();
                    let (nth, file) = base.data_files().enumerate().find(|(_, file)| file.rows() > Some(1)).unwrap();
                    let left = file.rows().unwrap() as i64 - 1;
                    let rewrite = replacement(&table, &base, nth, batch(0..left, "rewritten")).await;
                    if turn.commit(&base, rewrite).await.unwrap() != Rewritten::Overtaken {
                        break;
                    }
                }
            }
        })
    });
    let appenders = (0..2).map(|n| {
        let table = lakes[n].table("t").unwrap();
        tokio::spawn(async move {
            for _ in 0..ROUNDS {
                append(&table, batch(0..1, "appended")).await;
            }
        })
    });
    let tasks: Vec<_> = removers.collect::<Vec<_>>().into_iter().chain(appenders.collect::<Vec<_>>()).collect();
    futures::future::join_all(tasks).await.into_iter().for_each(|done| done.unwrap());
    let table = open(&folder).await.table("t").unwrap();
    assert_eq!(count(&table).await, 80 - 2 * ROUNDS + 2 * ROUNDS);
    assert_eq!(table.refresh().await.unwrap().version(), Some(4 + 4 * ROUNDS));
}

#[tokio::test]
async fn a_table_that_forbids_it_is_left_alone() {
    for (property, kind) in [("delta.appendOnly", Kind::State), ("delta.enableChangeDataFeed", Kind::Unsupported)] {
        let folder = TempDir::new().unwrap();
        let table = open(&folder).await.table("t").unwrap();
        table.create(id_and_kind(), &[], "t").await.unwrap();
        append(&table, batch(0..4, "a")).await;
        let log = folder.path().join("t/_delta_log");
        let first = std::fs::read_to_string(log.join("00000000000000000000.json")).unwrap();
        let metadata = first.lines().find(|line| line.contains("metaData")).unwrap();
        let mut action: serde_json::Value = serde_json::from_str(metadata).unwrap();
        action["metaData"]["configuration"][property] = "true".into();
        std::fs::write(log.join("00000000000000000002.json"), action.to_string()).unwrap();

        let base = table.refresh().await.unwrap();
        let rewrite = replacement(&table, &base, 0, batch(0..3, "b")).await;
        let error = table.rewriting_turn().await.commit(&base, rewrite).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:?}");
        assert!(error.detail().unwrap().contains(property), "{error:?}");
        assert_eq!(count(&table).await, 4);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_library_understands_what_was_removed() {
    let folder = TempDir::new().unwrap();
    let table = open(&folder).await.table("t").unwrap();
    table.create(id_and_kind(), &["kind".to_string()], "t").await.unwrap();
    for kind in ["a", "ünï/ç d%20?", "b"] {
        append(&table, batch(0..10, kind)).await;
    }
    let base = table.refresh().await.unwrap();
    let removes = base.data_files().filter(|file| file.rows() == Some(10)).skip(1).map(|file| file.removed(&base).unwrap()).collect();
    let rewrite = Rewrite { removes, adds: vec![], transaction: None, operation: Operation::Delete };
    assert_eq!(table.rewriting_turn().await.commit(&base, rewrite).await.unwrap(), Rewritten::At(4));
    let url = Url::from_directory_path(folder.path().join("t")).unwrap();
    let their = deltalake::DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap();
    assert_eq!(their.snapshot().unwrap().log_data().num_files(), 1);
    assert_eq!(
        query(&table, "select kind, count(*) as n from t group by 1").await,
        "+------+----+\n| kind | n  |\n+------+----+\n| a    | 10 |\n+------+----+"
    );
}
