//! `INSERT INTO t [(a, b)] VALUES … | SELECT …`

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;
use futures::StreamExt;
use sqlparser::ast;

use super::super::prepare::{self, bind, hide_metadata_columns, plan_query, plan_rows};
use super::super::{Outcome, Session};
use crate::catalog::{Definition, Object, TableDef};
use crate::error::{Error, Result, SqlState};
use crate::flow::target::{Target, TargetSpec};
use crate::lake::{Commit, Operation};
use crate::model::SchemaMode;
use crate::query;
use crate::sql::{Insert, result_names};

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
    let head = session.services.flow.lake.table(&table.location)?.refresh_head().await?;
    if head.schema().fields().is_empty() {
        return match insert.columns.is_empty() {
            true => plan_rows(session, insert.query(), text).await,
            false => Err(Error::undefined(format!("column \"{}\" of relation \"{}\" does not exist", insert.columns[0], insert.target))
                .with_state(SqlState::UNDEFINED_COLUMN)
                .with_hint("the table has no columns yet: name them in the query, with AS")),
        };
    }
    let ast = complete(session, insert, head.schema(), text).await?;
    let planned = prepare::plan(session, ast::Statement::Insert(ast), text).await?;
    match planned {
        LogicalPlan::Dml(dml) => Ok(Arc::unwrap_or_clone(dml.input)),
        other => Err(Error::internal(format!("INSERT was planned as {}", other.display()))),
    }
}

/// The statement with the columns that its rows go to. Without a list they are the table's first ones, as in PostgreSQL.
async fn complete(session: &Session, insert: &Insert, table: &Schema, text: &str) -> Result<ast::Insert> {
    let mut complete = insert.ast.clone();
    let width = width(session, insert.query(), text).await?;
    let columns = if insert.columns.is_empty() { table.fields().len() } else { insert.columns.len() };
    if width > columns {
        return Err(Error::syntax("INSERT has more expressions than target columns").at(insert.target_position));
    }
    if width < columns && !insert.columns.is_empty() {
        return Err(Error::syntax("INSERT has more target columns than expressions").at(insert.target_position));
    }
    if insert.columns.is_empty() {
        let first = table.fields().iter().take(width);
        complete.columns = first.map(|field| ast::ObjectName::from(vec![ast::Ident::with_quote('"', field.name())])).collect();
    }
    if let Some(query) = &mut complete.source {
        result_names::make_unique(query);
        hide_metadata_columns(&session.services.flow.catalog, query)?;
    }
    Ok(complete)
}

/// How many columns the query has.
async fn width(session: &Session, query: &ast::Query, text: &str) -> Result<usize> {
    match query.body.as_ref() {
        ast::SetExpr::Values(values) => {
            let mut widths = values.rows.iter().map(|row| row.len());
            let first = widths.next().unwrap_or(0);
            match widths.all(|width| width == first) {
                true => Ok(first),
                false => Err(Error::syntax("VALUES lists must all be the same length")),
            }
        }
        _ => Ok(plan_query(session, query, text).await?.schema().fields().len()),
    }
}

/// Runs a query into files of the table and commits them, all or none. Returns the number of rows.
pub async fn write(session: &Session, object: &Object, table: &TableDef, rows: LogicalPlan) -> Result<u64> {
    let lake = &session.services.flow.lake;
    let handle = lake.table(&table.location)?;
    let has_columns = !handle.refresh_head().await?.schema().fields().is_empty();
    let spec = TargetSpec {
        name: object.name.clone(),
        table: handle.clone(),
        location: table.location.clone(),
        partition_by: table.partition_by.clone(),
        mode: if has_columns { SchemaMode::Fixed } else { SchemaMode::Evolve },
        target_file_bytes: table.target_file_bytes,
        columns: None,
    };
    let mut rows = query::run::run(session.state.clone(), rows, session.max_staleness(), &session.services.query.compute).await?;
    let mut target = Target::open(spec).await?;
    let count = match fill(&mut target, &mut rows).await {
        Ok(count) => count,
        Err(error) => {
            target.discard().await;
            return Err(error);
        }
    };
    let adds = target.seal().await?;
    if !adds.is_empty() {
        handle.commit(Commit { adds, transaction: None, operation: Operation::Write }).await?;
    }
    Ok(count)
}

async fn fill(target: &mut Target, rows: &mut SendableRecordBatchStream) -> Result<u64> {
    // Even a result without rows has columns, which the table may be waiting for.
    target.prepare(rows.schema()).await?;
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(Error::from)?;
        count += batch.num_rows() as u64;
        target.write(&batch).await?;
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
