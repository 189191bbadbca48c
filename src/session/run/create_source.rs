//! `CREATE SOURCE [IF NOT EXISTS] name [(columns)] WITH (connector = …, …)`

use std::collections::HashSet;

use super::super::{Notice, Outcome, Session};
use crate::catalog::{Change, Definition, Format, Object, SourceDef, WatermarkDef};
use crate::error::{Error, Result, SqlState};
use crate::flow::compile::METADATA_COLUMNS;
use crate::formats::json::discover;
use crate::model::column::REST_COLUMN;
use crate::model::{ObjectId, SchemaMode, SourceColumn, name};
use crate::query::peek::{Look, sample};
use crate::sources::{self, Source};
use crate::sql::{self, CreateSource};

/// Options of every source, whatever its connector.
const COMMON_OPTIONS: [&str; 5] = ["connector", "format", "start", "schema", "flatten"];

pub async fn run(session: &Session, create: &CreateSource, text: &str) -> Result<Outcome> {
    let flow = &session.services.flow;
    let snapshot = flow.catalog.snapshot();
    if let Some(existing) = snapshot.relation(&create.name) {
        if create.if_not_exists {
            session.notice(Notice::note(format!("relation \"{}\" already exists, skipping", create.name)));
            return Ok(Outcome::done("CREATE SOURCE"));
        }
        return Err(existing.kind().namespace().duplicate(&create.name).at(create.name_position));
    }
    let mut definition = define(create)?;
    let options = definition.options.reveal(|secret| flow.catalog.secret(secret))?;
    let source = sources::connector(&definition.connector)?.open(options, flow.clock.clone()).await?;
    if definition.mode == SchemaMode::Evolve {
        look_for_columns(session, create, source.as_ref(), &mut definition).await?;
    }
    let object = Object {
        id: ObjectId::new(),
        name: create.name.clone(),
        sql: text.to_string(),
        created_at: flow.clock.now(),
        definition: Definition::Source(definition),
    };
    flow.catalog.commit(vec![Change::Create(object)]).await?;
    Ok(Outcome::done("CREATE SOURCE"))
}

/// Checks everything that can be checked without asking anybody.
fn define(create: &CreateSource) -> Result<SourceDef> {
    refuse_one_field_twice(create)?;
    let mut options = create.options.clone();
    let connector_name = options.require_text("connector")?;
    let connector = sources::connector(&connector_name)?;
    options.take_word("format", &["json"])?;
    let start = options.take_start("start")?;
    let flatten = options.take_bool("flatten")?.unwrap_or(false);
    let mode = match options.take_word("schema", &["fixed", "evolve"])? {
        Some("fixed") => SchemaMode::Fixed,
        Some(_) => SchemaMode::Evolve,
        None if create.columns.is_empty() => SchemaMode::Evolve,
        None => SchemaMode::Fixed,
    };
    if mode == SchemaMode::Fixed && create.columns.is_empty() {
        return Err(Error::invalid("a source with schema = 'fixed' needs columns")
            .with_hint("declare them: CREATE SOURCE s (a bigint, …) WITH (…)"));
    }
    connector.validate(&mut options)?;
    options.finish(&format!("connector \"{connector_name}\""))?;
    Ok(SourceDef {
        connector: connector_name,
        format: Format::Json,
        flatten,
        mode,
        start,
        options: create.options.without(&COMMON_OPTIONS),
        columns: create.columns.iter().map(declared).collect::<Result<_>>()?,
        watermark: create.watermark.as_ref().map(watermark),
    })
}

fn watermark(written: &sql::Watermark) -> WatermarkDef {
    WatermarkDef { column: written.column.to_string(), lateness_micros: written.lateness_micros }
}

fn declared(column: &crate::sql::ColumnDef) -> Result<SourceColumn> {
    let name = column.name.to_string();
    if METADATA_COLUMNS.contains(&name.as_str()) || name == REST_COLUMN {
        return Err(Error::invalid(format!("column name \"{}\" is reserved", name::quote(&name)))
            .with_detail("every source has a column of this name")
            .at(column.position));
    }
    let field = name.to_lowercase();
    Ok(SourceColumn { name, field, data_type: column.data_type.clone(), not_null: column.not_null, declared: true })
}

/// A field of the records can fill one column, whatever its spelling.
fn refuse_one_field_twice(create: &CreateSource) -> Result<()> {
    let mut fields = HashSet::new();
    match create.columns.iter().find(|column| !fields.insert(column.name.as_str().to_lowercase())) {
        None => Ok(()),
        Some(twin) => Err(Error::duplicate(format!("column \"{}\" differs from another only in case", twin.name))
            .with_state(SqlState::DUPLICATE_COLUMN)
            .with_detail("the names of JSON fields are folded to lower case")
            .at(twin.position)),
    }
}

async fn look_for_columns(session: &Session, create: &CreateSource, source: &dyn Source, definition: &mut SourceDef) -> Result<()> {
    let samples: Vec<_> = sample(source, Look::Oldest).await?.into_iter().map(|(_, records)| records).collect();
    definition.columns = discover(&definition.columns, definition.mode, definition.flatten, &samples);
    if definition.columns.is_empty() {
        session.notice(Notice::note(format!(
            "no data was found in source \"{}\" yet; its columns will be found when it comes, and SELECT * is possible before",
            create.name
        )));
    }
    Ok(())
}
