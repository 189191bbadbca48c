//! The change feed: what it gives from one version to another is the difference of the two, whoever made the commits.

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;
use deltalake::DeltaTableBuilder;
use futures::TryStreamExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use url::Url;

use super::*;
use crate::error::Kind;
use crate::model::Changes;

type Bag = BTreeMap<String, i64>;

fn add_to(bag: &mut Bag, changes: &Changes, sign: i64) {
    let format = arrow::util::display::FormatOptions::default().with_null("∅");
    let columns: Vec<_> = changes
        .rows()
        .columns()
        .iter()
        .map(|column| arrow::util::display::ArrayFormatter::try_new(column.as_ref(), &format).unwrap())
        .collect();
    for row in 0..changes.len() {
        let text = columns.iter().map(|column| column.value(row).to_string()).collect::<Vec<_>>().join("|");
        *bag.entry(text).or_default() += sign * changes.weight(row);
    }
}

fn without_zeros(mut bag: Bag) -> Bag {
    bag.retain(|_, count| *count != 0);
    bag
}

/// All changes of the feed, and how many rows they came as. Each version ends once, and in order.
async fn drain(mut feed: ChangeFeed) -> (Bag, usize) {
    let (mut bag, mut rows, mut last, mut is_open) = (Bag::new(), 0, -1, false);
    while let Some(part) = feed.next().await.unwrap() {
        assert!(if is_open { part.version == last } else { part.version > last }, "versions come one after the other");
        (last, is_open) = (part.version, !part.is_last);
        rows += part.changes.len();
        add_to(&mut bag, &part.changes, 1);
    }
    assert!(!is_open, "the last version is complete");
    (without_zeros(bag), rows)
}

fn feed(table: &Arc<Table>, from: Option<i64>, to: &Arc<Snapshot>) -> ChangeFeed {
    table.changes(from, to.clone(), SessionContext::new().state())
}

/// The rows of a version, in the columns of another.
async fn rows_at(table: &Arc<Table>, version: i64, columns: &SchemaRef) -> Bag {
    let snapshot = table.snapshot_at(version).await.unwrap();
    let context = SessionContext::new();
    context.register_table("t", Arc::new(LakeTable::new(table.clone(), snapshot.clone()))).unwrap();
    let has = |name: &str| snapshot.schema().field_with_name(name).is_ok();
    let list =
        columns.fields().iter().map(|field| if has(field.name()) { field.name().clone() } else { format!("null as {}", field.name()) });
    let sql = format!("select {} from t", list.collect::<Vec<_>>().join(", "));
    let mut bag = Bag::new();
    let batches = context.sql(&sql).await.unwrap().execute_stream().await.unwrap();
    batches
        .try_for_each(|batch| {
            add_to(&mut bag, &Changes::inserted(batch), 1);
            futures::future::ready(Ok(()))
        })
        .await
        .unwrap();
    bag
}

/// A number from 0 up to, not including, `end`.
pub(super) fn below(random: &mut ChaCha8Rng, end: usize) -> usize {
    random.next_u32() as usize % end
}

fn minus(mut left: Bag, right: Bag) -> Bag {
    right.into_iter().for_each(|(row, count)| *left.entry(row).or_default() -= count);
    without_zeros(left)
}

pub(super) async fn theirs(folder: &TempDir) -> deltalake::DeltaTable {
    let url = Url::from_directory_path(folder.path().join("t")).unwrap();
    DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap()
}

/// Replaces a random file by its rows with some gone and some changed.
pub(super) async fn rewrite_some(table: &Arc<Table>, random: &mut ChaCha8Rng) {
    let base = table.refresh().await.unwrap();
    let all: Vec<_> = base.data_files().collect();
    if all.is_empty() {
        return;
    }
    let file = &all[below(random, all.len())];
    let rows: Vec<_> = table.read_file(&base, file, &SessionContext::new().state()).unwrap().try_collect().await.unwrap();
    let mut writer = table.writer(&base, FILE_BYTES).unwrap();
    for batch in rows {
        let keep: arrow::array::BooleanArray = (0..batch.num_rows()).map(|_| Some(below(random, 10) > 0)).collect();
        let kept = arrow::compute::filter_record_batch(&batch, &keep).unwrap();
        let ids = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(kept.column(0));
        let ids: Int64Array = ids.iter().map(|id| id.map(|id| if below(random, 10) == 0 { id + 1000 } else { id })).collect();
        let mut columns = kept.columns().to_vec();
        columns[0] = Arc::new(ids);
        writer.write(RecordBatch::try_new(kept.schema(), columns).unwrap()).await.unwrap();
    }
    let (removes, adds) = (vec![file.removed(&base).unwrap()], writer.close().await.unwrap());
    let rewrite = Rewrite { removes, adds, transaction: None, operation: Operation::Update };
    assert!(matches!(table.rewriting_turn().await.commit(&base, rewrite).await.unwrap(), Rewritten::At(_)));
}

