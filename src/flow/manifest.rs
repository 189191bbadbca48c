//! A job's manifests in the bucket: what makes an epoch committed, and all that a new owner needs.
//!
//! `_lakewire/jobs/<job>/manifest/<epoch, 20 digits>.json`, each written once, with `If-None-Match: *`. That PUT is the commit point and the
//! only fence: of two servers that both believe they own a job, one loses it and stops. Beside them `latest` holds the number of a recent
//! epoch, so that opening a job does not list all of its past; it is a hint, and may be old or missing.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::published::Bases;
use super::saved::{Retired, StateObject};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::lake::{AddedFile, Lake, Outcome, put_for_sure};
use crate::model::id::unique_token;
use crate::model::{Epoch, JobId, ObjectId, Positions};

/// A manifest is kept this long, so that an owner that slept may not write its number again.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// The hint is renewed, and old manifests are looked for, once in so many epochs.
const HOUSEKEEPING_EPOCHS: u64 = 64;
/// So many manifests are looked at in one round of removing old ones: a page of a listing.
const REMOVALS_MAX: usize = 1000;

const FORMAT: u32 = 1;

/// What epoch `epoch` of a job is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    pub job: JobId,
    pub epoch: Epoch,
    /// Who wrote it: one token for all runs of a job from when a server starts it until it stops it.
    pub owner: String,
    /// Unique to this manifest, so that its writer knows it again when the answer to the PUT was lost.
    pub token: String,
    pub committed_at_micros: i64,
    /// All positions after this epoch, by source.
    pub inputs: BTreeMap<ObjectId, Positions>,
    /// What is to be published, in this order.
    pub commits: Vec<PreparedCommit>,
    /// Totals of the job since it began.
    pub totals: Totals,
    /// What a view's operators remember after this epoch. `None` before its first tick, and in pipelines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<SavedState>,
    /// State objects that are not needed any more and are yet to be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Retired>,
    /// The job was dropped: no epoch follows (`job::bury`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_tombstone: bool,
}

/// The state of a view after an epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedState {
    /// Of the plan and of what its states look like: what another plan saved is of no use.
    pub fingerprint: String,
    /// What `now()` was in the last tick. It never goes back.
    pub now_micros: i64,
    /// The objects that together are the state, the oldest first.
    pub objects: Vec<StateObject>,
    /// Whether there was a tick. Before the first there are no objects.
    #[serde(default = "always")]
    pub has_begun: bool,
    /// What the state was computed from, directly or not.
    #[serde(default)]
    pub bases: Bases,
    /// What came into the view's inputs before this moment is in the answer, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_micros: Option<i64>,
    /// When that answer was shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_micros: Option<i64>,
    /// While a view is computed anew: what readers are shown until it has caught up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ShownBefore>,
}

/// The answer of a view as an earlier computation left it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShownBefore {
    /// Of their parts only those of the answer.
    pub objects: Vec<StateObject>,
    pub bases: Bases,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_micros: Option<i64>,
}

fn always() -> bool {
    true
}

impl SavedState {
    /// What has the answer that readers are shown.
    pub fn shown_objects(&self) -> &[StateObject] {
        self.before.as_ref().map_or(&self.objects, |before| &before.objects)
    }

    /// What that answer was computed from.
    pub fn shown_bases(&self) -> &Bases {
        self.before.as_ref().map_or(&self.bases, |before| &before.bases)
    }

    /// Since when that answer may lack something.
    pub fn shown_complete_micros(&self) -> Option<i64> {
        self.before.as_ref().map_or(self.complete_micros, |before| before.complete_micros)
    }
}

impl Manifest {
    /// The state objects that it names: those that are needed, and those that are yet to be removed.
    pub fn state_objects(&self) -> impl Iterator<Item = &str> {
        let needed = self.state.iter().flat_map(|state| state.objects.iter().chain(state.before.iter().flat_map(|before| &before.objects)));
        needed.map(|object| object.name.as_str()).chain(self.retired.iter().map(|retired| retired.name.as_str()))
    }
}

/// Files to be added to one table, with `txn(appId = job, version = epoch)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreparedCommit {
    /// The table's location, as the lake knows it.
    pub table: String,
    pub files: Vec<AddedFile>,
}

/// Counted from the job's first epoch, exactly, for they are committed with the epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub records_in: u64,
    pub bytes_in: u64,
    pub rows_out: u64,
    pub rejected: u64,
    /// Rows that came after their window had closed.
    #[serde(default)]
    pub late: u64,
    /// By name: rows that met the expectation, and rows that did not.
    pub expectations: BTreeMap<String, Tally>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub passed: u64,
    pub violated: u64,
}

