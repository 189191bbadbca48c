//! What a checkpoint keeps, what it costs to open a table that has one, and commits of others in between.

use std::collections::BTreeSet;
use std::fs::File;

use arrow::array::{Array, StructArray};
use arrow::json::LineDelimitedWriter;
use object_store::memory::InMemory;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::lake::fault_store::FaultStore;

fn commit_path(folder: &TempDir, version: i64) -> std::path::PathBuf {
    folder.path().join(format!("t/_delta_log/{version:020}.json"))
}

fn checkpoint_path(folder: &TempDir, version: i64) -> std::path::PathBuf {
    folder.path().join(format!("t/_delta_log/{version:020}.checkpoint.parquet"))
}

/// The actions of a checkpoint as JSON, without nulls.
fn actions(folder: &TempDir, version: i64) -> Vec<Value> {
    let file = File::open(checkpoint_path(folder, version)).unwrap();
    let mut lines = LineDelimitedWriter::new(Vec::new());
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        lines.write(&batch.unwrap()).unwrap();
    }
    lines.finish().unwrap();
    String::from_utf8(lines.into_inner()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn texts<'a>(actions: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    actions.into_iter().map(Value::to_string).collect()
}

#[tokio::test]
async fn opening_costs_the_checkpoint_and_a_few_commits() {
    for commits in [10i64, 250] {
        let store = Arc::new(FaultStore::new(Arc::new(InMemory::new())));
        let lake = || Lake::with_store(store.clone(), Url::parse("memory:///lake").unwrap(), Clock::wall());
        let table = lake().table("t").unwrap();
        table.create(id_and_kind(), &[], "t").await.unwrap();
        for n in 1..commits {
            append(&table, batch(n..n + 1, "a")).await;
        }
        let made = table.checkpoint().await.unwrap().unwrap();
        assert_eq!((made.version, made.files), (commits - 1, commits as u64 - 1));
        for n in 0..3 {
            append(&table, batch(n..n + 1, "b")).await;
        }
        let before = store.operations();
        let opened = lake().table("t").unwrap().refresh().await.unwrap();
        assert_eq!(store.operations() - before, 1 + 1 + 1 + 3, "the hint, a list, the checkpoint, three commits");
        assert_eq!(opened.totals(), table.snapshot().unwrap().totals());
    }
}

#[tokio::test]
async fn a_checkpoint_is_written_when_it_is_due() {
    let folder = TempDir::new().unwrap();
    let table = open(&folder).await.table("t").unwrap();
    assert_eq!(table.checkpoint_if_due().await.unwrap(), None);
    table.create(id_and_kind(), &[], "t").await.unwrap();
    for n in 0..98 {
        append(&table, batch(n..n + 1, "a")).await;
    }
    assert_eq!(table.checkpoint_if_due().await.unwrap(), None);
    append(&table, batch(98..99, "a")).await;
    assert_eq!(table.checkpoint_if_due().await.unwrap().map(|made| made.version), Some(99));
    assert_eq!(table.checkpoint_if_due().await.unwrap(), None);
    assert_eq!(table.last_checkpoint(), Some(99));
    let hint: Value = serde_json::from_slice(&std::fs::read(folder.path().join("t/_delta_log/_last_checkpoint")).unwrap()).unwrap();
    assert_eq!((&hint["version"], &hint["numOfAddFiles"], &hint["size"]), (&json!(99), &json!(99), &json!(101)));
}

