//! The catalog over a plain context: what psql 15 asks (recorded in `psql15.sql`), drivers' questions, and what is left alone.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::util::pretty::pretty_format_batches;
use datafusion::prelude::{SessionConfig, SessionContext};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;

use super::snapshot::Snapshot;
use super::{RelationInfo, RelationKind, Relations, register, rewrite, touches_catalog};
use crate::model::SqlType;

#[derive(Debug)]
struct Fixed;

impl Relations for Fixed {
    fn schemas(&self) -> Vec<String> {
        vec!["public".into(), "lakewire".into()]
    }

    fn relations(&self, schema: &str) -> Vec<RelationInfo> {
        let columns = Schema::new(vec![
            Field::new("x", DataType::Int64, false),
            Field::new("price", DataType::Decimal128(10, 2), true),
            SqlType::Json.to_field("payload", true),
            Field::new("tags", DataType::new_list(DataType::Utf8, true), true),
        ]);
        let columns = Arc::new(columns);
        let info = |name: &str, kind| RelationInfo { name: name.into(), kind, columns: columns.clone() };
        match schema {
            "public" => vec![
                info("t", RelationKind::Table),
                info("v", RelationKind::View),
                info("mv_a", RelationKind::MaterializedView),
                info("src_b", RelationKind::Source),
            ],
            "lakewire" => vec![info("jobs", RelationKind::View)],
            _ => vec![],
        }
    }
}

fn context() -> SessionContext {
    let config = SessionConfig::new().with_default_catalog_and_schema("lakewire", "public");
    let context = SessionContext::new_with_config(config);
    register(&context, Arc::new(Fixed), "ann", "lakewire").unwrap();
    context
}

async fn ask(context: &SessionContext, text: &str) -> String {
    let statement = Parser::parse_sql(&PostgreSqlDialect {}, text).unwrap().remove(0);
    assert!(touches_catalog(&statement), "{text}");
    let statement = datafusion::sql::parser::Statement::Statement(Box::new(rewrite(statement, text)));
    let plan = context.state().statement_to_plan(statement).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
    let frame = context.execute_logical_plan(plan).await.unwrap();
    let batches = frame.collect().await.unwrap_or_else(|error| panic!("{error}\n{text}"));
    let table = pretty_format_batches(&batches).unwrap().to_string();
    // Without the padding, which depends on names and values alike.
    table.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

fn oids() -> HashMap<String, i32> {
    let snapshot = Snapshot::take(&Fixed);
    snapshot.relations().map(|(_, relation)| (relation.info.name.clone(), relation.oid)).collect()
}

#[tokio::test]
async fn all_that_psql_asks_is_answered() {
    let context = context();
    let oids = oids();
    let queries = include_str!("psql15.sql").split("\n-- \\").skip(1);
    let mut answers = HashMap::<&str, String>::new();
    for query in queries {
        let (command, text) = query.split_once('\n').unwrap();
        let text = oids.iter().fold(text.to_string(), |text, (name, oid)| text.replace(&format!("{{{name}}}"), &oid.to_string()));
        *answers.entry(command).or_default() += &ask(&context, &text).await;
    }
    for (command, row) in [
        ("d mv_a", "| x | bigint "),
        ("d mv_a", "| price | numeric(10,2) "),
        ("d mv_a", "| payload | json "),
        ("d mv_a", "| tags | text[] "),
        ("d+ src_b", "| lakewire |"),
        ("dt", "| public | t | table | lakewire |"),
        ("dm", "| public | mv_a | materialized view | lakewire |"),
        ("dE", "| public | src_b | foreign table | lakewire |"),
        ("d", "| public | v | view | lakewire |"),
        ("l", "| lakewire | lakewire | UTF8 | C.UTF-8 | C.UTF-8 |"),
        ("dn", "| lakewire | lakewire |"),
        ("dn", "| public | lakewire |"),
        ("du", "| ann |"),
    ] {
        assert!(answers[command].contains(row), "\\{command} has no {row}\n{}", answers[command]);
    }
}

#[tokio::test]
async fn functions_know_the_session() {
    let answer =
        ask(&context(), "SELECT current_user, session_user AS s, current_database(), current_schema(), version() LIKE 'PostgreSQL 15%'")
            .await;
    assert!(answer.contains("| ann "), "{answer}");
    assert!(answer.contains("| lakewire "), "{answer}");
    assert!(answer.contains("| public "), "{answer}");
    assert!(answer.contains("true"), "{answer}");
}

#[tokio::test]
async fn names_become_oids() {
    let context = context();
    let answer = ask(&context, "SELECT 't'::regclass::oid").await;
    assert!(answer.contains(&oids()["t"].to_string()), "{answer}");
    let types =
        "SELECT t.oid, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid WHERE a.attname = 'payload' GROUP BY 1, 2";
    let answer = ask(&context, types).await;
    assert!(answer.contains("| 114 | json |"), "{answer}");
}

#[test]
fn oids_depend_on_names_alone() {
    #[derive(Debug)]
    struct Fewer;
    impl Relations for Fewer {
        fn schemas(&self) -> Vec<String> {
            vec!["public".into()]
        }
        fn relations(&self, schema: &str) -> Vec<RelationInfo> {
            Fixed.relations(schema).into_iter().filter(|info| info.name == "t").collect()
        }
    }
    let snapshot = Snapshot::take(&Fewer);
    let oids_of_fewer: Vec<i32> = snapshot.relations().map(|(_, relation)| relation.oid).collect();
    assert_eq!(oids_of_fewer, [oids()["t"]]);
}

#[test]
fn only_catalog_statements_are_touched() {
    let touches = |text: &str| touches_catalog(&Parser::parse_sql(&PostgreSqlDialect {}, text).unwrap()[0]);
    for text in [
        "SELECT * FROM pg_class",
        "SELECT * FROM t WHERE EXISTS (SELECT 1 FROM pg_catalog.pg_type)",
        "SELECT * FROM information_schema.tables",
        "SELECT current_schema",
        "SELECT pg_catalog.version()",
        "SELECT 't'::regclass",
    ] {
        assert!(touches(text), "{text}");
    }
    for text in [
        "SELECT * FROM t",
        "SELECT count(*) FROM pg_of_mine",
        "SELECT x::text, current_timestamp FROM lakewire.jobs",
        "SELECT \"version\" FROM t",
    ] {
        assert!(!touches(text), "{text}");
    }
}
