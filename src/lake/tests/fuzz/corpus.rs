//! Logs to be mutated: one history, written by our own committer with a commit of another engine in it, and three ways to read it.
//!
//! Nothing in them is random, so that a seed gives the same mutants in every process.

use std::collections::BTreeMap;

use arrow::datatypes::TimeUnit;
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::{Value, json};
use url::Url;

use super::super::maintenance::describe;
use super::super::*;

/// The objects of a log, by their names below `_delta_log`.
pub type Objects = BTreeMap<String, Bytes>;

pub const APPLICATIONS: [&str; 2] = ["one", "two"];
pub const LAKE: &str = "memory:///lake";
const LOG: &str = "lake/t/_delta_log";
const CHECKPOINT: i64 = 4;
/// The commit that is not ours.
const THEIRS: i64 = 6;
const NEWEST: i64 = 8;
const START_SECONDS: i64 = 1_767_225_600;

/// A log as it was written.
pub struct Original {
    pub name: &'static str,
    pub objects: Objects,
    /// Commits up to this one are not read.
    pub checkpoint: Option<i64>,
    pub description: String,
}

pub async fn originals() -> Vec<Original> {
    let commits = written().await;
    let classic = summed_up(&commits).await;
    let v2 = with_sidecar(&commits, &classic);
    let logs = [("log alone", commits, None), ("checkpoint", classic, Some(CHECKPOINT)), ("checkpoint v2", v2, Some(CHECKPOINT))];
    let mut originals = Vec::new();
    for (name, objects, checkpoint) in logs {
        let snapshot = lake_of(&objects).await.table("t").unwrap().refresh().await.unwrap();
        originals.push(Original { name, objects, checkpoint, description: describe(&snapshot, &APPLICATIONS) });
    }
    originals
}

pub fn commit_name(version: i64) -> String {
    format!("{version:020}.json")
}

/// `None` for whatever is no commit.
pub fn commit_version(name: &str) -> Option<i64> {
    let digits = name.strip_suffix(".json").filter(|digits| digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}

/// A lake whose only table has this log.
pub async fn lake_of(objects: &Objects) -> Lake {
    let clock = Clock::mock(chrono::DateTime::from_timestamp(START_SECONDS, 0).unwrap());
    let lake = Lake::with_store(Arc::new(InMemory::new()), Url::parse(LAKE).unwrap(), clock);
    put(&lake, objects).await;
    lake
}

pub async fn put(lake: &Lake, objects: &Objects) {
    for (name, body) in objects {
        lake.store().put(&Path::parse(format!("{LOG}/{name}")).unwrap(), body.clone().into()).await.unwrap();
    }
}

async fn objects_of(lake: &Lake) -> Objects {
    let log = Path::from(LOG);
    let listed: Vec<_> = lake.store().list(Some(&log)).try_collect().await.unwrap();
    let mut objects = Objects::new();
    for object in listed {
        let body = lake.store().get(&object.location).await.unwrap().bytes().await.unwrap();
        objects.insert(object.location.to_string()[LOG.len() + 1..].to_string(), body);
    }
    objects
}

/// Adds, removes, transactions, columns that come later, and what another engine says.
async fn written() -> Objects {
    let lake = lake_of(&Objects::new()).await;
    let table = lake.table("t").unwrap();
    table.create(columns(), &["kind".to_string(), "day".to_string()], "t").await.unwrap();
    table.commit(commit_of(vec![file(0, Some("a")), file(1, Some("b c")), file(2, None)], Some(("one", 1)))).await.unwrap();
    table.evolve(&[Field::new("note", DataType::Utf8, true)], &[]).await.unwrap();
    table.commit(commit_of(vec![file(3, Some("a"))], Some(("two", 7)))).await.unwrap();
    rewrite(&table, 0, 4, None).await;
    table.commit(commit_of(vec![file(5, Some("ü/%20")), file(6, Some("a"))], Some(("one", 2)))).await.unwrap();
    put(&lake, &Objects::from([(commit_name(THEIRS), Bytes::from(theirs()))])).await;
    table.refresh().await.unwrap();
    table.evolve(&[Field::new("ratio", DataType::Float64, true)], &[]).await.unwrap();
    rewrite(&table, 3, 8, Some(("two", 8))).await;
    let objects = objects_of(&lake).await;
    assert!(objects.keys().map(|name| commit_version(name)).eq((0..=NEWEST).map(Some)), "{:?}", objects.keys());
    objects.into_iter().map(|(name, body)| (name, without_tokens(&body))).collect()
}

/// `price` has bounds only because it has few digits; `tags` has none.
fn columns() -> SchemaRef {
    let elements = DataType::List(Arc::new(Field::new("element", DataType::Utf8, true)));
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("kind", DataType::Utf8, true),
        Field::new("day", DataType::Date32, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("price", DataType::Decimal128(10, 2), true),
        Field::new("ok", DataType::Boolean, true),
        Field::new("tags", elements, true),
    ]))
}

fn path(number: i64) -> String {
    format!("kind=%25{number}/day=2026-01-0{}/part-0000{number}.snappy.parquet", number + 1)
}

