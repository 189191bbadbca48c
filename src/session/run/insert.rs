//! `INSERT INTO t [(a, b)] VALUES … | SELECT …`

use std::sync::Arc;

use arrow::datatypes::Schema;

use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use sqlparser::ast;

use super::super::prepare::{self, bind, plan_query};
use super::super::{Outcome, Session};
use crate::catalog::{Definition, Object, ObjectKind, TableDef};
use crate::error::{Error, Result, SqlState};
use crate::flow::compile::METADATA_COLUMNS;
use crate::flow::target::{Target, TargetSpec};
use crate::lake::{Commit, Operation};
use crate::model::{Name, SchemaMode};
use crate::query;
use crate::sql::{self, Insert};

pub async fn run(session: &Session, insert: &Insert, text: &str, parameters: &[ScalarValue]) -> Result<Outcome> {
    let (object, table) = target(session, insert)?;
    let rows = bind(plan(session, insert, text).await?, parameters)?;
    let count = write(session, &object, &table, rows).await?;
    Ok(Outcome::done(format!("INSERT 0 {count}")))
}

/// The rows to insert, as columns of the table.
///
/// As in PostgreSQL columns are matched by position, and literals take the type of their column. A table that has no columns yet takes those of
/// the query.
pub async fn plan(session: &Session, insert: &Insert, text: &str) -> Result<LogicalPlan> {
    let (_, table) = target(session, insert)?;
    let snapshot = session.services.flow.lake.table(&table.location)?.refresh().await?;
    if snapshot.schema().fields().is_empty() {
        return match insert.columns.is_empty() {
            true => plan_query(session, insert.query(), text).await,
            false => Err(Error::undefined(format!("column \"{}\" of relation \"{}\" does not exist", insert.columns[0], insert.target))
                .with_state(SqlState::UNDEFINED_COLUMN)
                .with_hint("the table has no columns yet: name them in the query, with AS")),
        };
    }
    let mut statement = insert.ast.clone();
    let catalog = session.services.flow.catalog.snapshot();
    if let Some(source) = &mut statement.source {
        let is_source = |name: &Name| catalog.find(ObjectKind::Source, name).is_some();
        sql::metadata_columns::hide_from_wildcards(source, &METADATA_COLUMNS, &is_source)?;
        name_first_columns(&mut statement.columns, source, snapshot.schema());
    }
    let planned = prepare::plan(session, ast::Statement::Insert(statement), text).await?;
    match planned {
        LogicalPlan::Dml(dml) => Ok(Arc::unwrap_or_clone(dml.input)),
        other => Err(Error::internal(format!("INSERT was planned as {}", other.display()))),
    }
}

/// As in PostgreSQL, fewer values than columns are for the first ones; the planner wants that said.
fn name_first_columns(columns: &mut Vec<ast::ObjectName>, source: &ast::Query, table: &Schema) {
    let width = match source.body.as_ref() {
        ast::SetExpr::Values(values) => values.rows.first().map_or(0, |row| row.content.len()),
        _ => return,
    };
    if columns.is_empty() && width < table.fields().len() {
        let first = table.fields().iter().take(width);
        *columns = first.map(|field| ast::ObjectName::from(vec![ast::Ident::with_quote('"', field.name())])).collect();
    }
}

/// Runs a query into files of the table and commits them, all or none. Returns the number of rows.
pub async fn write(session: &Session, object: &Object, table: &TableDef, rows: LogicalPlan) -> Result<u64> {
    let lake = &session.services.flow.lake;
    let handle = lake.table(&table.location)?;
    let has_columns = !handle.refresh().await?.schema().fields().is_empty();
    let spec = TargetSpec {
        name: object.name.clone(),
        table: handle.clone(),
        location: table.location.clone(),
        partition_by: table.partition_by.clone(),
        mode: if has_columns { SchemaMode::Fixed } else { SchemaMode::Evolve },
        target_file_bytes: table.target_file_bytes,
        columns: None,
    };
    let mut rows = query::run::run(session.state.clone(), rows, &session.services.query.compute).await?;
    let mut target = Target::open(spec).await?;
    // Even a result without rows has columns, which the table may be waiting for.
    target.prepare(rows.schema()).await?;
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(Error::from)?;
        count += batch.num_rows() as u64;
        target.write(&batch).await?;
    }
    let adds = target.seal().await?;
    if !adds.is_empty() {
        handle.commit(Commit { adds, transaction: None, operation: Operation::Write }).await?;
    }
    Ok(count)
}

fn target(session: &Session, insert: &Insert) -> Result<(Arc<Object>, TableDef)> {
    let catalog = session.services.flow.catalog.snapshot();
    let Some(object) = catalog.relation(&insert.target) else {
        return Err(Error::undefined(format!("relation \"{}\" does not exist", insert.target))
            .with_state(SqlState::UNDEFINED_TABLE)
            .at(insert.target_position));
    };
    match &object.definition {
        Definition::Table(table) => Ok((object.clone(), table.clone())),
        _ => Err(Error::invalid(format!("cannot insert into {}", object.as_ref()))
            .with_state(SqlState::WRONG_OBJECT_TYPE)
            .with_hint("rows can be inserted into tables")
            .at(insert.target_position)),
    }
}