#[tokio::test]
async fn what_we_have_no_name_for_is_kept() {
    let folder = TempDir::new().unwrap();
    let clock = Clock::mock(Clock::wall().now());
    let table = open_at(folder.path(), &clock).await.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    append(&table, batch(0..1, "a")).await;
    let now = clock.now().timestamp_millis();
    let add = |path: &str| {
        json!({"add": {"path": path, "partitionValues": {}, "size": 5, "modificationTime": 1, "dataChange": true,
        "stats": "{\"numRecords\":7}", "tags": {"INSERTION_TIME": "1"}, "clusteringProvider": "theirs"}})
    };
    let remove = |path: &str, time: i64| {
        json!({"remove": {"path": path, "deletionTimestamp": time, "dataChange": true,
        "extendedFileMetadata": true, "partitionValues": {}, "size": 5, "tags": {"a": "b"}}})
    };
    let domain = |name: &str, removed: bool| json!({"domainMetadata": {"domain": name, "configuration": "{}", "removed": removed}});
    let commits = [
        vec![
            json!({"commitInfo": {"operation": "WRITE"}}),
            add("x%20y.parquet"),
            add("z.parquet"),
            domain("kept", false),
            domain("gone", false),
        ],
        vec![remove("z.parquet", now), remove("old.parquet", now - 8 * 24 * 3_600_000), domain("gone", true)],
    ];
    for (nth, commit) in commits.iter().enumerate() {
        let lines = commit.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        std::fs::write(commit_path(&folder, 2 + nth as i64), lines).unwrap();
    }
    table.checkpoint().await.unwrap();
    let first = actions(&folder, 3);
    let expected = [add("x%20y.parquet"), remove("z.parquet", now), domain("kept", false)];
    let of_theirs = |action: &&Value| expected.iter().any(|theirs| theirs == *action);
    assert_eq!(texts(first.iter().filter(of_theirs)), texts(&expected), "{first:#?}");
    assert_eq!(first.len(), expected.len() + 3, "protocol, metadata and our own file: {first:#?}");

    // What was not touched since goes from checkpoint to checkpoint, until tombstones expire.
    append(&table, batch(1..2, "a")).await;
    table.checkpoint().await.unwrap();
    let second = actions(&folder, 4);
    assert!(texts(&second).is_superset(&texts(&first)));
    assert_eq!(second.len(), first.len() + 1);
    clock.advance(std::time::Duration::from_secs(8 * 24 * 3600));
    append(&table, batch(2..3, "a")).await;
    table.checkpoint().await.unwrap();
    assert_eq!(actions(&folder, 5).len(), second.len() + 1 - 1);
}

#[tokio::test]
async fn columns_of_another_engine_go_on_and_its_statistics_become_text() {
    let folder = TempDir::new().unwrap();
    let table = open(&folder).await.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    append(&table, batch(3..9, "a")).await;
    append(&table, batch(20..30, "b")).await;
    table.checkpoint().await.unwrap();
    let expected = describe(&open(&folder).await.table("t").unwrap().refresh().await.unwrap(), &[]);

    // As an engine writes it that keeps statistics as a struct alone, and actions that nobody else knows.
    let file = File::open(checkpoint_path(&folder, 2)).unwrap();
    let batches: Vec<_> = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap().map(Result::unwrap).collect();
    let changed: Vec<_> = batches.iter().map(as_another_engine_has_it).collect();
    let mut writer = ArrowWriter::try_new(File::create(checkpoint_path(&folder, 2)).unwrap(), changed[0].schema(), None).unwrap();
    changed.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
    assert_eq!(describe(&open(&folder).await.table("t").unwrap().refresh().await.unwrap(), &[]), expected);

    table.evolve(&[Field::new("more", DataType::Utf8, true)], &[]).await.unwrap();
    table.checkpoint().await.unwrap();
    let copied = actions(&folder, 3);
    let earlier: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(copied.iter().filter(|action| action["someday"]["what"] == "kept").count(), earlier - 1, "all but the metadata");
    let stats: Vec<_> = copied.iter().filter_map(|action| action["add"]["stats"].as_str()).collect();
    assert!(stats.iter().any(|stats| stats.contains("\"numRecords\":6") && stats.contains("\"id\":3")), "{stats:?}");
    assert_eq!(files_read(&open(&folder).await.table("t").unwrap(), "select * from t where id = 25").await, 1);
}

