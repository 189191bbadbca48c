//! Logs that are broken in one way each: refused by the name of the object, or read as if that were not there.

use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::error::{Error, Kind, Result};

const LOG: &str = "lake/t/_delta_log";

fn lake_in(store: Arc<dyn object_store::ObjectStore>) -> Lake {
    Lake::with_store(store, Url::parse("memory:///lake").unwrap(), Clock::wall())
}

/// A table that is partitioned by a number.
async fn made() -> (Lake, Arc<Table>) {
    let lake = lake_in(Arc::new(InMemory::new()));
    let table = lake.table("t").unwrap();
    table.create(id_and_kind(), &["id".to_string()], "t").await.unwrap();
    (lake, table)
}

/// As one sees it who opens it.
async fn opened(lake: &Lake) -> Result<Arc<Snapshot>> {
    lake_in(lake.store().clone()).table("t").unwrap().refresh().await
}

async fn put(lake: &Lake, name: &str, lines: &[Value]) {
    put_text(lake, name, lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")).await;
}

async fn put_text(lake: &Lake, name: &str, text: String) {
    lake.store().put(&Path::from(format!("{LOG}/{name}")), text.into_bytes().into()).await.unwrap();
}

/// The lines with which the table was made.
async fn about_table(lake: &Lake) -> Vec<Value> {
    let first = lake.store().get(&Path::from(format!("{LOG}/{}", commit(0)))).await.unwrap().bytes().await.unwrap();
    let lines = std::str::from_utf8(&first).unwrap().lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line.get("commitInfo").is_none()).collect()
}

fn commit(version: i64) -> String {
    format!("{version:020}.json")
}

fn checkpoint(version: i64) -> String {
    format!("{version:020}.checkpoint.own.json")
}

fn add(path: &str, size: i64) -> Value {
    json!({"add": {"path": path, "partitionValues": {"id": "1"}, "size": size, "modificationTime": 0, "dataChange": true}})
}

fn with(mut add: Value, name: &str, value: Value) -> Value {
    add["add"][name] = value;
    add
}

fn is_named(error: &Error, name: &str) -> bool {
    error.detail().is_some_and(|detail| detail.starts_with(&format!("in {LOG}/{name}")))
}

