//! Tables that are summed up, cleaned and vacuumed, as other people's readers and writers see them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use lakewire::clock::Clock;
use lakewire::config::S3Config;
use lakewire::lake::{Commit, Lake, Operation, Spared, Table};
use tempfile::TempDir;

use crate::servers::delta_readers::{DeltaReading, append_delta, read_clickhouse};
use crate::servers::{Place, read_delta};

const FILE_BYTES: u64 = 64 << 20;

async fn open(folder: &Path, clock: &Clock) -> Arc<Table> {
    Lake::open(folder.to_str().unwrap(), &S3Config::default(), clock.clone()).await.unwrap().table("t").unwrap()
}

/// `t (id bigint, bytes bigint)` in a folder, and a clock to hold.
async fn table() -> (TempDir, Clock, Arc<Table>) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::mock(Clock::wall().now());
    let table = open(folder.path(), &clock).await;
    let columns = ["id", "bytes"].map(|name| Field::new(name, DataType::Int64, true));
    table.create(Arc::new(Schema::new(columns.to_vec())), &[], "t").await.unwrap();
    (folder, clock, table)
}

/// One row, one file, one commit.
async fn append(table: &Arc<Table>, id: i64) {
    let column = |value: i64| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
    let mut writer = table.writer(&table.refresh().await.unwrap(), FILE_BYTES).unwrap();
    writer.write(RecordBatch::try_from_iter([("id", column(id)), ("bytes", column(1))]).unwrap()).await.unwrap();
    let adds = writer.close().await.unwrap();
    table.commit(Commit { adds, transaction: None, operation: Operation::Write }).await.unwrap();
}

async fn assert_all_see(folder: &Path, rows: i64, columns: &[&str]) {
    let readings = read_delta(&Place::Folder(folder.join("t")), "id", "bytes").await;
    let columns = columns.iter().map(|name| name.to_string()).collect();
    let expected = DeltaReading { count: rows, distinct: rows, sum: rows, columns };
    assert_eq!((&readings.deltalake, &readings.duckdb), (&expected, &expected));
    assert_eq!(read_clickhouse(&folder.join("t"), "id", "bytes").await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_read_a_table_whose_old_log_is_gone() {
    let (folder, clock, table) = table().await;
    for id in 0..5 {
        append(&table, id).await;
    }
    table.checkpoint().await.unwrap();
    assert_all_see(folder.path(), 5, &["id", "bytes"]).await;

    table.evolve(&[Field::new("more", DataType::Utf8, true)], &[]).await.unwrap();
    append(&table, 5).await;
    table.checkpoint().await.unwrap();
    append(&table, 6).await;
    clock.advance(Duration::from_secs(40 * 24 * 3600));
    assert!(table.clean_log(None).await.unwrap() > 0);
    table.vacuum(&Spared::default()).await.unwrap();
    assert!(!folder.path().join("t/_delta_log/00000000000000000000.json").exists());
    assert_all_see(folder.path(), 7, &["id", "bytes", "more"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_appends_beside_us_and_no_row_is_lost() {
    const EACH: i64 = 40;
    let (folder, clock, table) = table().await;
    let python = tokio::spawn({
        let place = folder.path().join("t");
        async move { append_delta(&place, 1000, EACH).await }
    });
    for id in 0..EACH {
        append(&table, id).await;
        if id % 10 == 9 {
            table.checkpoint().await.unwrap();
        }
    }
    python.await.unwrap();
    let opened = open(folder.path(), &clock).await.refresh().await.unwrap();
    assert_eq!((opened.totals().rows, opened.version()), (2 * EACH as u64, Some(2 * EACH)));
    assert_eq!(table.refresh().await.unwrap().totals(), opened.totals());
    assert_all_see(folder.path(), 2 * EACH, &["id", "bytes"]).await;
}
