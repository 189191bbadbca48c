//! The open epoch of a job, and the protocol that commits it (docs/architecture.md, "An epoch").

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use tokio::time::Instant;

use super::super::FlowServices;
use super::super::events::EventKind;
use super::super::expectations::Output;
use super::super::feed::FeedBatch;
use super::super::manifest::{Decision, Manifest, Manifests, PreparedCommit, SavedState, Totals};
use super::super::rejects;
use super::super::saved::{self, Retired};
use super::super::target::{Target, TargetSpec};
use super::ownership::taken_over;
use super::{JobSpec, JobStatus, StandingOrders};
use crate::error::{Error, Result};
use crate::fault::{self, crash_point};
use crate::lake::{AppTransaction, Commit, Lake, Operation, check_young};
use crate::model::{Epoch, Name, ObjectId, Positions, SchemaMode};

/// An epoch is committed early when it holds this much, whatever its interval.
const EPOCH_PAYLOAD_BYTES_MAX: u64 = 1 << 30;

pub struct OpenEpoch<'a> {
    spec: &'a JobSpec,
    services: &'a FlowServices,
    status: &'a JobStatus,
    manifests: Manifests,
    /// The last one that is committed.
    committed: Epoch,
    totals: Totals,
    rejects: Target,
    due: Instant,
    payload_bytes: u64,
    /// It was tried to decide the epoch: its files and state objects may be named, or come to be named, by a manifest.
    may_be_decided: bool,
}

/// What a job goes on from, and what an epoch is to hold beside the rejects.
#[derive(Default)]
pub struct Contents {
    pub positions: BTreeMap<ObjectId, Positions>,
    /// The files of a pipeline.
    pub target: Option<PreparedCommit>,
    /// What a view remembers.
    pub state: Option<SavedState>,
    pub retired: Vec<Retired>,
    /// When the writing of the state began, where any is new.
    pub saved_at_micros: Option<i64>,
}

impl<'a> OpenEpoch<'a> {
    /// Finds the last committed epoch, makes sure that it is published, and opens the next.
    ///
    /// Errors: `State` if an earlier run of this server had the job and another server has taken it over since.
    pub async fn recover(
        spec: &'a JobSpec,
        services: &'a FlowServices,
        status: &'a JobStatus,
        standing: &mut StandingOrders,
    ) -> Result<(OpenEpoch<'a>, Contents)> {
        let owner = standing.ownership.owner().to_string();
        let manifests = Manifests::of_owner(services.lake.clone(), services.clock.clone(), spec.job, owner);
        let newest = manifests.newest().await?;
        if newest.as_ref().is_some_and(|manifest| manifest.is_tombstone) {
            return Err(dropped(spec));
        }
        standing.ownership.check(spec, &manifests, newest.as_ref()).await?;
        for location in spec.target_location().into_iter().chain([rejects::LOCATION]) {
            let published = services.lake.table(location)?.refresh_head().await?.transaction(&spec.job.to_string());
            manifests.check_published(published, newest.as_ref())?;
        }
        if let Some(manifest) = &newest {
            publish(&services.lake, manifest).await?;
            services.events.add(EventKind::JobRecovered, spec.name.as_str(), &format!("found epoch {}", manifest.epoch));
        }
        let (committed, totals, contents) = match newest {
            Some(Manifest { epoch, totals, inputs, state, retired, .. }) => {
                (epoch, totals, Contents { positions: inputs, state, retired, ..Contents::default() })
            }
            None => Default::default(),
        };
        let rejects = Target::open(rejects_spec(&services.lake)?).await?;
        let due = Instant::now() + spec.commit_interval;
        let epoch =
            OpenEpoch { spec, services, status, manifests, committed, totals, rejects, due, payload_bytes: 0, may_be_decided: false };
        Ok((epoch, contents))
    }

    /// Commits an epoch in which nothing happens: from here on whoever owned the job before loses its next PUT and stops.
    pub async fn take_over(&mut self, contents: Contents, standing: &mut StandingOrders) -> Result<()> {
        let manifest = self.draft(contents, vec![]);
        standing.ownership.claim(manifest.epoch);
        match self.manifests.decide(&manifest).await? {
            Decision::Committed => {}
            // The former owner was not yet asleep, or an earlier PUT of ours came late. Whoever takes over begins again from what was committed.
            Decision::Lost => {
                return Err(Error::unavailable("another epoch was committed while the job was taken over")
                    .with_hint("nothing is lost: taking over is tried again"));
            }
        }
        self.committed = manifest.epoch;
        self.status.committed(self.committed, &self.totals, manifest.committed_at_micros);
        Ok(())
    }

    /// The epoch that is open.
    pub fn number(&self) -> Epoch {
        self.committed.next()
    }

    /// The last one that is committed.
    pub fn committed(&self) -> Epoch {
        self.committed
    }

    /// Of the job since it began, the open epoch included.
    pub fn totals(&mut self) -> &mut Totals {
        &mut self.totals
    }

    pub async fn reject(&mut self, rows: &RecordBatch) -> Result<()> {
        self.totals.rejected += rows.num_rows() as u64;
        self.rejects.write(rows).await
    }

    /// Rows for the target, and how they met what is expected of them.
    pub fn count_output(&mut self, output: &Output) {
        for (name, passed, violated) in &output.tallies {
            let tally = self.totals.expectations.entry(name.clone()).or_default();
            if tally.violated == 0 && *violated > 0 {
                let what = format!("expectation \"{name}\" is violated for the first time");
                self.services.events.add(EventKind::ExpectationViolated, self.spec.name.as_str(), &what);
            }
            tally.passed += passed;
            tally.violated += violated;
        }
        self.totals.rows_out += output.rows.num_rows() as u64;
    }

