//! Reading: the files that are read, the values that come back.

use arrow::array::{
    BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int16Array, ListArray, TimestampMicrosecondArray,
};
use arrow::datatypes::Int64Type;

use super::*;
use crate::model::SqlType;

async fn partitioned(folder: &TempDir) -> Arc<Table> {
    let table = open(folder).await.table("t").unwrap();
    let schema = Schema::new(vec![Field::new("kind", DataType::Utf8, true), Field::new("id", DataType::Int64, true)]);
    table.create(Arc::new(schema), &["kind".to_string()], "t").await.unwrap();
    table
}

#[tokio::test]
async fn files_are_chosen_by_partition_and_by_statistics() {
    let folder = TempDir::new().unwrap();
    let table = partitioned(&folder).await;
    for n in 0..10 {
        append(&table, batch(n * 100..n * 100 + 100, if n % 2 == 0 { "even" } else { "odd" })).await;
    }
    assert_eq!(files_read(&table, "select * from t").await, 10);
    assert_eq!(files_read(&table, "select * from t where kind = 'even'").await, 5);
    assert_eq!(files_read(&table, "select * from t where id between 350 and 420").await, 2);
    assert_eq!(files_read(&table, "select * from t where id = 350 and kind = 'odd'").await, 1);
    assert_eq!(files_read(&table, "select * from t where id = 350 and kind = 'even'").await, 0);
    assert_eq!(files_read(&table, "select * from t where upper(kind) like 'OD%'").await, 5);
    assert_eq!(files_read(&table, "select * from t where kind is null").await, 0);
    assert_eq!(files_read(&table, "select count(*) from t").await, 0, "the log has the row counts");
    assert_eq!(
        query(&table, "select kind, count(*) as n, sum(id) as s from t where id >= 350 group by kind order by 1").await,
        "+------+-----+--------+\n| kind | n   | s      |\n+------+-----+--------+\n| even | 300 | 194850 |\n| odd  | 350 | 236075 |\n+------+-----+--------+"
            .replace("236075", &((350..400).chain(500..600).chain(700..800).chain(900..1000).sum::<i64>()).to_string())
            .replace("194850", &((400..500).chain(600..700).chain(800..900).sum::<i64>()).to_string())
    );
}

#[tokio::test]
async fn columns_stand_in_their_declared_order_and_filters_are_pushed_down() {
    let folder = TempDir::new().unwrap();
    let table = partitioned(&folder).await;
    append(&table, batch(1..2, "a")).await;
    assert_eq!(query(&table, "select * from t").await, "+------+----+\n| kind | id |\n+------+----+\n| a    | 1  |\n+------+----+");
    assert_eq!(query(&table, "select id, kind from t").await, "+----+------+\n| id | kind |\n+----+------+\n| 1  | a    |\n+----+------+");

    let plan =
        context(&table).await.sql("select * from t where kind = 'a' and id > 0").await.unwrap().create_physical_plan().await.unwrap();
    let text = datafusion::physical_plan::displayable(plan.as_ref()).indent(false).to_string();
    assert!(text.contains("predicate=") && text.contains("id@"), "{text}");
    let filter = text.lines().find(|line| line.contains("FilterExec"));
    assert!(filter.is_none_or(|line| !line.contains("kind")), "a partition filter is answered by the choice of files: {text}");
}

#[tokio::test]
async fn a_later_column_is_null_in_earlier_files() {
    let folder = TempDir::new().unwrap();
    let table = partitioned(&folder).await;
    append(&table, batch(1..3, "a")).await;
    table.evolve(&[Field::new("extra", DataType::Utf8, true)], &[]).await.unwrap();
    let new = RecordBatch::try_from_iter([
        ("extra", Arc::new(StringArray::from(vec!["new"])) as ArrayRef),
        ("id", Arc::new(Int64Array::from(vec![3])) as ArrayRef),
    ])
    .unwrap();
    append(&table, new).await;
    assert_eq!(
        query(&table, "select id, kind, extra from t order by id").await,
        "+----+------+-------+\n| id | kind | extra |\n+----+------+-------+\n| 1  | a    |       |\n| 2  | a    |       |\n| 3  |      | new   |\n+----+------+-------+"
    );
    assert_eq!(query(&table, "select id from t where extra is null").await, "+----+\n| id |\n+----+\n| 1  |\n| 2  |\n+----+");
    assert_eq!(query(&table, "select id from t where kind is null").await, "+----+\n| id |\n+----+\n| 3  |\n+----+");
    assert_eq!(
        query(&table, "select count(kind) as k, count(extra) as e from t").await,
        "+---+---+\n| k | e |\n+---+---+\n| 2 | 1 |\n+---+---+"
    );
}