/// A file that exists in the log only: data files are not the reader's.
fn file(number: i64, kind: Option<&str>) -> AddedFile {
    let stats = json!({
        "numRecords": 10,
        "minValues": {"id": number * 10, "at": "2026-01-01T00:00:00.000Z", "price": 1.25, "ok": false},
        "maxValues": {"id": number * 10 + 9, "at": "2026-01-01T23:59:59.999Z", "price": 99.5, "ok": true},
        "nullCount": {"id": 0, "at": 1, "price": 2, "ok": 3},
    });
    let add = json!({
        "path": path(number), "partitionValues": {"kind": kind, "day": format!("2026-01-0{}", number + 1)}, "size": 1000 + number,
        "modificationTime": START_SECONDS * 1000, "dataChange": true, "stats": stats.to_string(),
    });
    serde_json::from_value(add).unwrap()
}

async fn rewrite(table: &Arc<Table>, removed: i64, added: i64, transaction: Option<(&str, i64)>) {
    let base = table.refresh().await.unwrap();
    let is_meant = |file: &DataFile| file.chunk().spelled_path(0) == path(removed);
    let removes = vec![base.data_files().find(is_meant).unwrap().removed(&base).unwrap()];
    let Commit { adds, transaction, .. } = commit_of(vec![file(added, Some("a"))], transaction);
    let rewrite = Rewrite { removes, adds, transaction, operation: Operation::Update };
    assert!(matches!(table.rewriting_turn().await.commit(&base, rewrite).await.unwrap(), Rewritten::At(_)));
}

/// What we write none of: deletion vectors, tombstones that say little, another's settings, actions nobody knows, other line ends.
fn theirs() -> String {
    let vector = json!({"storageType": "u", "pathOrInlineDv": "ab^-aqEH.-t@S}K{vb[*k^", "offset": 4, "sizeInBytes": 40, "cardinality": 6});
    let mut protocol = json!({"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"]});
    protocol["writerFeatures"] = json!(["deletionVectors", "domainMetadata", "appendOnly", "invariants"]);
    let lines = [
        json!({"commitInfo": {"timestamp": START_SECONDS * 1000, "operation": "WRITE", "engineInfo": "another"}}),
        json!({"protocol": protocol}),
        json!({"remove": {"path": path(1), "dataChange": true}}),
        json!({"add": {"path": "part-7.parquet", "partitionValues": {"kind": "z", "day": ""}, "size": 7, "dataChange": true,
            "tags": {"INSERTION_TIME": "1"}, "deletionVector": vector}}),
        json!({"domainMetadata": {"domain": "theirs", "configuration": "{}", "removed": false}}),
        json!({"cdc": {"path": "_change_data/x.parquet", "partitionValues": {}, "size": 1, "dataChange": false}}),
    ];
    lines.map(|line| line.to_string()).join("\r\n")
}

/// Ids are drawn anew in each process; these are not.
fn without_tokens(body: &Bytes) -> Bytes {
    let mut text = String::from_utf8(body.to_vec()).unwrap();
    for (mark, token) in
        [(r#""lakewireCommitId":""#, "0123456789abcdef0123456789abcdef"), (r#""metaData":{"id":""#, "01234567-89ab-4def-8123-456789abcdef")]
    {
        let places: Vec<usize> = text.match_indices(mark).map(|(at, _)| at + mark.len()).collect();
        places.into_iter().for_each(|at| text.replace_range(at..at + token.len(), token));
    }
    text.into()
}

/// With a checkpoint of our own in the middle.
async fn summed_up(commits: &Objects) -> Objects {
    let is_before = |name: &&String| commit_version(name) <= Some(CHECKPOINT);
    let before: Objects = commits.keys().filter(is_before).map(|name| (name.clone(), commits[name].clone())).collect();
    let lake = lake_of(&before).await;
    let made = lake.table("t").unwrap().checkpoint().await.unwrap().unwrap();
    assert_eq!(made.version, CHECKPOINT);
    let mut objects = objects_of(&lake).await;
    objects.extend(commits.clone());
    objects
}

/// With a checkpoint of the second kind: what is about the table as JSON, and the files in an object beside it.
fn with_sidecar(commits: &Objects, classic: &Objects) -> Objects {
    let parquet = format!("{CHECKPOINT:020}.checkpoint.parquet");
    let mut about_table = BTreeMap::new();
    for version in 0..=CHECKPOINT {
        let text = String::from_utf8(commits[&commit_name(version)].to_vec()).unwrap();
        for action in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let subject = format!("{} {}", action.as_object().unwrap().keys().next().unwrap(), action["txn"]["appId"]);
            about_table.insert(subject, action);
        }
    }
    about_table.retain(|subject, _| ["protocol", "metaData", "txn"].iter().any(|kind| subject.starts_with(kind)));
    let sidecar = json!({"sidecar": {"path": "files.parquet", "sizeInBytes": classic[&parquet].len(), "modificationTime": 0}});
    let head = json!({"checkpointMetadata": {"version": CHECKPOINT}});
    let lines: Vec<_> = [&head, &sidecar].into_iter().chain(about_table.values()).map(Value::to_string).collect();

    let mut objects = commits.clone();
    objects.insert("_last_checkpoint".to_string(), classic["_last_checkpoint"].clone());
    objects.insert("_sidecars/files.parquet".to_string(), classic[&parquet].clone());
    objects.insert(format!("{CHECKPOINT:020}.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json"), lines.join("\n").into());
    objects
}

#[tokio::test]
async fn the_logs_say_the_same() {
    let originals = originals().await;
    for other in &originals[1..] {
        assert_eq!(other.description, originals[0].description, "{}", other.name);
    }
    // Whoever draws a seed again must get the same mutants.
    for (first, second) in originals.iter().zip(self::originals().await) {
        assert!(first.objects == second.objects, "{} is different each time", first.name);
    }
}
