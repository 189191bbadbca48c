//! The beginning of a run: what was saved is taken in, shown, and gone on from.

use tokio::time::Instant;

use super::super::super::published::Meeting;
use super::recovery::{restore, show_saved};
use super::*;
use crate::model::Epoch;

impl<'a> Job<'a> {
    pub(super) async fn begin(
        spec: &'a JobSpec,
        view: &'a ViewSpec,
        services: &'a FlowServices,
        status: &'a JobStatus,
        standing: &mut StandingOrders,
    ) -> Result<Job<'a>> {
        let (mut epoch, mut found) = OpenEpoch::recover(spec, services, status, standing).await?;
        let relations = ViewInputs::relations(spec, view).await?;
        let mut kept = Kept::plan(spec, view, &relations, services).await?;
        restore(spec, services, epoch.committed(), &mut kept, &mut found, standing).await?;
        let inputs = ViewInputs::open(spec, view, &relations, services, std::mem::take(&mut found.positions)).await?;
        let (state, retired) = kept.saved();
        epoch.take_over(Contents { positions: inputs.positions(), state, retired, ..Contents::default() }, standing).await?;
        standing.is_outdated = false;
        let writer = match &view.outlet {
            Outlet::Shown(_) => None,
            Outlet::Written(written) => Some(Writer::open(written, kept.schema(), services).await?),
        };
        let published = services.views.get(spec.object);
        let showing = match kept.shows_before() {
            true => Showing::WhenCaughtUp,
            false => Showing::AtOnce,
        };
        if showing == Showing::WhenCaughtUp && published.newest().is_none() {
            show_saved(spec, services).await?;
        }
        let mut job = Job {
            spec,
            services,
            status,
            epoch,
            inputs,
            kept,
            writer,
            stamp: published.begin_run(),
            published,
            showing,
            is_populated: false,
            has_changed: true,
            is_awake: true,
            next_tick: Instant::now(),
            is_dirty: false,
            has_ready_inputs: false,
            is_input_outdated: false,
            seen: Seen::default(),
            meeting: Meeting::new(),
            is_flushing: false,
            stops_at: None,
            complete_micros: None,
            sized_at: Instant::now(),
        };
        job.inputs.mark_kept().await?;
        job.are_inputs_ready().await?;
        status.running(job.inputs.status());
        services.events.add(EventKind::JobStarted, spec.name.as_str(), &format!("running from epoch {}", job.epoch.number()));
        Ok(job)
    }

    /// Whether it is known what was seen of every view that is read. From then on what was saved is shown: readers are told what it was
    /// computed from.
    pub(super) async fn are_inputs_ready(&mut self) -> Result<bool> {
        if !self.has_ready_inputs {
            let ready = self.inputs.are_ready(self.services).await;
            self.has_ready_inputs = ready.inspect_err(|error| self.is_input_outdated = error.kind() == Kind::State)?;
            if self.has_ready_inputs {
                self.seen = self.inputs.seen();
                self.show_restored();
            }
        }
        Ok(self.has_ready_inputs)
    }

    /// Nothing was computed yet: the answer is what the last epoch has, and so had the one before it, which was found.
    fn show_restored(&mut self) {
        if self.kept.has_begun() && self.showing == Showing::AtOnce {
            let (complete_micros, time_micros) = self.kept.moments();
            self.complete_micros = complete_micros;
            // It is what is shown already, where something is.
            let shown_micros = self.published.newest().map(|newest| newest.time_micros).or(time_micros);
            self.publish_at(shown_micros.unwrap_or_else(|| self.services.clock.now_micros()));
            if let (Some(version), Some(found)) = (self.published.newest(), self.epoch.committed().0.checked_sub(1)) {
                self.published.committed(Epoch(found), version);
            }
            self.show_committed();
            self.become_populated();
        }
        self.published.set_reads(self.inputs.epochs());
    }
}
