//! `DECLARE c CURSOR [WITH HOLD] FOR …`, `FETCH … FROM c`, `CLOSE c`

use arrow::datatypes::SchemaRef;
use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;

use super::super::cursors::Cursor;
use super::super::prepare::plan_query;
use super::super::{Outcome, Session, TransactionStatus};
use super::{query, subscribe};
use crate::error::{Error, Result, SqlState};
use crate::sql::{Close, CursorOf, Declare, Fetch};

/// The plan of what is declared, for the types of its parameters.
pub async fn plan(session: &Session, declare: &Declare, text: &str) -> Result<LogicalPlan> {
    match &declare.of {
        CursorOf::Query(query) => plan_query(session, query, text).await,
        CursorOf::Subscribe(subscribe) => Ok(subscribe::prepare(session, subscribe, text).await?.0),
    }
}

pub async fn declare(session: &Session, declare: &Declare, text: &str, parameters: &[ScalarValue]) -> Result<Outcome> {
    let in_block = session.transaction_status() != TransactionStatus::Idle;
    if !declare.hold && !in_block {
        return Err(Error::state("DECLARE CURSOR can only be used in transaction blocks")
            .with_state(SqlState::NO_ACTIVE_SQL_TRANSACTION)
            .with_hint("BEGIN first, or DECLARE … CURSOR WITH HOLD"));
    }
    let name = &declare.cursor.name;
    session.cursors.check_room(name).map_err(|error| error.at(declare.cursor.position))?;
    let (outcome, is_endless) = match &declare.of {
        CursorOf::Query(query) => {
            let plan = plan_query(session, query, text).await?;
            (query::open(session, query, plan, parameters).await?, false)
        }
        CursorOf::Subscribe(subscribe) => (subscribe::run(session, subscribe, text, parameters).await?, true),
    };
    let Outcome::Rows { schema, rows, .. } = outcome else {
        return Err(Error::internal("a cursor over what gives no rows"));
    };
    session.cursors.open(name.clone(), Cursor { schema, rows, hold: declare.hold, in_block, is_endless });
    Ok(Outcome::done("DECLARE CURSOR"))
}

/// The columns of a cursor that is open.
pub fn columns(session: &Session, fetch: &Fetch) -> Result<SchemaRef> {
    session.cursors.schema(&fetch.cursor.name).map_err(|error| error.at(fetch.cursor.position))
}

pub fn fetch(session: &Session, fetch: &Fetch) -> Result<Outcome> {
    let schema = columns(session, fetch)?;
    let rows = session.cursors.fetch(&fetch.cursor.name, fetch.count, fetch.timeout)?;
    Ok(Outcome::Rows { schema, rows, tag: "FETCH" })
}

pub fn close(session: &Session, close: &Close) -> Result<Outcome> {
    match close {
        Close::All => {
            session.cursors.close_all();
            Ok(Outcome::done("CLOSE CURSOR ALL"))
        }
        Close::Named(cursor) => {
            session.cursors.close(&cursor.name).map_err(|error| error.at(cursor.position))?;
            Ok(Outcome::done("CLOSE CURSOR"))
        }
    }
}
