//! `TRUNCATE [TABLE] a, b`

use super::super::change::{self, ATTEMPTS_MAX};
use super::super::{Outcome, Session};
use crate::error::Result;
use crate::lake::{Operation, Rewrite, Rewritten};
use crate::sql::{PlacedName, Truncate};

pub async fn run(session: &Session, truncate: &Truncate) -> Result<Outcome> {
    // Nothing is removed where one of the names is no table.
    for name in &truncate.tables {
        change::find(session, name)?;
    }
    for name in &truncate.tables {
        empty(session, name).await?;
    }
    Ok(Outcome::done("TRUNCATE TABLE"))
}

async fn empty(session: &Session, name: &PlacedName) -> Result<()> {
    let (_, definition) = change::find(session, name)?;
    let turn = session.services.flow.lake.table(&definition.location)?.rewriting_turn().await;
    for _ in 0..ATTEMPTS_MAX {
        let base = turn.table().refresh().await?;
        let removes = base.data_files().map(|file| file.removed(&base)).collect::<Result<Vec<_>>>()?;
        if removes.is_empty() {
            return Ok(());
        }
        let rewrite = Rewrite { removes, adds: vec![], transaction: None, operation: Operation::Truncate };
        if turn.commit(&base, rewrite).await? != Rewritten::Overtaken {
            return Ok(());
        }
    }
    Err(change::overtaken(name.name.as_str()))
}
