//! What the jobs need: of the tables, beyond what the tables' logs say, files that are prepared and not yet published and the versions from
//! which views go on; and their own state objects.
//!
//! The newest manifest of each job tells it all: an epoch is decided only when the one before it is published. The folders in the lake are asked, not
//! the catalog, for the jobs of other servers and those that were dropped have files there too.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use object_store::ObjectStore;
use object_store::path::Path;

use super::super::FlowServices;
use super::super::job::view::table_version;
use super::super::manifest::{Manifest, Manifests};
use crate::catalog::{Definition, ObjectKind, Snapshot};
use crate::error::Result;
use crate::lake::{Lake, Spared};
use crate::model::JobId;

/// A job that the catalog does not have may be another server's. If nothing was heard of it for so long, its tables need not wait for it.
const BELIEVED_IN: TimeDelta = TimeDelta::days(30);

/// By the tables' folders.
#[derive(Debug)]
pub struct Needs {
    /// Whatever came later is not known here.
    pub as_of: DateTime<Utc>,
    tables: BTreeMap<Path, Spared>,
    /// From which version some table is followed that is not known here: it could be any.
    followed_from: Option<i64>,
    /// The state objects of each job that has a manifest. Of one that has none nobody knows what it needs.
    pub state: BTreeMap<JobId, BTreeSet<String>>,
}

impl Needs {
    /// Errors if what some job needs cannot be known: then nothing must be removed.
    pub async fn of_jobs(services: &FlowServices) -> Result<Needs> {
        let as_of = services.clock.now();
        let catalog = services.catalog.snapshot();
        let with_jobs = [ObjectKind::Pipeline, ObjectKind::View].into_iter().flat_map(|kind| catalog.iter_kind(kind));
        let known: HashSet<JobId> = with_jobs.filter_map(|object| object.definition.job()).map(|(job, _)| job).collect();
        let heard_of_since = (as_of - BELIEVED_IN).timestamp_micros();
        let mut needs = Needs { as_of, tables: BTreeMap::new(), followed_from: None, state: BTreeMap::new() };
        for job in jobs_in(&services.lake).await? {
            let Some(manifest) = Manifests::new(services.lake.clone(), services.clock.clone(), job).newest().await? else { continue };
            needs.state.insert(job, manifest.state_objects().map(str::to_string).collect());
            needs.add_prepared(&manifest, &services.lake)?;
            if known.contains(&job) || manifest.committed_at_micros > heard_of_since {
                needs.add_followed(&manifest, &catalog, &services.lake)?;
            }
        }
        Ok(needs)
    }

    /// Of the table in this folder.
    pub fn of_table(&self, folder: &Path) -> Spared {
        let spared = self.tables.get(folder).cloned().unwrap_or_default();
        Spared { followed_from: oldest(spared.followed_from, self.followed_from), as_of: Some(self.as_of), ..spared }
    }

    fn add_prepared(&mut self, manifest: &Manifest, lake: &Lake) -> Result<()> {
        for commit in &manifest.commits {
            let table = self.tables.entry(lake.folder(&commit.table)?).or_default();
            table.prepared.extend(commit.files.iter().map(|file| file.path().to_string()));
        }
        Ok(())
    }

    fn add_followed(&mut self, manifest: &Manifest, catalog: &Snapshot, lake: &Lake) -> Result<()> {
        for (input, positions) in &manifest.inputs {
            let Some(version) = table_version(positions)? else { continue };
            match catalog.get(*input).map(|object| &object.definition) {
                Some(Definition::Table(table)) => {
                    let table = self.tables.entry(lake.folder(&table.location)?).or_default();
                    table.followed_from = oldest(table.followed_from, Some(version));
                }
                _ => self.followed_from = oldest(self.followed_from, Some(version)),
            }
        }
        Ok(())
    }
}

fn oldest(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    one.into_iter().chain(other).min()
}

async fn jobs_in(lake: &Lake) -> Result<Vec<JobId>> {
    let folder = lake.root_path().clone().join("_lakewire").join("jobs");
    match lake.store().list_with_delimiter(Some(&folder)).await {
        Ok(found) => Ok(found.common_prefixes.iter().filter_map(|job| JobId::parse(job.filename()?)).collect()),
        Err(object_store::Error::NotFound { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
