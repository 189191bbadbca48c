//! Tables that another writer shares with us: the Delta library's own operations stand for it.

use deltalake::kernel::{ArrayType, DataType as DeltaType, PrimitiveType, StructField};
use deltalake::{DeltaTable, DeltaTableBuilder};
use url::Url;

use super::*;
use crate::error::Kind;

async fn theirs(lake: &Lake, location: &str) -> DeltaTable {
    let url = Url::from_directory_path(lake.url_of(location)).unwrap();
    DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap()
}

async fn shared(folder: &TempDir) -> (Lake, Arc<Table>) {
    let lake = open(folder).await;
    let table = lake.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    (lake, table)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_removes_and_rewrites_of_others_are_followed() {
    let folder = TempDir::new().unwrap();
    let (lake, table) = shared(&folder).await;
    append(&table, batch(0..10, "ours")).await;

    let their = theirs(&lake, "t").await.write([batch(10..20, "theirs")]).await.unwrap();
    assert_eq!(count(&table).await, 20);
    let (their, _) = their.delete().with_predicate("id < 5").await.unwrap();
    assert_eq!(count(&table).await, 15);
    let (mut their, _) = their.optimize().await.unwrap();
    assert_eq!(count(&table).await, 15);
    assert_eq!(table.snapshot().unwrap().totals().files, 1);

    append(&table, batch(20..22, "ours")).await;
    their.load().await.unwrap();
    assert_eq!(their.snapshot().unwrap().log_data().num_files(), 2);
    assert_eq!(their.version().map(|version| version as i64), table.snapshot().unwrap().version());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_opened_from_a_checkpoint_with_its_transactions() {
    let folder = TempDir::new().unwrap();
    let (lake, table) = shared(&folder).await;
    for n in 0..5 {
        let commit = commit_of(files(&table, batch(n * 10..n * 10 + 10, "x")).await, Some(("job", n)));
        table.commit(commit).await.unwrap();
    }
    let their = theirs(&lake, "t").await;
    deltalake::checkpoints::create_checkpoint(&their, None).await.unwrap();
    let log = folder.path().join("t/_delta_log");
    (0..5).for_each(|version| std::fs::remove_file(log.join(format!("{version:020}.json"))).unwrap());
    append(&table, batch(50..60, "x")).await;

    for hint in [true, false] {
        if !hint {
            std::fs::remove_file(log.join("_last_checkpoint")).unwrap();
        }
        let reopened = open(&folder).await.table("t").unwrap();
        let snapshot = reopened.refresh().await.unwrap();
        assert_eq!((snapshot.version(), snapshot.transaction("job")), (Some(6), Some(4)));
        assert_eq!((snapshot.totals().files, snapshot.totals().rows), (6, 60));
        assert_eq!(files_read(&reopened, "select * from t where id = 33").await, 1, "statistics come out of the checkpoint too");
        assert_eq!(count(&reopened).await, 60);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_made_by_others_is_read_and_appended_to() {
    let folder = TempDir::new().unwrap();
    let lake = open(&folder).await;
    std::fs::create_dir(folder.path().join("t")).unwrap();
    let url = Url::from_directory_path(lake.url_of("t")).unwrap();
    let columns = [
        StructField::nullable("id", DeltaType::Primitive(PrimitiveType::Long)),
        StructField::nullable("kind", DeltaType::Primitive(PrimitiveType::String)),
        StructField::nullable("list", ArrayType::new(DeltaType::Primitive(PrimitiveType::Long), true)),
    ];
    let created =
        DeltaTable::try_from_url(url).await.unwrap().create().with_columns(columns).with_partition_columns(["kind"]).await.unwrap();
    let their = created.write([batch(0..4, "a")]).with_schema_mode(deltalake::operations::write::SchemaMode::Merge).await.unwrap();
    drop(their);
    let table = lake.table("t").unwrap();
    append(&table, batch(4..6, "b")).await;
    assert_eq!(
        query(&table, "select kind, count(*) as n from t group by 1 order by 1").await,
        "+------+---+\n| kind | n |\n+------+---+\n| a    | 4 |\n| b    | 2 |\n+------+---+"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_beyond_us_are_refused_by_name_or_read_by_the_library() {
    let folder = TempDir::new().unwrap();
    let (_, table) = shared(&folder).await;
    append(&table, batch(0..4, "a")).await;
    let log = folder.path().join("t/_delta_log");
    let protocol = r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["rowTracking","appendOnly"]}}"#;
    std::fs::write(log.join("00000000000000000002.json"), protocol).unwrap();
    let snapshot = table.refresh().await.unwrap();
    let error = table.writer(&snapshot, FILE_BYTES).err().unwrap();
    assert_eq!(error.kind(), Kind::Unsupported);
    assert!(error.detail().unwrap().contains("rowTracking"), "{error:?}");
    assert_eq!(count(&table).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn column_mapping_is_read_by_the_library() {
    let folder = TempDir::new().unwrap();
    let (_, table) = shared(&folder).await;
    append(&table, batch(0..4, "a")).await;
    let log = folder.path().join("t/_delta_log");
    let first = std::fs::read_to_string(log.join("00000000000000000000.json")).unwrap();
    let metadata = first.lines().find(|line| line.contains("metaData")).unwrap();
    let mut action: serde_json::Value = serde_json::from_str(metadata).unwrap();
    let field = |name: &str, physical: &str, id: i64, kind: &str| {
        serde_json::json!({"name": name, "type": kind, "nullable": true,
            "metadata": {"delta.columnMapping.id": id, "delta.columnMapping.physicalName": physical}})
    };
    let schema = serde_json::json!({"type": "struct", "fields": [field("number", "id", 1, "long"), field("kind", "kind", 2, "string")]});
    action["metaData"]["schemaString"] = schema.to_string().into();
    action["metaData"]["configuration"] = serde_json::json!({"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "2"});
    let protocol = r#"{"protocol":{"minReaderVersion":2,"minWriterVersion":5}}"#;
    std::fs::write(log.join("00000000000000000002.json"), format!("{protocol}\n{action}\n")).unwrap();

    let expected = "+--------+------+\n| number | kind |\n+--------+------+\n| 2      | a    |\n| 3      | a    |\n+--------+------+";
    assert_eq!(query(&table, "select * from t where number > 1 order by number").await, expected);
    let error = table.evolve(&[Field::new("more", DataType::Utf8, true)], &[]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unsupported);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_to_a_table_whose_column_was_replaced_fails() {
    let folder = TempDir::new().unwrap();
    let (_, table) = shared(&folder).await;
    let adds = files(&table, batch(0..4, "a")).await;
    let log = folder.path().join("t/_delta_log");
    let first = std::fs::read_to_string(log.join("00000000000000000000.json")).unwrap();
    let metadata = first.lines().find(|line| line.contains("metaData")).unwrap();
    let retyped = metadata.replace(r#"\"long\""#, r#"\"string\""#);
    assert_ne!(metadata, retyped);
    std::fs::write(log.join("00000000000000000001.json"), retyped).unwrap();
    assert_eq!(table.commit(commit_of(adds, None)).await.unwrap_err().kind(), Kind::State);
}

#[tokio::test]
async fn files_that_others_add_again_or_remove_are_found_among_many() {
    let folder = TempDir::new().unwrap();
    let (_, table) = shared(&folder).await;
    let log = folder.path().join("t/_delta_log");
    let add = |n: usize, size: usize| {
        format!(r#"{{"add":{{"path":"f{n}%20x.parquet","partitionValues":{{}},"size":{size},"modificationTime":0,"dataChange":true}}}}"#)
    };
    let write = |version: usize, lines: Vec<String>| std::fs::write(log.join(format!("{version:020}.json")), lines.join("\n")).unwrap();
    for n in 1..=2000 {
        write(n, vec![add(n, 1)]);
    }
    write(2001, vec![add(7, 5), add(1999, 5), add(2001, 5)]);
    let removed = (100..200).map(|n| format!(r#"{{"remove":{{"path":"f{n} x.parquet","deletionTimestamp":1,"dataChange":true}}}}"#));
    write(2002, removed.collect());
    let totals = open(&folder).await.table("t").unwrap().refresh().await.unwrap().totals();
    assert_eq!((totals.files, totals.bytes), (2001 - 100, 1998 - 100 + 3 * 5));
    assert_eq!(table.refresh().await.unwrap().totals(), totals);
    table.checkpoint().await.unwrap();
    assert_eq!(open(&folder).await.table("t").unwrap().refresh().await.unwrap().totals(), totals);
}
