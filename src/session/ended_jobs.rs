//! The jobs of what is not defined any more: they are stopped, and what they kept is removed.

use std::sync::Arc;

use super::{Notice, Services};
use crate::catalog::{Definition, Object, Snapshot};
use crate::clock::Clock;
use crate::flow::job;
use crate::lake::Lake;

/// Ends the jobs of objects that are `gone` from the catalog, which was as `before` when they were there. Returns what is to be said of jobs whose
/// remains could not be removed.
pub async fn end_jobs(services: &Services, gone: &[Arc<Object>], before: &Snapshot) -> Vec<Notice> {
    let mut left = vec![];
    for object in gone.iter().filter(|object| object.definition.job().is_some()) {
        services.supervisor.remove(object.id).await;
        left.extend(bury(&services.flow.lake, &services.flow.clock, object, before).await);
    }
    left
}

/// Removes what a job that runs no more has kept. If that fails the object is gone all the same: what the job kept may be where nothing answers now.
pub async fn bury(lake: &Lake, clock: &Clock, object: &Object, before: &Snapshot) -> Option<Notice> {
    let (job, _) = object.definition.job()?;
    let error = job::bury(lake, clock, job, target(object, before)).await.err()?;
    let what = format!("what {object} has kept in the lake, in _lakewire/jobs/{job}, could not be removed: {}", error.one_line());
    Some(Notice::warning(what))
}

/// Where the table is that a pipeline writes.
fn target<'a>(object: &Object, catalog: &'a Snapshot) -> Option<&'a str> {
    let Definition::Pipeline(pipeline) = &object.definition else { return None };
    match &catalog.get(pipeline.target)?.definition {
        Definition::Table(table) => Some(&table.location),
        _ => None,
    }
}