#[tokio::test]
async fn odd_partition_values_come_back() {
    const ODD: [&str; 12] =
        ["a/b", "..", "100%", "x=y", "mit Leerzeichen", "ünï/çödé", "a:b?c#d", "%2F", "quote'\"", "back\\slash", "null", "line\nbreak"];
    let folder = TempDir::new().unwrap();
    let table = partitioned(&folder).await;
    for (n, kind) in (0..).zip(ODD) {
        append(&table, batch(n..n + 1, kind)).await;
    }
    let reopened = open(&folder).await.table("t").unwrap();
    let context = context(&reopened).await;
    for (n, kind) in (0i64..).zip(ODD) {
        let sql = format!("select id from t where kind = '{}'", kind.replace('\'', "''"));
        let rows = context.sql(&sql).await.unwrap().collect().await.unwrap();
        let ids: Vec<i64> =
            rows.iter().flat_map(|batch| arrow::array::AsArray::as_primitive::<Int64Type>(batch.column(0)).values().to_vec()).collect();
        assert_eq!(ids, [n], "{kind:?}");
    }
}

#[tokio::test]
async fn every_type_comes_back_and_partitions_by_time_and_number_do_too() {
    let folder = TempDir::new().unwrap();
    let table = open(&folder).await.table("t").unwrap();
    let types = [
        ("flag", SqlType::Boolean),
        ("small", SqlType::SmallInt),
        ("real", SqlType::Double),
        ("price", SqlType::Numeric { precision: 12, scale: 2 }),
        ("huge", SqlType::Numeric { precision: 38, scale: 10 }),
        ("doc", SqlType::Json),
        ("raw", SqlType::Bytea),
        ("day", SqlType::Date),
        ("at", SqlType::TimestampTz),
        ("wall", SqlType::Timestamp),
        ("list", SqlType::Array(Box::new(SqlType::BigInt))),
        ("p_day", SqlType::Date),
        ("p_at", SqlType::TimestampTz),
        ("p_price", SqlType::Numeric { precision: 6, scale: 2 }),
        ("p_flag", SqlType::Boolean),
    ];
    let fields: Vec<_> = types.iter().map(|(name, t)| t.to_field(name, true)).collect();
    let partition_by: Vec<_> = types.iter().map(|(name, _)| name.to_string()).filter(|name| name.starts_with("p_")).collect();
    table.evolve(&fields, &partition_by).await.unwrap();

    let micros = |values: Vec<Option<i64>>| TimestampMicrosecondArray::from(values);
    let decimal = |values: Vec<Option<i128>>, p, s| Decimal128Array::from(values).with_precision_and_scale(p, s).unwrap();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(BooleanArray::from(vec![Some(true), None])),
        Arc::new(Int16Array::from(vec![Some(-3), None])),
        Arc::new(Float64Array::from(vec![Some(0.1), None])),
        Arc::new(decimal(vec![Some(-1999), None], 12, 2)),
        Arc::new(decimal(vec![Some(i128::pow(10, 37) + 1), None], 38, 10)),
        Arc::new(StringArray::from(vec![Some(r#"{"a":1}"#), None])),
        Arc::new(BinaryArray::from_opt_vec(vec![Some(b"\x00\xff"), None])),
        Arc::new(Date32Array::from(vec![Some(20_000), None])),
        Arc::new(micros(vec![Some(1_700_000_000_123_456), None]).with_timezone("UTC")),
        Arc::new(micros(vec![Some(-1), None])),
        Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1), None]), None])),
        Arc::new(Date32Array::from(vec![Some(-1), None])),
        Arc::new(micros(vec![Some(1_700_000_000_123_456), None]).with_timezone("UTC")),
        Arc::new(decimal(vec![Some(-105), None], 6, 2)),
        Arc::new(BooleanArray::from(vec![Some(false), None])),
    ];
    let schema = Arc::new(Schema::new(
        fields.iter().zip(&columns).map(|(field, column)| field.clone().with_data_type(column.data_type().clone())).collect::<Vec<_>>(),
    ));
    let written = RecordBatch::try_new(schema, columns).unwrap();
    append(&table, written.clone()).await;

    let reopened = open(&folder).await.table("t").unwrap();
    assert_eq!(reopened.refresh().await.unwrap().schema().fields().iter().map(|f| f.as_ref().clone()).collect::<Vec<_>>(), fields);
    let read = context(&reopened).await.sql("select * from t order by small nulls last").await.unwrap().collect().await.unwrap();
    let read = arrow::compute::concat_batches(&read[0].schema(), &read).unwrap();
    let text = |batch: RecordBatch| arrow::util::pretty::pretty_format_batches(&[batch]).unwrap().to_string();
    assert_eq!(text(read), text(written));
    for filter in [
        "p_day = date '1969-12-31'",
        "p_price < 0",
        "not p_flag",
        "at >= timestamp '2023-11-14 22:13:20.123456Z'",
        "day > date '2024-01-01'",
    ] {
        assert_eq!(
            query(&reopened, &format!("select small from t where {filter}")).await,
            "+-------+\n| small |\n+-------+\n| -3    |\n+-------+"
        );
    }
}
