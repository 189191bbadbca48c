//! `CREATE SECRET [IF NOT EXISTS] name AS 'text'`

use super::super::{Notice, Outcome, Session};
use crate::catalog::{Change, Definition, Object, ObjectKind};
use crate::error::Result;
use crate::model::ObjectId;
use crate::sql::CreateSecret;

pub async fn run(session: &Session, create: &CreateSecret) -> Result<Outcome> {
    let catalog = &session.services.flow.catalog;
    if create.if_not_exists && catalog.snapshot().find(ObjectKind::Secret, &create.name).is_some() {
        session.notice(Notice::note(format!("secret \"{}\" already exists, skipping", create.name)));
        return Ok(Outcome::done("CREATE SECRET"));
    }
    let id = ObjectId::new();
    let definition = Definition::Secret(catalog.seal_secret(id, &create.text)?);
    let created_at = session.services.flow.clock.now();
    // The text that was written holds the secret, so it is not kept.
    catalog.commit(vec![Change::Create(Object { id, name: create.name.clone(), sql: String::new(), created_at, definition })]).await?;
    Ok(Outcome::done("CREATE SECRET"))
}
