//! `UPDATE t [AS a] SET … [FROM …] [WHERE …]`

use arrow::datatypes::Schema;
use datafusion::scalar::ScalarValue;

use super::super::change::{self, ADDRESSED, ActionKind, Repeated, Wanted, WantedAction, column_type};
use super::super::{Outcome, Session};
use crate::error::Result;
use crate::lake::Operation;
use crate::sql::Update;

pub async fn run(session: &Session, update: &Update, text: &str, parameters: &[ScalarValue]) -> Result<Outcome> {
    let want = |schema: &Schema| wanted(update, schema);
    let count = change::run(session, &update.table, &want, text, parameters, Operation::Update).await?;
    Ok(Outcome::done(format!("UPDATE {count}")))
}

pub fn wanted(update: &Update, schema: &Schema) -> Result<Wanted> {
    let types = update.set.iter().map(|set| column_type(schema, &update.table, &set.column)).collect::<Result<Vec<_>>>()?;
    let columns = update.set.iter().map(|set| set.column.clone()).collect();
    let actions = vec![WantedAction { kind: ActionKind::Update, columns }];
    Ok(Wanted { query: update.rows(&types, ADDRESSED)?, actions, repeated: Repeated::Once })
}
