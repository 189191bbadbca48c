//! Rows that say where they stand: the same place whatever of a file is read, and in however many streams.

use datafusion::prelude::SessionConfig;
use deltalake::DeltaTableBuilder;
use parquet::file::properties::WriterProperties;
use url::Url;

use super::*;

/// Files of many small row groups, in which row n of file f has the id 10000 · f + n.
async fn many_row_groups(folder: &TempDir, files: i64) -> Arc<Table> {
    let table = open(folder).await.table("t").unwrap();
    table.create(id_and_kind(), &[], "t").await.unwrap();
    let url = Url::from_directory_path(folder.path().join("t")).unwrap();
    let mut their = DeltaTableBuilder::from_url(url).unwrap().load().await.unwrap();
    for file in 0..files {
        let properties = WriterProperties::builder().set_max_row_group_row_count(Some(100)).set_data_page_row_count_limit(10).build();
        let rows = [batch(file * 10_000..file * 10_000 + 5000, "x")];
        their = their.write(rows).with_writer_properties(properties).await.unwrap();
    }
    table
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_has_its_number_whatever_is_skipped() {
    let folder = TempDir::new().unwrap();
    let table = many_row_groups(&folder, 3).await;
    let snapshot = table.refresh().await.unwrap();
    let mut config = SessionConfig::new().with_target_partitions(4);
    config.options_mut().optimizer.repartition_file_min_size = 0;
    config.options_mut().execution.parquet.pushdown_filters = true;
    for config in [SessionConfig::new(), config] {
        let context = SessionContext::new_with_config(config);
        let addressed = Arc::new(AddressedTable::new(table.clone(), snapshot.clone()).unwrap());
        context.register_table("t", addressed.clone()).unwrap();
        for (filter, rows) in [("true", 15_000), ("id % 1000 = 999", 15), ("id > 4321", 10_678), ("id = 12345", 1)] {
            let sql = format!(
                "select count(*) as n, count(*) filter (where id % 10000 <> {ROW}) as misplaced, count(distinct {FILE}) as files from t where {filter}"
            );
            let found = context.sql(&sql).await.unwrap().collect().await.unwrap();
            let number =
                |column: usize| arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(found[0].column(column)).value(0);
            assert_eq!((number(0), number(1)), (rows, 0), "{filter}");
            assert!((1..=3).contains(&number(2)), "{filter}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_read_from_its_first_row_to_its_last() {
    use futures::TryStreamExt;

    let folder = TempDir::new().unwrap();
    let table = many_row_groups(&folder, 2).await;
    let snapshot = table.refresh().await.unwrap();
    let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(4));
    for file in snapshot.data_files() {
        let rows: Vec<_> = table.read_file(&snapshot, &file, &context.state()).unwrap().try_collect().await.unwrap();
        let rows = arrow::compute::concat_batches(&rows[0].schema(), &rows).unwrap();
        let ids = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(rows.column(0)).values().to_vec();
        assert_eq!(ids.iter().map(|id| id % 10_000).collect::<Vec<_>>(), (0..5000).collect::<Vec<_>>());
    }
}
