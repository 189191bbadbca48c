//! A view that another view reads: the differences between its versions. The position is the last of its epochs that is in.
//!
//! Between epochs each version is taken as it is published. An epoch of the reader ends with a version of the view that is committed, so that
//! what the reader goes on from after a stop is there. If the view falls back to its last epoch, the reader follows by the difference.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::super::super::FlowServices;
use super::super::super::manifest::Manifests;
use super::super::super::published::{Answer, Boundary, Published, Stamp, Version};
use super::super::super::saved;
use super::{ANSWER, Taken};
use crate::error::{Error, Result};
use crate::model::{Epoch, JobId, Name, ObjectId};

/// How long an epoch waits for the view to commit what it has shown. After that the reader goes back to what is committed.
const BOUNDARY_WAIT_MAX: Duration = Duration::from_secs(10);

pub struct Upstream {
    pub id: ObjectId,
    pub name: Name,
    job: JobId,
    schema: SchemaRef,
    published: Arc<Published>,
    pub changed: watch::Receiver<u64>,
    /// The epoch that the reader's last epoch has.
    position: Option<Epoch>,
    /// What the reader has seen. `None` until the view has shown something.
    included: Option<Arc<Version>>,
    mark: Option<Stamp>,
}

impl Upstream {
    pub fn new(id: ObjectId, name: Name, job: JobId, schema: SchemaRef, published: Arc<Published>, position: Option<Epoch>) -> Upstream {
        let changed = published.subscribe();
        Upstream { id, name, job, schema, published, changed, position, included: None, mark: None }
    }

    pub fn position(&self) -> Option<Epoch> {
        self.position
    }

    pub fn included(&self) -> Option<&Arc<Version>> {
        self.included.as_ref()
    }

    /// Asks to be told when all that the view shows now is in.
    pub fn mark(&mut self) {
        self.mark = Some(self.published.newest().map_or(Stamp { run: 0, tick: 1 }, |newest| newest.stamp));
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

    /// What changed since the last time.
    pub fn take(&mut self) -> Result<Taken> {
        match self.published.newest() {
            Some(newest) => self.take_to(newest),
            None => Ok(Taken::default()),
        }
    }

    /// What has to change so that the reader has seen this version, be it newer or older.
    pub fn take_to(&mut self, version: Arc<Version>) -> Result<Taken> {
        let Some(included) = &self.included else { return Ok(Taken::default()) };
        if included.stamp == version.stamp {
            return Ok(Taken::default());
        }
        let changes = version.since(included)?;
        self.included = Some(version);
        let changes = if changes.is_empty() { vec![] } else { vec![changes] };
        Ok(Taken { changes, has_advanced: true, has_more: false })
    }

    /// A committed version that is not older than what was seen, if the view comes to one in time.
    pub async fn boundary(&mut self) -> Result<Boundary> {
        let until = Instant::now() + BOUNDARY_WAIT_MAX;
        loop {
            self.changed.mark_unchanged();
            let boundary = self.published.boundary();
            let is_late = Instant::now() >= until;
            match boundary {
                Some(boundary) if is_late || self.included.as_ref().is_none_or(|seen| seen.stamp <= boundary.version.stamp) => {
                    return Ok(boundary);
                }
                None if is_late => {
                    return Err(Error::unavailable(format!("materialized view \"{}\" commits nothing", self.name))
                        .with_hint("lakewire.jobs shows how it is"));
                }
                _ => {}
            }
            self.published.want_boundary();
            // Looked at again in any case.
            let _ = timeout_at(until, self.changed.changed()).await;
        }
    }

    /// The reader's epoch that ends with this boundary is committed.
    pub fn committed(&mut self, boundary: &Boundary) {
        self.position = Some(boundary.epoch);
    }

    async fn seen(&self, services: &FlowServices) -> Result<Arc<Version>> {
        let Some(epoch) = self.position else { return Ok(Arc::new(Version::empty(self.schema.clone()))) };
        if let Some(boundary) = self.published.boundary().filter(|boundary| boundary.epoch == epoch) {
            return Ok(boundary.version);
        }
        let manifest = Manifests::new(services.lake.clone(), services.clock.clone(), self.job).read(epoch).await?;
        let Some(manifest) = manifest else {
            return Err(Error::state(format!("epoch {epoch} of materialized view \"{}\" is not kept any more", self.name)));
        };
        let mut answer = Answer::new(self.schema.clone())?;
        if let Some(state) = &manifest.state {
            answer.restore(&saved::read_one(&services.lake, self.job, state, ANSWER).await?)?;
        }
        Ok(Arc::new(Version::new(Stamp::default(), &answer, Default::default())))
    }
}
