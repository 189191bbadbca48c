//! `CREATE TABLE [IF NOT EXISTS] name (columns) [PARTITION BY (…)] [WITH (…)] [AS SELECT …]`

use std::sync::Arc;

use arrow::datatypes::Schema;
use sqlparser::ast::Query;

use super::super::prepare::plan_rows;
use super::super::table_folders;
use super::super::{Notice, Outcome, Session};
use super::insert;
use crate::catalog::{Change, Definition, Object, Snapshot, TableColumn, TableDef};
use crate::error::{Error, Result, SqlState};
use crate::lake::Lake;
use crate::model::{Name, ObjectId, SchemaMode};
use crate::sql::CreateTable;

const TARGET_FILE_BYTES_DEFAULT: u64 = 128 << 20;
/// How many folders are tried for a table whose name was used before.
const FOLDERS_MAX: u32 = 10_000;

pub async fn run(session: &Session, create: &CreateTable, text: &str) -> Result<Outcome> {
    let flow = &session.services.flow;
    if exists(session, create, &flow.catalog.snapshot())? {
        return Ok(Outcome::done("CREATE TABLE"));
    }
    // What is known to exist is told without asking the catalog's store. Anything else is not begun while that is away: a table that it cannot
    // store in the end stays in the lake.
    let catalog = flow.catalog.refresh().await?;
    if exists(session, create, &catalog)? {
        return Ok(Outcome::done("CREATE TABLE"));
    }
    let definition = define(create, &catalog, &flow.lake).await?;
    let object = Object {
        id: ObjectId::new(),
        name: create.name.clone(),
        sql: text.to_string(),
        created_at: flow.clock.now(),
        definition: Definition::Table(definition.clone()),
    };
    let tag = match &create.query {
        None => {
            create_log(&flow.lake, create, &definition).await?;
            "CREATE TABLE".to_string()
        }
        Some(query) => format!("SELECT {}", fill(session, &object, &definition, query, text).await?),
    };
    // The definition comes last: a table that is seen is whole.
    let still_free = |now: &Snapshot| table_folders::check_free(now, &flow.lake, &definition.location);
    flow.catalog.commit_if(vec![Change::Create(object)], still_free).await?;
    Ok(Outcome::done(tag))
}

/// Errors: it exists, and that is not allowed for.
fn exists(session: &Session, create: &CreateTable, catalog: &Snapshot) -> Result<bool> {
    match catalog.relation(&create.name) {
        None => Ok(false),
        Some(_) if create.if_not_exists => {
            session.notice(Notice::note(format!("relation \"{}\" already exists, skipping", create.name)));
            Ok(true)
        }
        Some(existing) => Err(existing.kind().namespace().duplicate(&create.name).at(create.name_position)),
    }
}

async fn define(create: &CreateTable, catalog: &Snapshot, lake: &Lake) -> Result<TableDef> {
    let mut options = create.options.clone();
    let mode = match options.take_word("schema", &["fixed", "evolve"])? {
        Some("fixed") => SchemaMode::Fixed,
        Some(_) => SchemaMode::Evolve,
        None if create.columns.is_empty() && create.query.is_none() => SchemaMode::Evolve,
        None => SchemaMode::Fixed,
    };
    let target_file_bytes = options.take_bytes("target_file_size")?.unwrap_or(TARGET_FILE_BYTES_DEFAULT);
    let location = options.take_text("location")?;
    if options.take_text("retention")?.is_some() {
        return Err(Error::unsupported("option \"retention\" is not supported yet"));
    }
    options.finish("a table")?;
    check_columns(create, mode)?;
    Ok(TableDef {
        location: match location {
            Some(location) => given_location(catalog, lake, &location)?,
            None => free_location(catalog, lake, &create.name).await?,
        },
        columns: create
            .columns
            .iter()
            .map(|column| TableColumn { name: column.name.to_string(), data_type: column.data_type.clone(), not_null: column.not_null })
            .collect(),
        partition_by: create.partition_by.iter().map(|column| column.name.to_string()).collect(),
        mode,
        target_file_bytes,
    })
}

fn check_columns(create: &CreateTable, mode: SchemaMode) -> Result<()> {
    for column in &create.columns {
        column.data_type.check_storable(column.name.as_str()).map_err(|error| error.at(column.position))?;
    }
    if create.columns.is_empty() {
        if mode == SchemaMode::Fixed && create.query.is_none() {
            return Err(Error::invalid("a table with schema = 'fixed' needs columns").with_state(SqlState::INVALID_TABLE_DEFINITION));
        }
        return Ok(());
    }
    if create.query.is_some() {
        return Err(Error::unsupported("CREATE TABLE with both columns and AS is not supported")
            .with_hint("leave the columns out and name them in the query"));
    }
    for partition in &create.partition_by {
        if !create.columns.iter().any(|column| column.name == partition.name) {
            return Err(Error::undefined(format!("column \"{}\" named in PARTITION BY does not exist", partition.name))
                .with_state(SqlState::UNDEFINED_COLUMN)
                .at(partition.position));
        }
    }
    if create.partition_by.len() == create.columns.len() {
        return Err(Error::invalid("a table needs a column that it is not partitioned by").with_state(SqlState::INVALID_TABLE_DEFINITION));
    }
    Ok(())
}

/// A place that no table can be at is refused now, not when the table is first read.
fn given_location(catalog: &Snapshot, lake: &Lake, location: &str) -> Result<String> {
    let folder = lake.folder(location)?;
    if folder.as_ref().starts_with('_') {
        return Err(Error::invalid("a table's location cannot begin with '_'")
            .with_hint("readers pass over such folders, and some are the server's own"));
    }
    table_folders::check_free(catalog, lake, location)?;
    Ok(folder.into())
}

/// The folder named like the table, or the next free one: the files of a dropped table stay, and do not come back to life.
async fn free_location(catalog: &Snapshot, lake: &Lake, name: &Name) -> Result<String> {
    let folder = folder_name(name);
    for nth in 1..=FOLDERS_MAX {
        let location = if nth == 1 { folder.clone() } else { format!("{folder}-{nth}") };
        // A table that takes its columns from what comes has no log yet.
        if table_folders::check_free(catalog, lake, &location).is_err() {
            continue;
        }
        if lake.table(&location)?.refresh_head().await?.version().is_none() {
            return Ok(location);
        }
    }
    Err(Error::state(format!("no folder is free for table \"{name}\"")).with_hint("give one: WITH (location = '…')"))
}

/// Readers pass over folders that begin with `_` or `.`; and `_lakewire` is ours.
fn folder_name(name: &Name) -> String {
    let safe: String = name.as_str().chars().map(|c| if c.is_alphanumeric() || "_-".contains(c) { c } else { '_' }).collect();
    match safe.starts_with('_') {
        true => format!("t{safe}"),
        false => safe,
    }
}

/// Writes the table's first version. A table that takes its columns from what comes gets it then; a location that holds a table is taken as it is.
async fn create_log(lake: &Lake, create: &CreateTable, definition: &TableDef) -> Result<()> {
    if definition.columns.is_empty() {
        return Ok(());
    }
    let fields = definition.columns.iter().map(|column| column.data_type.to_field(&column.name, !column.not_null)).collect::<Vec<_>>();
    let table = lake.table(&definition.location)?;
    table.create(Arc::new(Schema::new(fields)), &definition.partition_by, create.name.as_str()).await?;
    Ok(())
}

async fn fill(session: &Session, object: &Object, definition: &TableDef, query: &Query, text: &str) -> Result<u64> {
    let rows = plan_rows(session, query, text).await?;
    insert::write(session, object, definition, rows).await
}