/// What became of the PUT.
#[derive(Debug, PartialEq, Eq)]
pub enum Decision {
    Committed,
    /// Another owner has written this epoch. Whoever gets this is no longer the owner.
    Lost,
}

/// The manifests of one job, as one of its owners sees them.
pub struct Manifests {
    lake: Lake,
    clock: Clock,
    job: JobId,
    owner: String,
    /// The removal of old manifests, while it goes on.
    cleaning: JoinSet<()>,
}

impl Manifests {
    /// A new owner's view. It owns nothing until it has committed an epoch.
    pub fn new(lake: Lake, clock: Clock, job: JobId) -> Manifests {
        Manifests::of_owner(lake, clock, job, unique_token())
    }

    /// The same for one that may have committed epochs before.
    pub fn of_owner(lake: Lake, clock: Clock, job: JobId, owner: String) -> Manifests {
        Manifests { lake, clock, job, owner, cleaning: JoinSet::new() }
    }

    /// A manifest of this owner, to be decided.
    pub fn draft(&self, epoch: Epoch, inputs: BTreeMap<ObjectId, Positions>, commits: Vec<PreparedCommit>, totals: Totals) -> Manifest {
        Manifest {
            format: FORMAT,
            job: self.job,
            epoch,
            owner: self.owner.clone(),
            token: unique_token(),
            committed_at_micros: self.clock.now_micros(),
            inputs,
            commits,
            totals,
            state: None,
            retired: vec![],
            is_tombstone: false,
        }
    }

    /// The newest epoch there is.
    pub async fn newest(&self) -> Result<Option<Manifest>> {
        let hinted = self.read_hint().await?;
        let folder = self.folder();
        let names = match hinted {
            Some(epoch) => self.lake.store().list_with_offset(Some(&folder), &self.path(Epoch(epoch.0.saturating_sub(1)))),
            None => self.lake.store().list(Some(&folder)),
        };
        let listed = names
            .try_fold(None, |newest: Option<Epoch>, object| async move { Ok(newest.max(epoch_of(&object.location))) })
            .await
            .map_err(|error| self.refused("list", error))?;
        // A list may be older than the truth, a GET is not: so it is asked for what the list does not show.
        let mut newest = match listed.max(hinted) {
            Some(epoch) => Some(self.read(epoch).await?.ok_or_else(|| self.gone(epoch))?),
            None => None,
        };
        while let Some(later) = self.read(newest.as_ref().map_or(Epoch(1), |manifest| manifest.epoch.next())).await? {
            newest = Some(later);
        }
        Ok(newest)
    }

    /// Makes the manifest the truth. Errors mean that it is not known whether it is; the same manifest may then be decided again.
    pub async fn decide(&self, manifest: &Manifest) -> Result<Decision> {
        let path = self.path(manifest.epoch);
        let body = Bytes::from(serde_json::to_vec(manifest)?);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let put = || async { self.lake.store().put_opts(&path, PutPayload::from(body.clone()), options.clone()).await.map(drop) };
        match put_for_sure(put, || self.read(manifest.epoch)).await? {
            Outcome::Written => Ok(Decision::Committed),
            Outcome::Stands(written) if written.token == manifest.token => Ok(Decision::Committed),
            Outcome::Stands(_) => Ok(Decision::Lost),
            Outcome::Refused(error) | Outcome::Failed(error) => Err(self.refused("write", error)),
        }
    }

    /// After an epoch was published: now and then renews the hint, and has old manifests removed in the background.
    pub async fn retire(&mut self, epoch: Epoch) -> Result<()> {
        if !epoch.0.is_multiple_of(HOUSEKEEPING_EPOCHS) {
            return Ok(());
        }
        let hint = PutPayload::from(epoch.to_string());
        self.lake.store().put(&self.hint_path(), hint).await.map_err(|error| self.refused("write", error))?;
        if self.cleaning.is_empty() {
            let (lake, folder, older_than) = (self.lake.clone(), self.folder(), self.clock.now() - KEPT);
            self.cleaning.spawn(async move {
                if let Err(error) = remove_old(&lake, &folder, older_than, epoch).await {
                    tracing::warn!(%error, %folder, "old manifests could not be removed; this is tried again");
                }
            });
        } else {
            while self.cleaning.try_join_next().is_some() {}
        }
        Ok(())
    }

