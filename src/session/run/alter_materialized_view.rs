//! `ALTER MATERIALIZED VIEW [IF EXISTS] v PAUSE | RESUME | SET (…) | RENAME TO w | SWAP WITH w`

use super::super::job_settings::{self, Whose};
use super::super::{Outcome, Session};
use crate::catalog::ObjectKind;
use crate::error::Result;
use crate::sql::AlterMaterializedView;

pub async fn run(session: &Session, alter: &AlterMaterializedView) -> Result<Outcome> {
    let whose = Whose { kind: ObjectKind::View, name: &alter.name, position: alter.name_position, if_exists: alter.if_exists };
    job_settings::alter(session, whose, &alter.change).await?;
    Ok(Outcome::done("ALTER MATERIALIZED VIEW"))
}
