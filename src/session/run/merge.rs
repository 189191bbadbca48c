//! `MERGE INTO t [AS a] USING s ON … WHEN …`

use arrow::datatypes::Schema;
use datafusion::scalar::ScalarValue;

use super::super::change::{self, ADDRESSED, ActionKind, Repeated, Wanted, WantedAction, column_type};
use super::super::{Outcome, Session};
use crate::error::{Error, Result};
use crate::lake::Operation;
use crate::model::Name;
use crate::sql::{Merge, MergeAction, PlacedName};

pub async fn run(session: &Session, merge: &Merge, text: &str, parameters: &[ScalarValue]) -> Result<Outcome> {
    let want = |schema: &Schema| wanted(merge, schema);
    let count = change::run(session, &merge.table, &want, text, parameters, Operation::Merge).await?;
    Ok(Outcome::done(format!("MERGE {count}")))
}

pub fn wanted(merge: &Merge, schema: &Schema) -> Result<Wanted> {
    let actions = merge.clauses.iter().map(|clause| action(&clause.then, schema)).collect::<Result<Vec<_>>>()?;
    let types = actions.iter().map(|action| {
        let types = action.columns.iter().map(|column| column_type(schema, &merge.table, column));
        types.collect::<Result<Vec<_>>>()
    });
    let query = merge.rows(&types.collect::<Result<Vec<_>>>()?, ADDRESSED)?;
    Ok(Wanted { query, actions, repeated: Repeated::Refused })
}

fn action(action: &MergeAction, schema: &Schema) -> Result<WantedAction> {
    Ok(match action {
        MergeAction::Update(set) => WantedAction { kind: ActionKind::Update, columns: set.iter().map(|set| set.column.clone()).collect() },
        MergeAction::Delete => WantedAction { kind: ActionKind::Delete, columns: vec![] },
        MergeAction::DoNothing => WantedAction { kind: ActionKind::Nothing, columns: vec![] },
        MergeAction::Insert { columns, values, position } => {
            WantedAction { kind: ActionKind::Insert, columns: inserted(columns, values.len(), *position, schema)? }
        }
    })
}

/// Without a list the values go to the first columns.
fn inserted(columns: &[PlacedName], values: usize, position: usize, schema: &Schema) -> Result<Vec<PlacedName>> {
    if !columns.is_empty() {
        return Ok(columns.to_vec());
    }
    if values > schema.fields().len() {
        return Err(Error::syntax("INSERT has more expressions than target columns").at(position));
    }
    let first = schema.fields().iter().take(values);
    first.map(|field| Ok(PlacedName { name: Name::new(field.name().as_str())?, position })).collect()
}