    /// Removes the manifests of all earlier epochs, and the hint, which is not needed where there is one manifest.
    pub async fn remove_before(&self, epoch: Epoch) -> Result<()> {
        let listed = self.lake.store().list(Some(&self.folder()));
        let is_earlier = move |object: &ObjectMeta| epoch_of(&object.location).is_some_and(|of| of < epoch);
        let earlier = listed.try_filter(move |object| std::future::ready(is_earlier(object))).map_ok(|object| object.location).boxed();
        let removed = self.lake.store().delete_stream(earlier).try_for_each(|_| std::future::ready(Ok(()))).await;
        removed.map_err(|error| self.refused("remove", error))?;
        match self.lake.store().delete(&self.hint_path()).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.refused("remove", error)),
        }
    }

    /// An epoch that may not be there any more.
    pub async fn read(&self, epoch: Epoch) -> Result<Option<Manifest>> {
        let bytes = match self.lake.store().get(&self.path(epoch)).await {
            Ok(found) => found.bytes().await.map_err(|error| self.refused("read", error))?,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(self.refused("read", error)),
        };
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .map_err(|error| Error::internal(format!("manifest {epoch} of job {} cannot be understood", self.job)).with_cause(error))?;
        match manifest.format {
            FORMAT => Ok(Some(manifest)),
            other => Err(Error::state(format!("manifest {epoch} of job {} has format {other}", self.job))
                .with_hint("it was written by a newer server; run that one")),
        }
    }

    async fn read_hint(&self) -> Result<Option<Epoch>> {
        match self.lake.store().get(&self.hint_path()).await {
            Ok(found) => {
                let bytes = found.bytes().await.map_err(|error| self.refused("read", error))?;
                Ok(std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok()).map(Epoch))
            }
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.refused("read", error)),
        }
    }

    fn job_path(&self) -> Path {
        self.lake.root_path().clone().join("_lakewire").join("jobs").join(self.job.to_string())
    }

    fn folder(&self) -> Path {
        self.job_path().join("manifest")
    }

    fn hint_path(&self) -> Path {
        self.job_path().join("latest")
    }

    fn path(&self, epoch: Epoch) -> Path {
        self.folder().join(format!("{:020}.json", epoch.0))
    }

    /// To begin anew would be to double everything: whoever took the manifests away has to say what is meant.
    fn gone(&self, epoch: Epoch) -> Error {
        Error::state(format!("the manifests of job {} are gone", self.job))
            .with_detail(format!("epoch {epoch} was committed, and the bucket does not have it"))
            .with_hint("restore _lakewire/jobs in the bucket; or drop the pipeline and create it anew with another start")
    }

    /// What a table's log says of this job must be in a manifest.
    pub fn check_published(&self, published: Option<i64>, newest: Option<&Manifest>) -> Result<()> {
        let newest = newest.map_or(0, |manifest| manifest.epoch.0 as i64);
        match published.filter(|epoch| *epoch > newest) {
            None => Ok(()),
            Some(epoch) => Err(self.gone(Epoch(epoch as u64))),
        }
    }

    fn refused(&self, what: &str, error: object_store::Error) -> Error {
        Error::unavailable(format!("cannot {what} the manifests of job {}", self.job)).with_cause(error)
    }
}

/// Removes some of the manifests that are too old to matter.
async fn remove_old(lake: &Lake, folder: &Path, older_than: DateTime<Utc>, newest: Epoch) -> object_store::Result<()> {
    let is_old = move |object: &ObjectMeta| object.last_modified < older_than && epoch_of(&object.location).is_some_and(|of| of < newest);
    let first_listed = lake.store().list(Some(folder)).take(REMOVALS_MAX);
    let old = first_listed.try_filter(move |object| std::future::ready(is_old(object))).map_ok(|object| object.location).boxed();
    lake.store().delete_stream(old).try_for_each(|_| std::future::ready(Ok(()))).await
}