async fn step(folder: &TempDir, table: &Arc<Table>, random: &mut ChaCha8Rng, n: i64) {
    // A few ids again and again, so that rows are there several times.
    let first = below(random, 30) as i64;
    let kind = ["a", "b", "c"][below(random, 3)];
    match below(random, 10) {
        0..=3 => drop(append(table, batch(first..first + 1 + below(random, 40) as i64, kind)).await),
        4..=6 => rewrite_some(table, random).await,
        7 => drop(theirs(folder).await.delete().with_predicate(format!("id < {first}")).await.unwrap()),
        8 => drop(theirs(folder).await.optimize().await.unwrap()),
        _ if n < 12 => drop(table.evolve(&[Field::new(format!("c{n}"), DataType::Utf8, true)], &[]).await.unwrap()),
        _ => drop(theirs(folder).await.update().with_predicate(format!("id = {first}")).with_update("kind", "'a'").await),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_the_difference_of_two_versions() {
    for seed in [1u64, 2, 3] {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let folder = TempDir::new().unwrap();
        let table = open(&folder).await.table("t").unwrap();
        let partition_by = if seed == 2 { vec!["kind".to_string()] } else { vec![] };
        table.create(id_and_kind(), &partition_by, "t").await.unwrap();
        for n in 0..20 {
            step(&folder, &table, &mut random, n).await;
        }
        let end = table.refresh().await.unwrap();
        let newest = end.version().unwrap();
        for _ in 0..12 {
            let from = below(&mut random, newest as usize + 1) as i64;
            let held_bytes_max = if below(&mut random, 2) == 0 { 300 } else { 1 << 20 };
            let expected = minus(rows_at(&table, newest, end.schema()).await, rows_at(&table, from, end.schema()).await);
            let (changes, _) = drain(feed(&table, Some(from), &end).holding_at_most(held_bytes_max)).await;
            assert_eq!(changes, expected, "seed {seed}, from version {from} to {newest}, holding {held_bytes_max} bytes");
        }
        let (all, _) = drain(feed(&table, None, &end)).await;
        assert_eq!(all, rows_at(&table, newest, end.schema()).await, "seed {seed}, from nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rewrite_for_one_row_comes_as_that_row_and_a_compaction_as_nothing() {
    let folder = TempDir::new().unwrap();
    let table = open(&folder).await.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    append(&table, batch(0..5000, "a")).await;
    append(&table, batch(0..10, "b")).await;
    theirs(&folder).await.update().with_predicate("id = 4000").with_update("kind", "'changed'").await.unwrap();
    let to = table.refresh().await.unwrap();
    let changed = HashMap::from([("4000|a".to_string(), -1), ("4000|changed".to_string(), 1)]);
    for held_bytes_max in [1000, 1 << 30] {
        let (changes, rows) = drain(feed(&table, Some(2), &to).holding_at_most(held_bytes_max)).await;
        assert_eq!((changes.into_iter().collect::<HashMap<_, _>>(), rows), (changed.clone(), 2));
    }
    theirs(&folder).await.optimize().await.unwrap();
    let to = table.refresh().await.unwrap();
    assert_eq!((to.version(), to.totals().files), (Some(4), 1));
    assert!(feed(&table, Some(3), &to).next().await.unwrap().is_none());
    assert!(feed(&table, Some(4), &to).next().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_are_gone_are_said_to_be() {
    let folder = TempDir::new().unwrap();
    let table = open(&folder).await.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    append(&table, batch(0..50, "a")).await;
    theirs(&folder).await.delete().with_predicate("id < 5").await.unwrap();
    theirs(&folder).await.vacuum().with_retention_period(TimeDelta::zero()).with_enforce_retention_duration(false).await.unwrap();
    let to = table.refresh().await.unwrap();
    let error = feed(&table, Some(1), &to).next().await.unwrap_err();
    assert_eq!(error.kind(), Kind::State, "{error:?}");
    assert!(error.detail().unwrap().contains("vacuumed") && error.hint().unwrap().contains("begin anew"), "{error:?}");
    assert_eq!(drain(feed(&table, None, &to)).await.0.len(), 45);

    std::fs::remove_file(folder.path().join("t/_delta_log/00000000000000000001.json")).unwrap();
    let error = feed(&table, Some(0), &to).next().await.unwrap_err();
    assert_eq!(error.kind(), Kind::State, "{error:?}");
    assert!(error.hint().unwrap().contains("begin anew"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_followed_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let table = open(&folder).await.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    append(&table, batch(0..50, "a")).await;
    let log = folder.path().join("t/_delta_log");
    let lines = |version: i64| std::fs::read_to_string(log.join(format!("{version:020}.json"))).unwrap();

    // A commit that marks rows of a file as deleted.
    let add = lines(1).lines().find(|line| line.contains("\"add\"")).unwrap().to_string();
    let mut marked: serde_json::Value = serde_json::from_str(&add).unwrap();
    let vector = serde_json::json!({ "storageType": "i", "pathOrInlineDv": "x", "sizeInBytes": 1, "cardinality": 5 });
    marked["add"]["deletionVector"] = vector;
    let remove = serde_json::json!({ "remove": { "path": marked["add"]["path"], "dataChange": true, "size": marked["add"]["size"] } });
    std::fs::write(log.join("00000000000000000002.json"), format!("{remove}\n{marked}")).unwrap();
    let to = table.refresh().await.unwrap();
    let error = feed(&table, Some(1), &to).next().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported, "{error:?}");
    assert!(error.detail().unwrap().contains("deletion vectors") && error.hint().is_some(), "{error:?}");

    // A commit that gives a column another type. From that version on the table can be followed again.
    std::fs::remove_file(log.join("00000000000000000002.json")).unwrap();
    let retyped = lines(0).lines().find(|line| line.contains("metaData")).unwrap().replace("\\\"long\\\"", "\\\"string\\\"");
    std::fs::write(log.join("00000000000000000002.json"), retyped).unwrap();
    let table = open(&folder).await.table("t").unwrap();
    let to = table.refresh().await.unwrap();
    assert_eq!(to.schema().field(0).data_type(), &DataType::Utf8);
    let error = feed(&table, Some(1), &to).next().await.unwrap_err();
    assert_eq!(error.kind(), Kind::State, "{error:?}");
    assert!(error.detail().unwrap().contains("\"id\"") && error.hint().unwrap().contains("begin anew"), "{error:?}");
    assert!(feed(&table, Some(2), &to).next().await.unwrap().is_none());
}
