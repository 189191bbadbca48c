//! The module as its users meet it: real folders, a store that fails as real ones do, and another writer in the same tables.

mod addressed;
mod broken;
mod changes;
mod commits;
mod foreign;
mod fuzz;
mod heads;
mod maintenance;
mod rewrites;
mod scans;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use tempfile::TempDir;

use super::*;
use crate::clock::Clock;
use crate::config::S3Config;

const FILE_BYTES: u64 = 64 << 20;

async fn open(folder: &TempDir) -> Lake {
    Lake::open(folder.path().to_str().unwrap(), &S3Config::default(), Clock::wall()).await.unwrap()
}

/// `id bigint, kind text`
fn id_and_kind() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true), Field::new("kind", DataType::Utf8, true)]))
}

fn batch(ids: std::ops::Range<i64>, kind: &str) -> RecordBatch {
    let kinds: ArrayRef = Arc::new(StringArray::from(vec![kind; ids.clone().count()]));
    RecordBatch::try_from_iter([("id", Arc::new(Int64Array::from_iter_values(ids)) as ArrayRef), ("kind", kinds)]).unwrap()
}

async fn files(table: &Arc<Table>, batch: RecordBatch) -> Vec<AddedFile> {
    let snapshot = table.refresh().await.unwrap();
    let mut writer = table.writer(&snapshot, FILE_BYTES).unwrap();
    writer.write(batch).await.unwrap();
    writer.close().await.unwrap()
}

fn commit_of(adds: Vec<AddedFile>, transaction: Option<(&str, i64)>) -> Commit {
    let transaction = transaction.map(|(app_id, version)| AppTransaction { app_id: app_id.to_string(), version });
    Commit { adds, transaction, operation: Operation::Write }
}

async fn append(table: &Arc<Table>, batch: RecordBatch) -> Committed {
    let adds = files(table, batch).await;
    table.commit(commit_of(adds, None)).await.unwrap()
}

async fn context(table: &Arc<Table>) -> SessionContext {
    let snapshot = table.refresh().await.unwrap();
    let context = SessionContext::new();
    context.register_table("t", Arc::new(LakeTable::new(table.clone(), snapshot))).unwrap();
    context
}

async fn query(table: &Arc<Table>, sql: &str) -> String {
    let batches = context(table).await.sql(sql).await.unwrap().collect().await.unwrap();
    arrow::util::pretty::pretty_format_batches(&batches).unwrap().to_string()
}

async fn count(table: &Arc<Table>) -> i64 {
    let batches =
        context(table).await.sql("select count(*) from t where id is not null or id is null").await.unwrap().collect().await.unwrap();
    arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(batches[0].column(0)).value(0)
}

/// How many files the plan of a query reads.
async fn files_read(table: &Arc<Table>, sql: &str) -> usize {
    let plan = context(table).await.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    fn files(plan: &Arc<dyn ExecutionPlan>) -> usize {
        let own = plan.downcast_ref::<DataSourceExec>().and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>()).map_or(
            0,
            |config| {
                let paths: std::collections::HashSet<_> =
                    config.file_groups.iter().flat_map(|group| group.iter()).map(|file| file.path().clone()).collect();
                paths.len()
            },
        );
        own + plan.children().into_iter().map(files).sum::<usize>()
    }
    files(&plan)
}

/// A lake in this folder, with the hands of the clock in ours.
async fn open_at(folder: &std::path::Path, clock: &Clock) -> Lake {
    Lake::open(folder.to_str().unwrap(), &S3Config::default(), clock.clone()).await.unwrap()
}
