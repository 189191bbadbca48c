//! A view that another view reads: the differences between its versions. The position is the last of its epochs that is in.
//!
//! Between epochs versions are taken as they are published. An epoch of the reader ends with a version of the view that is committed, so that
//! what the reader goes on from after a stop is there. If the view falls back to its last epoch, the reader follows by the difference.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use tokio::sync::watch;

use super::super::super::FlowServices;
use super::super::super::manifest::Manifests;
use super::super::super::published::{Answer, Difference, Published, Seen, Stamp, Version};
use super::super::super::saved;
use super::Taken;
use crate::error::{Error, Result};
use crate::model::{Epoch, JobId, Name, ObjectId};

pub struct Upstream {
    pub id: ObjectId,
    pub name: Name,
    job: JobId,
    schema: SchemaRef,
    pub published: Arc<Published>,
    pub changed: watch::Receiver<u64>,
    /// The epoch that the reader's last epoch has.
    position: Option<Epoch>,
    /// What the reader has seen. `None` until the view has shown something.
    included: Option<Arc<Version>>,
    /// What leads to the version that is being gone to.
    way: Option<(Difference, Arc<Version>)>,
    mark: Option<Stamp>,
}

impl Upstream {
    pub fn new(id: ObjectId, name: Name, job: JobId, schema: SchemaRef, published: Arc<Published>, position: Option<Epoch>) -> Upstream {
        let changed = published.subscribe();
        Upstream { id, name, job, schema, published, changed, position, included: None, way: None, mark: None }
    }

    pub fn position(&self) -> Option<Epoch> {
        self.position
    }

    pub fn included(&self) -> Option<&Arc<Version>> {
        self.included.as_ref()
    }

    /// Asks to be told when all that the view holds now is in. Whatever it has not committed may never have been.
    pub fn mark(&mut self) {
        let held = self.published.boundary().map(|boundary| boundary.version).or_else(|| self.published.newest());
        self.mark = Some(held.map_or(Stamp { run: 0, tick: 1 }, |held| held.stamp));
    }

    pub fn has_passed_mark(&self) -> bool {
        self.mark.is_none_or(|mark| self.included.as_ref().is_some_and(|included| included.stamp >= mark))
    }

    /// Makes sure that it is known what the reader has seen. False if the view has not shown anything yet. Errors of kind `State`: what the
    /// reader goes on from is not there any more, so that it must begin anew.
    pub async fn prepare(&mut self, services: &FlowServices) -> Result<bool> {
        if self.included.is_none() && self.published.newest().is_some() {
            self.included = Some(self.seen(services).await?);
        }
        Ok(self.included.is_some())
    }

    /// What the reader may go to: nothing before what it has seen, unless the view itself went back.
    pub fn versions_ahead(&self) -> Vec<Arc<Version>> {
        self.ahead(self.published.versions())
    }

    /// The same of what is committed.
    pub fn boundaries_ahead(&self) -> Vec<Arc<Version>> {
        self.ahead(self.published.boundaries().into_iter().map(|boundary| boundary.version).collect())
    }

    fn ahead(&self, versions: Vec<Arc<Version>>) -> Vec<Arc<Version>> {
        let seen = self.included.as_ref().map(|included| included.stamp).unwrap_or_default();
        versions.into_iter().filter(|version| version.stamp >= seen).collect()
    }

    /// Sets out for a version, be it newer or older. False: it is there.
    pub fn aim(&mut self, version: Arc<Version>) -> bool {
        let Some(included) = self.included.as_ref().filter(|included| included.stamp != version.stamp) else { return false };
        self.way = Some((version.since(included), version));
        true
    }

    pub fn is_there(&self) -> bool {
        self.way.is_none()
    }

    /// A part of the way, unless the view is there.
    pub fn take(&mut self, taken: &mut Taken) -> Result<()> {
        let Some((difference, _)) = &mut self.way else { return Ok(()) };
        while taken.has_room() {
            match difference.next() {
                Some(part) => taken.add(part?),
                None => {
                    self.included = self.way.take().map(|(_, version)| version);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Before which moment everything that came into the view's inputs is in what was seen of it.
    pub fn complete_micros(&self) -> Option<i64> {
        self.published.complete_micros(self.included.as_ref()?)
    }

    /// The epoch that ended with what was seen, if one did.
    pub fn boundary(&self) -> Option<Epoch> {
        let included = self.included.as_ref()?;
        let boundaries = self.published.boundaries();
        boundaries.into_iter().rev().find(|boundary| boundary.version.stamp == included.stamp).map(|boundary| boundary.epoch)
    }

    /// The reader's epoch that has this epoch of the view is committed.
    pub fn committed(&mut self, epoch: Epoch) {
        self.position = Some(epoch);
    }

    /// The version that the reader's last epoch has.
    pub async fn seen(&self, services: &FlowServices) -> Result<Arc<Version>> {
        let Some(epoch) = self.position else { return Ok(Arc::new(Version::empty(self.schema.clone()))) };
        if let Some(boundary) = self.published.boundaries().into_iter().rev().find(|boundary| boundary.epoch == epoch) {
            return Ok(boundary.version);
        }
        let manifest = Manifests::new(services.lake.clone(), services.clock.clone(), self.job).read(epoch).await?;
        let Some(manifest) = manifest else {
            return Err(Error::state(format!("epoch {epoch} of materialized view \"{}\" is not kept any more", self.name)));
        };
        let mut answer = Answer::new(self.schema.clone())?;
        let mut bases = Default::default();
        let mut complete_micros = None;
        if let Some(state) = &manifest.state {
            saved::read_answer(&services.lake, self.job, state, &mut answer).await?;
            bases = state.shown_bases().clone();
            complete_micros = state.shown_complete_micros();
        }
        // Before whatever the view has published since the server started.
        let stamp = Stamp { run: 0, tick: epoch.0 };
        Ok(Arc::new(Version::new(stamp, &answer, Seen::of(bases, [])).complete_to(complete_micros)))
    }
}