/// With `add.stats` as a struct, and a column more.
fn as_another_engine_has_it(batch: &RecordBatch) -> RecordBatch {
    let add = batch.column_by_name("add").unwrap().as_any().downcast_ref::<StructArray>().unwrap();
    let stats = arrow::array::AsArray::as_string::<i32>(add.column_by_name("stats").unwrap());
    let bounds = DataType::Struct(id_and_kind().fields().clone());
    let fields = vec![
        Field::new("numRecords", DataType::Int64, true),
        Field::new("minValues", bounds.clone(), true),
        Field::new("maxValues", bounds, true),
        Field::new("nullCount", DataType::Struct(["id", "kind"].map(|name| Field::new(name, DataType::Int64, true)).to_vec().into()), true),
    ];
    let mut decoder = arrow::json::ReaderBuilder::new(Arc::new(Schema::new(fields))).build_decoder().unwrap();
    for text in stats {
        decoder.decode(format!("{}\n", text.unwrap_or("{}")).as_bytes()).unwrap();
    }
    let parsed: StructArray = decoder.flush().unwrap().unwrap().into();
    let (fields, mut columns, nulls) = add.clone().into_parts();
    let index = fields.find("stats").unwrap().0;
    let mut fields: Vec<_> = fields.iter().cloned().collect();
    fields[index] = Arc::new(Field::new("stats_parsed", parsed.data_type().clone(), true));
    columns[index] = Arc::new(parsed);
    let add: ArrayRef = Arc::new(StructArray::try_new(fields.into(), columns, nulls).unwrap());
    let what: ArrayRef = Arc::new(StringArray::from(vec!["kept"; batch.num_rows()]));
    let someday: ArrayRef = Arc::new(StructArray::from(vec![(Arc::new(Field::new("what", DataType::Utf8, true)), what)]));
    let kept = ["protocol", "metaData", "txn", "remove"].map(|name| (name, batch.column_by_name(name).unwrap().clone(), true));
    RecordBatch::try_from_iter_with_nullable(kept.into_iter().chain([("add", add, true), ("someday", someday, true)])).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_we_delete_stay_deleted_when_the_library_optimizes_meanwhile() {
    let folder = TempDir::new().unwrap();
    let table = open(&folder).await.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    append(&table, batch(0..10, "a")).await;
    append(&table, batch(10..20, "a")).await;
    let base = table.refresh().await.unwrap();
    let turn = table.rewriting_turn().await;
    let without_last = |base: &Snapshot, table: Arc<Table>, left: i64| {
        let removes = vec![base.data_files().next().unwrap().removed(base).unwrap()];
        async move { Rewrite { removes, adds: files(&table, batch(0..left, "a")).await, transaction: None, operation: Operation::Delete } }
    };
    let prepared = without_last(&base, table.clone(), 9).await;
    // It only moves rows, and says so: its own checker would let our commit pass, and the rows would be there twice.
    super::super::changes::theirs(&folder).await.optimize().await.unwrap();
    assert_eq!(turn.commit(&base, prepared).await.unwrap(), Rewritten::Overtaken);
    assert_eq!(count(&table).await, 20);
    let base = table.refresh().await.unwrap();
    let again = without_last(&base, table.clone(), 19).await;
    assert!(matches!(turn.commit(&base, again).await.unwrap(), Rewritten::At(_)));
    assert_eq!(count(&open(&folder).await.table("t").unwrap()).await, 19);
}

#[tokio::test]
async fn a_checkpoint_does_not_bring_a_purged_table_back() {
    use super::super::super::log::tail::LogTail;

    let folder = TempDir::new().unwrap();
    let lake = open(&folder).await;
    let table = lake.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    let mut tail = LogTail::new(0);
    tail.add(&std::fs::read(commit_path(&folder, 0)).unwrap().into()).unwrap();
    lake.purge("t").await.unwrap();
    let error = table.log.write_checkpoint(0, None, tail).await.unwrap_err();
    assert_eq!(error.kind(), crate::error::Kind::State);
    assert_eq!(lake.table("t").unwrap().refresh().await.unwrap().version(), None);
}

#[tokio::test]
async fn a_table_that_we_may_not_write_gets_no_checkpoint_and_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let clock = Clock::mock(Clock::wall().now());
    let table = open_at(folder.path(), &clock).await.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    append(&table, batch(0..4, "a")).await;
    files(&table, batch(0..4, "orphan")).await;
    let protocol = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["rowTracking","appendOnly"]}}"#;
    std::fs::write(commit_path(&folder, 2), protocol).unwrap();
    clock.advance(std::time::Duration::from_secs(100 * 24 * 3600));
    assert_eq!(table.checkpoint().await.unwrap(), None);
    assert_eq!(table.clean_log(None).await.unwrap(), 0);
    assert_eq!(table.vacuum(&Spared::default()).await.unwrap(), Vacuumed::default());
}
