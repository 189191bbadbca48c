//! One suite for both engines.

mod names;
mod place;
mod secrets;
mod sharing;
mod silence;
mod storing;
mod wire;

use std::sync::Arc;

use super::*;
use crate::error::{Kind, SqlState};
use crate::model::options::Start;
use crate::model::{JobId, OptionValue, Options, SchemaMode, SourceColumn, SqlType};
use place::Place;

/// Runs each test on SQLite and on PostgreSQL.
macro_rules! on_both_engines {
    ($($test:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Place::sqlite()).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test]
            async fn $test() {
                if let Some(place) = super::Place::postgres() {
                    super::$test(place).await;
                }
            })*
        }
    };
}
use on_both_engines;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn object(text: &str, definition: Definition) -> Object {
    let created_at = chrono::DateTime::from_timestamp_nanos(1_700_000_000_123_456_789);
    Object { id: ObjectId::new(), name: name(text), sql: format!("CREATE … {text}"), created_at, definition }
}

fn source(text: &str) -> Object {
    let mut options = Options::default().with("stream", "pops-eu, pops-us");
    options.insert("password", OptionValue::Secret(name("pass")), 1).unwrap();
    source_with(text, options)
}

fn source_with(text: &str, options: Options) -> Object {
    let columns = vec![SourceColumn::found("event_id", SqlType::Text), SourceColumn::sibling("bytes_in", SqlType::Text)];
    object(
        text,
        Definition::Source(SourceDef {
            connector: "kinesis".to_string(),
            format: Format::Json,
            flatten: true,
            mode: SchemaMode::Evolve,
            start: Some(Start::Earliest),
            options,
            columns,
            watermark: Some(WatermarkDef { column: "event_id".to_string(), lateness_micros: 5_000_000 }),
        }),
    )
}

fn table(text: &str) -> Object {
    let amount = SqlType::Numeric { precision: 20, scale: 2 };
    object(
        text,
        Definition::Table(TableDef {
            location: text.to_string(),
            columns: vec![TableColumn { name: "amount".to_string(), data_type: amount, not_null: true }],
            partition_by: vec!["event_date".to_string()],
            mode: SchemaMode::Fixed,
            target_file_bytes: 128 << 20,
        }),
    )
}

fn pipeline(text: &str, source: &Object, target: &Object) -> Object {
    object(
        text,
        Definition::Pipeline(PipelineDef {
            job: JobId::new(),
            query: "SELECT 'it''s \u{e9}' FROM s".to_string(),
            sources: vec![source.id],
            target: target.id,
            target_columns: Some(vec!["amount".to_string()]),
            expectations: vec![Expectation {
                name: "positive".to_string(),
                condition: "amount > 0".to_string(),
                on_violation: OnViolation::DropRow,
            }],
            commit_interval_ms: 10_000,
            start: None,
            emit: Emit::default(),
            kept_inputs: vec![],
            state: DesiredState::Running,
        }),
    )
}

fn view(text: &str, input: &Object) -> Object {
    object(
        text,
        Definition::View(ViewDef {
            job: JobId::new(),
            query: "SELECT sum(amount) AS total FROM events".to_string(),
            inputs: vec![ViewInput { relation: input.id, columns: vec!["amount".to_string()], called: None }],
            columns: vec![ViewColumn { name: "total".to_string(), data_type: SqlType::Numeric { precision: 38, scale: 2 } }],
            unique: Some(vec![]),
            emit: Emit::OnWindowClose,
            commit_interval_ms: 10_000,
            start: Some(Start::Latest),
            state: DesiredState::Paused,
            replaces: Some(ObjectId::new()),
        }),
    )
}

fn secret(catalog: &Catalog, text: &str, value: &str) -> Object {
    let blank = table(text);
    let definition = Definition::Secret(catalog.seal_secret(blank.id, &SecretText::new(value)).unwrap());
    Object { sql: String::new(), definition, ..blank }
}

fn creates(objects: &[&Object]) -> Vec<Change> {
    objects.iter().map(|object| Change::Create((*object).clone())).collect()
}

/// A secret, a source that uses it, a table, and a pipeline from one to the other.
async fn fill(catalog: &Catalog) -> [Object; 4] {
    let (secret, source, table) = (secret(catalog, "pass", "hunter2"), source("pop_events"), table("events"));
    let pipeline = pipeline("keep", &source, &table);
    // The pipeline comes first: references are judged when all are there.
    catalog.commit(creates(&[&pipeline, &secret, &source, &table])).await.unwrap();
    [secret, source, table, pipeline]
}

fn all(snapshot: &Snapshot) -> Vec<Arc<Object>> {
    let kinds = [ObjectKind::Source, ObjectKind::Table, ObjectKind::Pipeline, ObjectKind::View, ObjectKind::Secret];
    kinds.into_iter().flat_map(|kind| snapshot.iter_kind(kind).cloned()).collect()
}

fn add_column(object: &mut Object, column: &str) -> Result<()> {
    let Definition::Source(source) = &mut object.definition else { panic!("not a source: {object}") };
    source.columns.push(SourceColumn::found(column, SqlType::BigInt));
    Ok(())
}

fn columns(snapshot: &Snapshot, id: ObjectId) -> Vec<String> {
    let Definition::Source(source) = &snapshot.get(id).unwrap().definition else { panic!("not a source") };
    source.columns.iter().map(|column| column.name.clone()).collect()
}