#[tokio::test]
async fn what_is_wrong_with_a_commit_is_told_with_its_name() {
    let elsewhere = json!({"storageType": "p", "pathOrInlineDv": "s3://bucket/x", "offset": 1, "sizeInBytes": 1, "cardinality": 1});
    let no_schema = json!({"metaData": {"id": "x", "format": {"provider": "parquet"}, "schemaString": "{}"}});
    let cases = [
        ("{\"add\":".to_string(), Kind::Data),
        (add("f", -1).to_string(), Kind::Data),
        (add("", 1).to_string(), Kind::Data),
        (add("%2F", 1).to_string(), Kind::Data),
        (with(add("f", 1), "partitionValues", json!({"id": "x"})).to_string(), Kind::Data),
        (no_schema.to_string(), Kind::Data),
        (add("s3://bucket/x", 1).to_string(), Kind::Unsupported),
        (with(add("f", 1), "deletionVector", elsewhere).to_string(), Kind::Unsupported),
    ];
    for (text, kind) in cases {
        let (lake, table) = made().await;
        put_text(&lake, &commit(1), text.clone()).await;
        for error in [table.refresh().await.unwrap_err(), opened(&lake).await.unwrap_err()] {
            assert!(error.kind() == kind && is_named(&error, &commit(1)), "{text}: {error:?}");
        }
        assert_eq!(table.snapshot().unwrap().version(), Some(0), "{text}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_checkpoint_is_told_with_its_name() {
    let (lake, _) = made().await;
    let about_table = about_table(&lake).await;
    put(&lake, &checkpoint(0), &[about_table.clone(), vec![add("", 1)]].concat()).await;
    let error = opened(&lake).await.unwrap_err();
    assert!(error.kind() == Kind::Data && is_named(&error, &checkpoint(0)), "{error:?}");

    let sidecar = json!({"sidecar": {"path": "s.parquet"}});
    put(&lake, &checkpoint(0), &[about_table, vec![sidecar]].concat()).await;
    put_text(&lake, "_sidecars/s.parquet", "PAR1 and no more PAR1".to_string()).await;
    let error = opened(&lake).await.unwrap_err();
    assert!(error.kind() == Kind::Data && is_named(&error, "_sidecars/s.parquet"), "{error:?}");
}

#[tokio::test]
async fn a_log_that_does_not_say_what_the_table_is_is_refused() {
    let (lake, _) = made().await;
    let (protocol, metadata): (Vec<_>, Vec<_>) = about_table(&lake).await.into_iter().partition(|line| line.get("protocol").is_some());
    assert_eq!((protocol.len(), metadata.len()), (1, 1));
    for name in [commit(0), checkpoint(0)] {
        put(&lake, &name, &protocol).await;
        let error = opened(&lake).await.unwrap_err();
        assert!(error.kind() == Kind::Data && is_named(&error, &name), "{error:?}");
        assert_eq!(error.message(), "the table's log does not say what the table is");
    }
}

#[tokio::test]
async fn the_last_of_all_versions_cannot_be_had() {
    let (lake, _) = made().await;
    let about_table = about_table(&lake).await;
    put(&lake, &checkpoint(i64::MAX - 1), &about_table).await;
    let table = lake_in(lake.store().clone()).table("t").unwrap();
    for _ in 0..2 {
        assert_eq!(table.refresh().await.unwrap().version(), Some(i64::MAX - 1));
    }
    put(&lake, &commit(i64::MAX), &[add("f", 1)]).await;
    for error in [table.refresh().await.unwrap_err(), opened(&lake).await.unwrap_err()] {
        assert!(error.kind() == Kind::Data && is_named(&error, &commit(i64::MAX)), "{error:?}");
    }
    put(&lake, &checkpoint(i64::MAX), &about_table).await;
    let error = opened(&lake).await.unwrap_err();
    assert!(error.kind() == Kind::Data && is_named(&error, &checkpoint(i64::MAX)), "{error:?}");
}

#[tokio::test]
async fn a_sidecar_that_names_itself_is_read_once() {
    let (lake, _) = made().await;
    let files = [add("a", 1), add("b", 1)];
    let sidecar = json!({"sidecar": {"path": "s.json", "sizeInBytes": 1, "modificationTime": 0}});
    put(&lake, &commit(1), &files).await;
    put(&lake, &checkpoint(1), &[about_table(&lake).await, vec![sidecar.clone(), sidecar.clone()]].concat()).await;
    // Readers look for files there, and for nothing else.
    let strangers = vec![sidecar, json!({"txn": {"appId": "nobody", "version": 1}})];
    put(&lake, "_sidecars/s.json", &[files.to_vec(), strangers].concat()).await;
    put(&lake, &commit(2), &[add("c", 1)]).await;
    assert_eq!(opened(&lake).await.unwrap().totals().files, 3);

    let made = lake_in(lake.store().clone()).table("t").unwrap().checkpoint().await.unwrap().unwrap();
    assert_eq!((made.version, made.files), (2, 3));
    let again = opened(&lake).await.unwrap();
    assert_eq!((again.totals().files, again.transaction("nobody")), (3, None));
}

#[tokio::test]
async fn a_file_that_a_commit_adds_twice_counts_once() {
    for info in [json!({"operation": "WRITE"}), json!({"operation": "WRITE", "lakewireCommitId": "x"})] {
        let (lake, table) = made().await;
        put(&lake, &commit(1), &[json!({"commitInfo": info}), add("a%20b", 5), add("c", 1), add("a b", 7)]).await;
        let totals = table.refresh().await.unwrap().totals();
        assert_eq!((totals.files, totals.bytes), (2, 8));
        assert_eq!(opened(&lake).await.unwrap().totals(), totals);
        table.checkpoint().await.unwrap();
        assert_eq!(opened(&lake).await.unwrap().totals(), totals);
    }
}
