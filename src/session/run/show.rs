//! `SHOW SOURCES | TABLES | …`, `SHOW CREATE …`, `SHOW variable`

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use datafusion::physical_plan::memory::MemoryStream;

use super::super::prepare::{plan, text_columns};
use super::super::{Outcome, Session};
use crate::catalog::ObjectKind;
use crate::error::{Error, Result};
use crate::query;
use crate::sql::{self, Show, ShowCreate, ShowVariable, Statement};

/// The columns that a statement which is not a query answers with, if it answers with rows.
pub async fn columns(session: &Session, statement: &Statement) -> Result<Option<SchemaRef>> {
    Ok(match statement {
        Statement::Show(Show::Secrets) => Some(text_columns(&["name"])),
        Statement::Show(show) => Some(Arc::new(list_plan(session, *show).await?.schema().as_arrow().clone())),
        Statement::ShowCreate(_) => Some(text_columns(&["name", "statement"])),
        Statement::ShowVariable(ShowVariable::All) => Some(text_columns(&["name", "setting"])),
        Statement::ShowVariable(ShowVariable::Named { name, .. }) => Some(text_columns(&[name])),
        Statement::Describe(_) => Some(super::describe::columns()),
        Statement::DescribeSource(_) => Some(super::describe_source::columns()),
        _ => None,
    })
}

/// Lists are queries over the system tables.
pub async fn list(session: &Session, show: Show) -> Result<Outcome> {
    if show == Show::Secrets {
        return secrets(session);
    }
    let plan = list_plan(session, show).await?;
    let rows = query::run::run(session.state.clone(), plan, None, &session.services.query.compute).await?;
    Ok(Outcome::Rows { schema: rows.schema(), rows, tag: "SHOW" })
}

async fn list_plan(session: &Session, show: Show) -> Result<datafusion::logical_expr::LogicalPlan> {
    let text = match show {
        Show::Sources => "SELECT name, connector, schema, columns, readers, created_at FROM lakewire.sources ORDER BY name",
        Show::Tables => "SELECT name, location, version, columns, files, rows, bytes, last_commit FROM lakewire.tables ORDER BY name",
        Show::Pipelines => {
            "SELECT name, state, since, epoch, records_in, rows_out, rejected, error FROM lakewire.jobs WHERE kind = 'pipeline' ORDER BY name"
        }
        Show::Jobs => "SELECT name, kind, state, since, epoch, records_in, rows_out, rejected, error FROM lakewire.jobs ORDER BY name",
        Show::Sinks => return Err(Error::unsupported("sinks are not supported yet")),
        Show::MaterializedViews => "SELECT name, state, since, inputs, columns, error FROM lakewire.views ORDER BY name",
        Show::Secrets => return Err(Error::internal("secrets are not in a system table")),
    };
    let query = sql::parse_query(text)?;
    plan(session, sqlparser::ast::Statement::Query(Box::new(query)), text).await
}

fn secrets(session: &Session) -> Result<Outcome> {
    let catalog = session.services.flow.catalog.snapshot();
    let names: Vec<_> = catalog.iter_kind(ObjectKind::Secret).map(|secret| secret.name.as_str()).collect();
    let columns = text_columns(&["name"]);
    answer(columns.clone(), RecordBatch::try_new(columns, vec![Arc::new(StringArray::from(names))])?)
}

/// The statement as the user wrote it.
pub async fn create(session: &Session, show: &ShowCreate) -> Result<Outcome> {
    let kind = match show.kind {
        sql::ObjectKind::Source => ObjectKind::Source,
        sql::ObjectKind::Table => ObjectKind::Table,
        sql::ObjectKind::Pipeline => ObjectKind::Pipeline,
        sql::ObjectKind::View => ObjectKind::View,
        sql::ObjectKind::Index => ObjectKind::Index,
        sql::ObjectKind::Secret => return Err(Error::unsupported("a secret is not shown").at(show.name_position)),
    };
    let catalog = session.services.flow.catalog.snapshot();
    let object = catalog.find(kind, &show.name).ok_or_else(|| kind.undefined(&show.name).at(show.name_position))?;
    texts(&["name", "statement"], &[vec![object.name.to_string(), object.sql.clone()]])
}

pub fn variable(session: &Session, show: &ShowVariable) -> Result<Outcome> {
    match show {
        ShowVariable::All => {
            let rows: Vec<_> = session.variables.lock().list().into_iter().map(|(name, value)| vec![name.to_string(), value]).collect();
            texts(&["name", "setting"], &rows)
        }
        ShowVariable::Named { name, position } => {
            let value = session.variables.lock().get(name).map_err(|error| error.at(*position))?;
            texts(&[name], &[vec![value]])
        }
    }
}

fn texts(names: &[&str], rows: &[Vec<String>]) -> Result<Outcome> {
    let columns = text_columns(names);
    let column = |index: usize| Arc::new(StringArray::from_iter_values(rows.iter().map(|row| &row[index]))) as ArrayRef;
    let batch = RecordBatch::try_new(columns.clone(), (0..names.len()).map(column).collect())?;
    answer(columns, batch)
}

/// Rows that are there already.
pub fn answer(schema: SchemaRef, rows: RecordBatch) -> Result<Outcome> {
    let stream = MemoryStream::try_new(vec![rows], schema.clone(), None)?;
    Ok(Outcome::Rows { schema, rows: Box::pin(stream), tag: "SHOW" })
}
