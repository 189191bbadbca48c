//! DataFusion takes the queries as we leave them: hidden columns are gone from `*`, and are there where they are named.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::empty::EmptyTable;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser;

use super::query_of;
use crate::model::Name;
use crate::sql::metadata_columns::hide_from_wildcards;

async fn columns(sql: &str) -> String {
    let context = SessionContext::new();
    for (table, names) in [("s", &["k", "a", "_offset"][..]), ("s2", &["k", "b", "_offset"]), ("t", &["k", "c", "_offset"])] {
        let schema = Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>());
        context.register_table(table, Arc::new(EmptyTable::new(Arc::new(schema)))).unwrap();
    }
    let mut query = query_of(sql);
    hide_from_wildcards(&mut query, &["_offset"], &|name: &Name| name.as_str().starts_with('s')).unwrap();
    let statement = parser::Statement::Statement(Box::new(sqlparser::ast::Statement::Query(query)));
    let plan = context.state().statement_to_plan(statement).await.unwrap();
    plan.schema().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(",")
}

#[tokio::test]
async fn hidden_columns_are_left_out_of_every_wildcard() {
    assert_eq!(columns("SELECT * FROM s").await, "k,a");
    assert_eq!(columns("SELECT *, _offset FROM s").await, "k,a,_offset");
    assert_eq!(columns("SELECT *, x._offset AS o FROM s AS x JOIN s2 ON x.k = s2.k").await, "k,a,k,b,o");
    assert_eq!(columns("SELECT * FROM s LEFT JOIN t ON s.k = t.k").await, "k,a,k,c,_offset");
    assert_eq!(columns("SELECT t.*, public.s.* FROM public.s, t").await, "k,c,_offset,k,a");
    assert_eq!(columns("SELECT * EXCLUDE (a) FROM s").await, "k");
    assert_eq!(columns("SELECT * EXCLUDE _offset FROM s").await, "k,a");
    assert_eq!(columns("SELECT * FROM (SELECT *, _offset FROM s) x").await, "k,a,_offset");
    assert_eq!(columns("WITH q AS (SELECT * FROM s) SELECT * FROM q").await, "k,a");
    assert_eq!(columns("SELECT * FROM s UNION ALL SELECT * FROM s2").await, "k,a");
}
