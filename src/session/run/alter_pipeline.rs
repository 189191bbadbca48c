//! `ALTER PIPELINE [IF EXISTS] p PAUSE | RESUME | SET (…) | RENAME TO q`

use super::super::job_settings::{self, Whose};
use super::super::{Outcome, Session};
use crate::catalog::ObjectKind;
use crate::error::Result;
use crate::sql::AlterPipeline;

pub async fn run(session: &Session, alter: &AlterPipeline) -> Result<Outcome> {
    let whose = Whose { kind: ObjectKind::Pipeline, name: &alter.name, position: alter.name_position, if_exists: alter.if_exists };
    job_settings::alter(session, whose, &alter.change).await?;
    Ok(Outcome::done("ALTER PIPELINE"))
}
