//! `DELETE FROM t [AS a] [USING …] [WHERE …]`

use datafusion::scalar::ScalarValue;

use super::super::change::{self, ADDRESSED, ActionKind, Repeated, Wanted, WantedAction};
use super::super::{Outcome, Session};
use crate::error::Result;
use crate::lake::Operation;
use crate::sql::Delete;

pub async fn run(session: &Session, delete: &Delete, text: &str, parameters: &[ScalarValue]) -> Result<Outcome> {
    let count = change::run(session, &delete.table, &|_| wanted(delete), text, parameters, Operation::Delete).await?;
    Ok(Outcome::done(format!("DELETE {count}")))
}

pub fn wanted(delete: &Delete) -> Result<Wanted> {
    let actions = vec![WantedAction { kind: ActionKind::Delete, columns: vec![] }];
    Ok(Wanted { query: delete.rows(ADDRESSED)?, actions, repeated: Repeated::Once })
}
