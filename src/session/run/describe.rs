//! `DESCRIBE x`: the columns of a relation.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{Schema, SchemaRef};

use super::super::prepare::text_columns;
use super::super::{Notice, Outcome, Session, view_query};
use crate::catalog::{Definition, Object, SourceDef, ViewDef};
use crate::error::{Error, Result, SqlState};
use crate::model::{Name, SourceColumn, SqlType, name};
use crate::query::relations;
use crate::sql::metadata_columns::has_wildcard;
use crate::sql::{self, Describe};

pub fn columns() -> SchemaRef {
    text_columns(&["column", "type", "nullable", "note"])
}

pub async fn run(session: &Session, describe: &Describe) -> Result<Outcome> {
    let mut parts = describe.relation.0.iter().rev().filter_map(|part| part.as_ident()).map(crate::model::name::fold);
    let name = Name::new(parts.next().unwrap_or_default())?;
    let schema = parts.next();
    let rows = match schema.as_deref() {
        Some("lakewire") => {
            relations::browse_system().iter().find(|table| table.name == name.as_str()).map(|table| of_schema(&table.columns, &[]))
        }
        None | Some("public") => match session.services.flow.catalog.snapshot().relation(&name) {
            Some(object) => Some(of_object(session, object).await?),
            None => None,
        },
        Some(_) => None,
    };
    let rows = rows.ok_or_else(|| {
        Error::undefined(format!("relation \"{name}\" does not exist")).with_state(SqlState::UNDEFINED_TABLE).at(describe.position)
    })?;
    super::show::answer(columns(), rows)
}

async fn of_object(session: &Session, object: &Object) -> Result<RecordBatch> {
    match &object.definition {
        Definition::Table(table) => {
            let head = session.services.flow.lake.table(&table.location)?.refresh_head().await?;
            Ok(of_schema(head.schema(), &table.partition_by))
        }
        Definition::Source(source) => Ok(of_source(session, object, source)),
        Definition::View(view) => of_view(session, view).await,
        Definition::Pipeline(_) | Definition::Secret(_) | Definition::Index(_) => {
            Err(Error::internal("a relation is no table, source or view"))
        }
    }
}

fn of_schema(schema: &Schema, partition_by: &[String]) -> RecordBatch {
    rows(schema.fields().iter().map(|field| {
        let note = if partition_by.contains(field.name()) { "partition column" } else { "" };
        [field.name().clone(), SqlType::from_field(field).name(), yes_no(field.is_nullable()), note.to_string()]
    }))
}

fn of_source(session: &Session, object: &Object, source: &SourceDef) -> RecordBatch {
    let columns = match session.services.flow.feeds.columns(object.id) {
        Some(live) => live.current(),
        None => Arc::new(source.columns.clone()),
    };
    rows(columns.iter().map(|column| [column.name.clone(), column.data_type.name(), yes_no(!column.not_null), note(column)]))
}

/// How the column of a source came about.
pub fn note(column: &SourceColumn) -> String {
    match (column.declared, column.is_sibling()) {
        (true, _) => "declared".to_string(),
        (false, false) => "found in the data".to_string(),
        (false, true) => format!("another reading of \"{}\"", column.field),
    }
}

/// Its columns; what the inputs of a `*` have got since is told in notices, for it is not in the view.
async fn of_view(session: &Session, view: &ViewDef) -> Result<RecordBatch> {
    if has_wildcard(&sql::parse_query(&view.query)?) {
        let catalog = session.services.flow.catalog.snapshot();
        for input in &view.inputs {
            let Some(relation) = catalog.get(input.relation) else { continue };
            let now = view_query::schema_of(session, relation).await?;
            let since = now.fields().iter().filter(|field| !input.columns.contains(field.name()));
            let since: Vec<_> = since.map(|field| name::quote(field.name())).collect();
            if !since.is_empty() {
                let what = format!("{} has columns that the view's * does not have: {}", relation.as_ref(), since.join(", "));
                session.notice(Notice::note(what));
            }
        }
    }
    Ok(rows(view.columns.iter().map(|column| [column.name.clone(), column.data_type.name(), yes_no(true), String::new()])))
}

fn yes_no(value: bool) -> String {
    if value { "yes".to_string() } else { "no".to_string() }
}

fn rows(rows: impl Iterator<Item = [String; 4]>) -> RecordBatch {
    let rows: Vec<_> = rows.collect();
    let arrays = (0..4).map(|column| Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row[column]))) as ArrayRef).collect();
    RecordBatch::try_new(columns(), arrays).expect("four text columns of one length")
}