fn epoch_of(path: &Path) -> Option<Epoch> {
    path.filename()?.strip_suffix(".json")?.parse().ok().map(Epoch)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use url::Url;

    use super::*;
    use crate::flow::job::tests::shaky_store::{ShakyStore, Trouble};

    fn lake() -> Lake {
        Lake::with_store(Arc::new(InMemory::new()), Url::parse("memory:///lake").unwrap(), Clock::wall())
    }

    fn owner(lake: &Lake, job: JobId) -> Manifests {
        Manifests::new(lake.clone(), Clock::wall(), job)
    }

    fn draft(owner: &Manifests, epoch: u64) -> Manifest {
        let totals = Totals { records_in: epoch, ..Totals::default() };
        owner.draft(Epoch(epoch), BTreeMap::new(), vec![], totals)
    }

    #[tokio::test]
    async fn of_two_owners_one_commits_an_epoch() {
        let (lake, job) = (lake(), JobId::new());
        let (first, second) = (owner(&lake, job), owner(&lake, job));
        assert_eq!(first.decide(&draft(&first, 1)).await.unwrap(), Decision::Committed);
        assert_eq!(second.decide(&draft(&second, 1)).await.unwrap(), Decision::Lost);
        assert_eq!(second.decide(&draft(&second, 2)).await.unwrap(), Decision::Committed);
        // The first wakes up and finds that it is the owner no more.
        assert_eq!(first.decide(&draft(&first, 2)).await.unwrap(), Decision::Lost);
    }

    #[tokio::test]
    async fn deciding_again_after_a_lost_answer_is_harmless() {
        let (lake, job) = (lake(), JobId::new());
        let owner = owner(&lake, job);
        let manifest = draft(&owner, 1);
        assert_eq!(owner.decide(&manifest).await.unwrap(), Decision::Committed);
        assert_eq!(owner.decide(&manifest).await.unwrap(), Decision::Committed);
    }

    #[tokio::test]
    async fn the_newest_is_found_with_and_without_the_hint() {
        let (lake, job) = (lake(), JobId::new());
        let mut owner = owner(&lake, job);
        assert_eq!(owner.newest().await.unwrap(), None);
        for epoch in 1..=3 * HOUSEKEEPING_EPOCHS + 5 {
            let manifest = draft(&owner, epoch);
            owner.decide(&manifest).await.unwrap();
            assert_eq!(owner.newest().await.unwrap().as_ref(), Some(&manifest));
            owner.retire(manifest.epoch).await.unwrap();
        }
        lake.store().delete(&owner.hint_path()).await.unwrap();
        assert_eq!(owner.newest().await.unwrap().unwrap().epoch, Epoch(3 * HOUSEKEEPING_EPOCHS + 5));
    }

    #[tokio::test]
    async fn the_newest_is_found_though_a_list_does_not_show_it() {
        let (store, job) = (ShakyStore::new(Arc::new(InMemory::new())), JobId::new());
        let lake = Lake::with_store(store.clone(), Url::parse("memory:///lake").unwrap(), Clock::wall());
        let mut owner = owner(&lake, job);
        for epoch in 1..=HOUSEKEEPING_EPOCHS + 3 {
            let manifest = draft(&owner, epoch);
            owner.decide(&manifest).await.unwrap();
            owner.retire(manifest.epoch).await.unwrap();
            store.play("/manifest", &[Trouble::EmptyList]);
            assert_eq!(owner.newest().await.unwrap().as_ref(), Some(&manifest));
            assert!(store.is_through());
        }
    }

    /// S3 says 409 while another PUT of the same object is under way, also where that one comes to nothing.
    #[tokio::test]
    async fn a_false_conflict_is_waited_out() {
        let (store, job) = (ShakyStore::new(Arc::new(InMemory::new())), JobId::new());
        let lake = Lake::with_store(store.clone(), Url::parse("memory:///lake").unwrap(), Clock::wall());
        let owner = owner(&lake, job);
        for _ in 0..100 {
            // The PUT, and the look at what stands there.
            store.play("/manifest/", &[Trouble::FalseConflict, Trouble::Nothing]);
        }
        // It has its turn on this thread when somebody waits, and a store in memory never does.
        let calming = tokio::spawn(async move { store.calm() });
        assert_eq!(owner.decide(&draft(&owner, 1)).await.unwrap(), Decision::Committed);
        calming.await.unwrap();
    }

    #[tokio::test]
    async fn manifests_that_are_gone_are_told_and_never_begun_anew() {
        let (lake, job) = (lake(), JobId::new());
        let mut owner = owner(&lake, job);
        for epoch in 1..=HOUSEKEEPING_EPOCHS {
            owner.decide(&draft(&owner, epoch)).await.unwrap();
            owner.retire(Epoch(epoch)).await.unwrap();
        }
        assert!(owner.check_published(Some(HOUSEKEEPING_EPOCHS as i64), owner.newest().await.unwrap().as_ref()).is_ok());
        for epoch in 1..=HOUSEKEEPING_EPOCHS {
            lake.store().delete(&owner.path(Epoch(epoch))).await.unwrap();
        }
        assert_eq!(owner.newest().await.unwrap_err().kind(), crate::error::Kind::State);
        assert!(owner.check_published(Some(1), None).is_err());
    }

    #[tokio::test]
    async fn the_manifests_of_another_job_are_not_seen() {
        let (lake, job) = (lake(), JobId::new());
        let one = owner(&lake, job);
        one.decide(&draft(&one, 1)).await.unwrap();
        assert_eq!(owner(&lake, JobId::new()).newest().await.unwrap(), None);
    }
}
