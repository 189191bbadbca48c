//! How a job that was dropped ends for good, and what of it stays in the bucket.
//!
//! Its last manifest is a tombstone: an epoch in which nothing happens but that the job is over. It is decided as any epoch is, so a server that has
//! not heard of the drop loses its next PUT, as a loser does, and whoever looks for the newest manifest finds that there is nothing to go on
//! from. The tombstone is never removed, for a number that is free could be written again; it is small, and no other job has the same id.
//!
//! State and the manifests before it go at once. An owner that has slept since before another took the job over finds the number of its next
//! epoch free again. What it writes then comes into no table: their logs are told that they have the tombstone's epoch (`txn`), and so all before
//! it; and at the number of the tombstone, at the latest, it stops.

use std::collections::BTreeMap;

use super::super::manifest::{Decision, Manifest, Manifests, Totals};
use super::super::{rejects, saved};
use super::epoch::publish;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::lake::{AppTransaction, Commit, Lake, Operation};
use crate::model::{Epoch, JobId};

/// So often another server may commit an epoch while the job is dropped here. It is one that runs, and each time it must be as quick.
const ATTEMPTS_MAX: u32 = 16;

/// Ends the job, which wrote into the table at `target` if it is a pipeline. It has stopped here and its definition is gone. May be repeated.
pub async fn bury(lake: &Lake, clock: &Clock, job: JobId, target: Option<&str>) -> Result<()> {
    let manifests = Manifests::new(lake.clone(), clock.clone(), job);
    let tombstone = set_tombstone(lake, &manifests).await?;
    for location in target.into_iter().chain([rejects::LOCATION]) {
        close(lake, location, job, tombstone).await?;
    }
    saved::purge(lake, job).await?;
    manifests.remove_before(tombstone).await
}

async fn set_tombstone(lake: &Lake, manifests: &Manifests) -> Result<Epoch> {
    for _ in 0..ATTEMPTS_MAX {
        let newest = manifests.newest().await?;
        let last = match &newest {
            Some(manifest) if manifest.is_tombstone => return Ok(manifest.epoch),
            Some(manifest) => {
                publish_last(lake, manifest).await?;
                manifest.epoch
            }
            None => Epoch::default(),
        };
        let draft = manifests.draft(last.next(), BTreeMap::new(), vec![], newest.map_or_else(Totals::default, |manifest| manifest.totals));
        let tombstone = Manifest { is_tombstone: true, ..draft };
        if manifests.decide(&tombstone).await? == Decision::Committed {
            return Ok(tombstone.epoch);
        }
    }
    Err(Error::unavailable("another server goes on committing epochs of the job"))
}

/// Has the table's log say that no epoch of the job is to come.
async fn close(lake: &Lake, location: &str, job: JobId, tombstone: Epoch) -> Result<()> {
    let table = lake.table(location)?;
    // An owner that sleeps with rows for it has made the table. That it has none of the job yet is no reason: another job may have the rows by then.
    if table.refresh_head().await?.version().is_none() {
        return Ok(());
    }
    let transaction = AppTransaction { app_id: job.to_string(), version: tombstone.0 as i64 };
    let commit = Commit { adds: vec![], transaction: Some(transaction), operation: Operation::StreamingUpdate { epoch: tombstone.0 } };
    match table.commit(commit).await {
        Err(error) if error.kind() == Kind::State => Ok(()),
        committed => committed.map(drop),
    }
}

/// What is decided is in the table, also if the server died in between: the table stays when its pipeline goes.
async fn publish_last(lake: &Lake, manifest: &Manifest) -> Result<()> {
    match publish(lake, manifest).await {
        // The table is gone, or another engine has made it another.
        Err(error) if error.kind() == Kind::State => Ok(()),
        published => published,
    }
}
