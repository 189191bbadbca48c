//! Paths in a log that lead out of the table's folder: what is there is neither read nor removed.

use std::path::Path as FilePath;
use std::time::Duration;

use serde_json::json;

use super::super::*;
use crate::error::Result;

/// In the table's folder: this one is read, and removed when its time has come.
const INSIDE: &str = "inside.parquet";

/// Ways to name a file of the neighbour table, and one beside the lake.
fn spellings(neighbour: &str, beside: &FilePath) -> Vec<String> {
    let absolute = beside.display();
    vec![
        INSIDE.to_string(),
        format!("../other/{neighbour}"),
        format!("..%2Fother%2F{neighbour}"),
        format!("%2e%2e/other/{neighbour}"),
        format!("%2E%2E%2Fother%2F{neighbour}"),
        format!("%252e%252e/other/{neighbour}"),
        format!("%252e%252e%252fother%252f{neighbour}"),
        format!("x/../../other/{neighbour}"),
        format!("./../other/{neighbour}"),
        format!("..\\other\\{neighbour}"),
        "../../outside.parquet".to_string(),
        "%2e%2e/%2e%2e/outside.parquet".to_string(),
        absolute.to_string(),
        format!("/{absolute}"),
        absolute.to_string().replace('/', "%2F"),
        format!("file://{absolute}"),
        format!("FILE://{absolute}"),
        format!("file:{absolute}"),
    ]
}

async fn kinds(table: &Arc<Table>) -> Result<String> {
    let snapshot = table.refresh().await?;
    let context = SessionContext::new();
    context.register_table("t", Arc::new(LakeTable::new(table.clone(), snapshot)))?;
    let batches = context.sql("select id, kind from t").await?.collect().await?;
    Ok(arrow::util::pretty::pretty_format_batches(&batches)?.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outside_of_the_table_is_read_or_removed() {
    let folder = TempDir::new().unwrap();
    let (root, beside) = (folder.path().join("lake"), folder.path().join("outside.parquet"));
    let clock = Clock::mock(Clock::wall().now());
    let lake = open_at(&root, &clock).await;
    let other = lake.table("other").unwrap();
    other.create(id_and_kind(), &[], "other").await.unwrap();
    let neighbour = files(&other, batch(0..5, "theirs")).await[0].path().to_string();
    std::fs::copy(root.join("other").join(&neighbour), &beside).unwrap();
    let bytes = std::fs::metadata(&beside).unwrap().len();

    for (nth, spelled) in spellings(&neighbour, &beside).iter().enumerate() {
        let location = format!("t{nth}");
        let table = lake.table(&location).unwrap();
        table.create(id_and_kind(), &[], &location).await.unwrap();
        append(&table, batch(0..1, "ours")).await;
        let (inside, is_inside) = (root.join(&location).join(INSIDE), spelled == INSIDE);
        std::fs::copy(&beside, &inside).unwrap();
        let commit = |version: i64, action: serde_json::Value| {
            std::fs::write(root.join(format!("{location}/_delta_log/{version:020}.json")), action.to_string()).unwrap();
        };
        commit(2, json!({"add": {"path": spelled, "partitionValues": {}, "size": bytes, "modificationTime": 1, "dataChange": true}}));
        // Whoever has the table open follows it there, and others open it there.
        for reader in [table.clone(), open_at(&root, &clock).await.table(&location).unwrap()] {
            let read = kinds(&reader).await;
            assert_eq!(read.as_ref().is_ok_and(|rows| rows.contains("theirs")), is_inside, "{spelled} is read: {read:?}");
        }
        commit(3, json!({"remove": {"path": spelled, "deletionTimestamp": 1, "dataChange": true}}));
        clock.advance(Duration::from_secs(100 * 24 * 3600));
        let reader = open_at(&root, &clock).await.table(&location).unwrap();
        // That it cannot be done is fine; that it was done elsewhere is not.
        drop((reader.checkpoint().await, reader.clean_log(None).await, reader.vacuum(&Spared::default()).await));
        assert!(!is_inside || !inside.exists(), "it was not swept");
        assert!(beside.exists() && root.join("other").join(&neighbour).exists(), "{spelled} was removed");
    }
}
