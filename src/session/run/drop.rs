//! `DROP SOURCE | TABLE | PIPELINE | MATERIALIZED VIEW | SECRET | INDEX [IF EXISTS] a, b [CASCADE | RESTRICT] [PURGE]`

use std::sync::Arc;

use super::super::ended_jobs::end_jobs;
use super::super::table_folders;
use super::super::{Notice, Outcome, Services, Session};
use super::to_the_end;
use crate::catalog::{Change, Definition, Object, ObjectKind, Snapshot};
use crate::error::{Error, Kind, Result, SqlState};
use crate::sql::{self, Dependents, Drop, Files};

pub async fn run(session: &Session, drop: &Drop) -> Result<Outcome> {
    let catalog = session.services.flow.catalog.snapshot();
    let doomed = doomed(session, drop, &catalog)?;
    let (services, files) = (session.services.clone(), drop.files);
    let left = to_the_end(async move { remove(&services, &doomed, files).await }).await?;
    left.into_iter().for_each(|warning| session.notice(warning));
    Ok(Outcome::done(format!("DROP {}", drop.kind.keyword())))
}

/// What is dropped: what was named, and with CASCADE what depends on it. Indexes go with their view.
fn doomed(session: &Session, drop: &Drop, catalog: &Snapshot) -> Result<Vec<Arc<Object>>> {
    let kind = kind(drop.kind);
    let mut doomed: Vec<Arc<Object>> = vec![];
    for named in &drop.names {
        match catalog.expect_kind(kind, &named.name) {
            Ok(object) => doomed.push(object.clone()),
            Err(error) if drop.if_exists && error.kind() == Kind::Undefined => {
                session.notice(Notice::note(format!("{}, skipping", error.message())));
            }
            Err(error) => return Err(error.at(named.position)),
        }
    }
    let mut dependents: Vec<Arc<Object>> = vec![];
    for object in &doomed {
        for dependent in catalog.dependents_of(object.id) {
            if !doomed.iter().chain(&dependents).any(|known| known.id == dependent.id) {
                dependents.push(dependent.clone());
            }
        }
    }
    let (indexes, dependents): (Vec<_>, Vec<_>) = dependents.into_iter().partition(|object| object.kind() == ObjectKind::Index);
    if !dependents.is_empty() && drop.dependents == Dependents::Restrict {
        return Err(refusal(&doomed, &dependents));
    }
    for dependent in &dependents {
        session.notice(Notice::note(format!("drop cascades to {}", dependent.as_ref())));
    }
    Ok(doomed.into_iter().chain(dependents).chain(indexes).collect())
}

fn refusal(doomed: &[Arc<Object>], dependents: &[Arc<Object>]) -> Error {
    let named = &doomed[0];
    let detail: Vec<_> = dependents.iter().map(|dependent| format!("{} depends on {}", dependent.as_ref(), named.as_ref())).collect();
    Error::state(format!("cannot drop {} because other objects depend on it", named.as_ref()))
        .with_state(SqlState::DEPENDENT_OBJECTS_STILL_EXIST)
        .with_detail(detail.join("\n"))
        .with_hint("use DROP … CASCADE to drop the dependent objects too")
}

/// The definitions go first: what is still there of a dropped object after a crash is never started again. Then the jobs, so that none writes to
/// what is removed after them. Returns what is to be said of jobs whose remains could not be removed.
async fn remove(services: &Services, doomed: &[Arc<Object>], files: Files) -> Result<Vec<Notice>> {
    let before = services.flow.catalog.snapshot();
    let changes = doomed.iter().map(|object| Change::Drop(object.id)).collect();
    services.flow.catalog.commit_if(changes, |catalog| check_purge(services, catalog, doomed, files)).await?;
    let left = end_jobs(services, doomed, &before).await;
    for object in doomed {
        check_purge(services, &services.flow.catalog.snapshot(), std::slice::from_ref(object), files)?;
        clean_up(services, object, files).await?;
    }
    Ok(left)
}

/// What is purged has no folder in common with a table that stays, nor with one that was made since.
fn check_purge(services: &Services, catalog: &Snapshot, doomed: &[Arc<Object>], files: Files) -> Result<()> {
    for object in doomed {
        if let (Definition::Table(table), Files::Purge) = (&object.definition, files) {
            table_folders::check_purge(catalog, &services.flow.lake, &table.location, doomed)?;
        }
    }
    Ok(())
}

/// A table's files stay unless they are to be purged: a lake is not erased by a slip.
async fn clean_up(services: &Services, object: &Object, files: Files) -> Result<()> {
    match (&object.definition, files) {
        (Definition::Source(_), _) => services.flow.feeds.forget(object.id),
        (Definition::Table(table), Files::Purge) => services.flow.lake.purge(&table.location).await?,
        _ => {}
    }
    Ok(())
}

fn kind(written: sql::ObjectKind) -> ObjectKind {
    match written {
        sql::ObjectKind::Source => ObjectKind::Source,
        sql::ObjectKind::Table => ObjectKind::Table,
        sql::ObjectKind::Pipeline => ObjectKind::Pipeline,
        sql::ObjectKind::View => ObjectKind::View,
        sql::ObjectKind::Secret => ObjectKind::Secret,
        sql::ObjectKind::Index => ObjectKind::Index,
    }
}
