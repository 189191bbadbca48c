//! Lists that grow, shrink and change their columns.

use std::collections::BTreeMap;

use arrow::array::Float64Array;
use arrow::datatypes::Float64Type;

use super::*;

fn shape() -> Arc<Shape> {
    let fields =
        vec![Field::new("id", DataType::Int64, true), Field::new("x", DataType::Float64, true), Field::new("day", DataType::Date32, true)];
    Arc::new(Shape::new(Arc::new(Schema::new(fields)), vec!["day".to_string()]))
}

fn add(n: usize, stats: Option<&str>) -> Add {
    Add {
        path: format!("day=2024-01-01/f{n}.parquet"),
        partition_values: BTreeMap::from([("day".to_string(), Some("2024-01-01".to_string()))]),
        size: 10,
        modification_time: 0,
        data_change: true,
        stats: stats.map(str::to_string),
        stats_parsed: None,
        deletion_vector: None,
    }
}

fn paths(list: &FileList) -> Vec<String> {
    list.chunks().iter().flat_map(|chunk| (0..chunk.len()).map(|file| chunk.path(file).to_string())).collect()
}

#[test]
fn an_older_list_keeps_its_files() {
    let mut list = FileList::empty(shape());
    list.append(&[&add(0, None)]).unwrap();
    let older = list.clone();
    for n in 1..100 {
        list.append(&[&add(n, None)]).unwrap();
    }
    let gone = (0..50).map(|n| FileKey { path: format!("day=2024-01-01/f{n}.parquet"), vector: None });
    list.remove(&gone.collect()).unwrap();
    assert_eq!(older.totals().files, 1);
    assert_eq!(list.totals().files, 50);
    assert_eq!(list.totals().bytes, 500);
    assert_eq!(paths(&list), (50..100).map(|n| format!("day=2024-01-01/f{n}.parquet")).collect::<Vec<_>>());
}

#[test]
fn broken_statistics_are_unknown_statistics() {
    let good = r#"{"numRecords":3,"minValues":{"id":1,"x":-0.5},"maxValues":{"id":7,"x":2},"nullCount":{"id":0,"x":1}}"#;
    let odd = r#"{"numRecords":4,"minValues":{"id":"one"},"maxValues":[1],"other":{"deep":[1,{}]}}"#;
    let mut list = FileList::empty(shape());
    list.append(&[&add(0, Some(good)), &add(1, Some(odd)), &add(2, Some("{\"numRecords\":")), &add(3, None)]).unwrap();
    let chunk = &list.chunks()[0];
    let column = |kind, name: &str| chunk.column(kind, list.shape().table.field_with_name(name).unwrap()).unwrap();
    assert_eq!(chunk.rows().unwrap(), &Int64Array::from(vec![Some(3), Some(4), None, None]));
    assert_eq!(column(Kind::Min, "id").as_primitive::<Int64Type>(), &Int64Array::from(vec![Some(1), None, None, None]));
    assert_eq!(column(Kind::Max, "x").as_primitive::<Float64Type>(), &Float64Array::from(vec![Some(2.0), None, None, None]));
    assert_eq!(list.totals().files_without_row_count, 2);
}

#[test]
fn a_column_that_came_later_is_unknown_before() {
    let mut list = FileList::empty(shape());
    list.append(&[&add(0, Some(r#"{"numRecords":3,"minValues":{"id":1}}"#))]).unwrap();
    let mut fields = list.shape().table.fields().to_vec();
    fields.push(Arc::new(Field::new("y", DataType::Int64, true)));
    let mut list = list.reshaped(Arc::new(Shape::new(Arc::new(Schema::new(fields)), vec!["day".to_string()])));
    list.append(&[&add(1, Some(r#"{"numRecords":3,"minValues":{"y":5}}"#))]).unwrap();
    assert_eq!(list.chunks().len(), 1);
    let y = list.chunks()[0].column(Kind::Min, &Field::new("y", DataType::Int64, true)).unwrap();
    assert_eq!(y.as_primitive::<Int64Type>(), &Int64Array::from(vec![None, Some(5)]));
}

#[test]
fn numbers_that_cannot_be_are_unknown_and_huge_ones_add_up() {
    let stats = |rows: i64, nulls: i64| format!(r#"{{"numRecords":{rows},"nullCount":{{"id":{nulls}}}}}"#);
    let huge = |n: usize, stats: &str| Add { size: i64::MAX, ..add(n, Some(stats)) };
    let mut list = FileList::empty(shape());
    let files: Vec<_> = (0..4).map(|n| huge(n, &stats(i64::MAX, i64::MAX))).chain([huge(4, &stats(-9, -1))]).collect();
    list.append(&files.iter().collect::<Vec<_>>()).unwrap();
    let nulls = list.chunks()[0].column(Kind::Nulls, list.shape().table.field(0)).unwrap();
    assert_eq!(nulls.as_primitive::<Int64Type>().iter().collect::<Vec<_>>(), [&[Some(i64::MAX); 4][..], &[None]].concat());
    let totals = list.totals();
    assert_eq!((totals.files, totals.bytes, totals.rows, totals.files_without_row_count), (5, u64::MAX, u64::MAX, 1));

    list.append(&[&huge(5, &stats(i64::MAX, 0))]).unwrap();
    let gone = (0..6).map(|n| FileKey { path: format!("day=2024-01-01/f{n}.parquet"), vector: None });
    list.remove(&gone.collect()).unwrap();
    assert_eq!(list.totals().files, 0);
}