    pub fn count(&mut self, batch: &FeedBatch) {
        self.totals.records_in += (batch.rows.num_rows() + batch.rejects.len()) as u64;
        self.totals.bytes_in += batch.payload_bytes as u64;
        self.payload_bytes += batch.payload_bytes as u64;
    }

    pub fn due(&self) -> Instant {
        self.due
    }

    pub fn is_full(&self) -> bool {
        self.payload_bytes >= EPOCH_PAYLOAD_BYTES_MAX
    }

    /// Seal, decide, publish, acknowledge. After an error it is not known how far it came: the job must recover.
    pub async fn commit(&mut self, mut contents: Contents) -> Result<()> {
        let commits = self.seal(contents.target.take(), contents.saved_at_micros).await?;
        crash_point(fault::EPOCH_FILES_WRITTEN);
        let manifest = self.draft(contents, commits);
        crash_point(fault::EPOCH_SEALED);
        self.may_be_decided = true;
        decide(self.spec, &self.manifests, &manifest).await?;
        crash_point(fault::EPOCH_DECIDED);
        publish(&self.services.lake, &manifest).await?;
        crash_point(fault::EPOCH_PUBLISHED);
        self.manifests.retire(manifest.epoch).await?;
        crash_point(fault::EPOCH_ACKNOWLEDGED);
        self.committed = manifest.epoch;
        self.status.committed(self.committed, &self.totals, manifest.committed_at_micros);
        self.due = Instant::now() + self.spec.commit_interval;
        self.payload_bytes = 0;
        self.may_be_decided = false;
        Ok(())
    }

    /// The files of the target, which are finished, and those of the rejects. An epoch that has slept for so long that a sweep may have taken
    /// them, or the state that was saved, begins anew. After an error none of them is left.
    async fn seal(&mut self, target: Option<PreparedCommit>, saved_at_micros: Option<i64>) -> Result<Vec<PreparedCommit>> {
        let mut commits: Vec<_> = target.into_iter().collect();
        let clock = &self.services.clock;
        let sealed = self.rejects.seal().await.and_then(|files| {
            commits.push(PreparedCommit { table: rejects::LOCATION.to_string(), files });
            saved_at_micros.map_or(Ok(()), |saved_at| saved::check_young(saved_at, clock.now_micros()))?;
            check_young(commits.iter().flat_map(|commit| &commit.files), clock.now())
        });
        match sealed {
            Ok(()) => Ok(commits),
            Err(error) => {
                discard(&self.services.lake, &commits).await;
                Err(error)
            }
        }
    }

    /// After an error that ends the run: gives up the rejects' files, if nothing names them. Returns whether the same holds for all else that
    /// was written for the epoch.
    pub async fn give_up(&mut self) -> Abandoned {
        self.rejects.discard().await;
        match self.may_be_decided {
            true => Abandoned::Perhaps,
            false => Abandoned::ForSure,
        }
    }

    fn draft(&self, contents: Contents, commits: Vec<PreparedCommit>) -> Manifest {
        let Contents { positions, state, retired, .. } = contents;
        Manifest { state, retired, ..self.manifests.draft(self.committed.next(), positions, commits, self.totals.clone()) }
    }
}

/// Whether nothing names what was written for an epoch that a run did not get to the end of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abandoned {
    ForSure,
    /// The decision was tried. Its outcome may not be known.
    Perhaps,
}

/// A disk that is full is not to be filled by trying again and again.
async fn discard(lake: &Lake, commits: &[PreparedCommit]) {
    for commit in commits {
        if let Ok(table) = lake.table(&commit.table) {
            table.discard(&commit.files).await;
        }
    }
}

/// The commit point.
async fn decide(spec: &JobSpec, manifests: &Manifests, manifest: &Manifest) -> Result<()> {
    match manifests.decide(manifest).await? {
        Decision::Committed => Ok(()),
        Decision::Lost => match manifests.read(manifest.epoch).await? {
            Some(winner) if winner.is_tombstone => Err(dropped(spec)),
            _ => Err(taken_over(spec, manifest.epoch)),
        },
    }
}

/// Makes a committed epoch visible. Any number of times: the log of each table says whether it has it.
pub(super) async fn publish(lake: &Lake, manifest: &Manifest) -> Result<()> {
    for (nth, prepared) in manifest.commits.iter().enumerate() {
        if !prepared.files.is_empty() {
            let transaction = AppTransaction { app_id: manifest.job.to_string(), version: manifest.epoch.0 as i64 };
            let operation = Operation::StreamingUpdate { epoch: manifest.epoch.0 };
            let commit = Commit { adds: prepared.files.clone(), transaction: Some(transaction), operation };
            lake.table(&prepared.table)?.commit(commit).await?;
        }
        if nth == 0 {
            crash_point(fault::EPOCH_TARGET_PUBLISHED);
        }
    }
    Ok(())
}

fn dropped(spec: &JobSpec) -> Error {
    Error::state(format!("{} \"{}\" was dropped on another server", spec.kind(), spec.name))
        .with_detail(format!("job {} is over", spec.job))
        .with_hint("nothing is to be done: this server forgets it when it is started again")
}

fn rejects_spec(lake: &Lake) -> Result<TargetSpec> {
    Ok(TargetSpec {
        name: Name::new("rejects")?,
        table: Arc::clone(&lake.table(rejects::LOCATION)?),
        location: rejects::LOCATION.to_string(),
        partition_by: vec![],
        mode: SchemaMode::Evolve,
        target_file_bytes: 128 << 20,
        columns: None,
    })
}
