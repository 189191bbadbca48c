//! The end of an epoch: when it comes, where, and who is told.

use std::collections::BTreeMap;

use super::*;
use crate::model::{Epoch, ObjectId};

impl Job<'_> {
    /// Readers of a view that is computed anew are shown it when it has caught up.
    pub(super) fn catch_up(&mut self) {
        let is_in = || self.kept.has_begun() && !self.inputs.are_underway() && self.inputs.have_passed_mark();
        if self.showing == Showing::WhenCaughtUp && is_in() {
            self.showing = Showing::AtOnce;
            self.kept.forget_before(self.epoch.committed(), self.services);
            self.is_dirty = true;
            self.has_changed = true;
            self.publish();
        }
    }

    /// The first epoch does not wait for its time: whoever made the view waits for it.
    fn is_to_populate(&self) -> bool {
        !self.is_populated && self.showing == Showing::AtOnce && self.kept.has_begun() && self.inputs.kept_have_passed_mark()
    }

    pub(super) fn become_populated(&mut self) {
        self.is_populated = true;
        self.published.populated();
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.is_dirty || self.inputs.sources.has_advanced()
    }

    /// Whether the epoch shall end. It cannot before what was begun of a table's commit is whole.
    pub(super) fn wants_commit(&self) -> bool {
        if !self.is_dirty() || !self.has_ready_inputs || self.inputs.are_underway() {
            return false;
        }
        let is_full = self.epoch.is_full() || self.writer.as_ref().is_some_and(Writer::is_full);
        let is_due = is_full || self.epoch.due() <= Instant::now() || self.stops_at.is_some();
        is_due || self.is_to_populate() || self.is_asked() || self.is_flushing && self.inputs.have_passed_mark()
    }

    /// Whether a view that reads this one wants it to commit here.
    fn is_asked(&self) -> bool {
        let is_here = |(table, at): (&ObjectId, &i64)| self.seen.table(*table).is_none_or(|seen| seen == *at);
        self.published.asked().iter().any(|meeting| meeting.iter().all(is_here))
    }

    /// How far tables may be read before there is an epoch. Where one that is read has gone past a place, nobody can be waited for there.
    pub(super) fn limit(&self) -> Meeting {
        let mut limit = Meeting::new();
        for (table, at) in self.published.asked().iter().flatten().chain(&self.meeting) {
            if self.seen.table(*table).is_none_or(|seen| seen <= *at) && self.inputs.can_meet(*table, *at) {
                let known = limit.entry(*table).or_insert(*at);
                *known = (*known).min(*at);
            }
        }
        limit
    }

    /// Commits where the views that are read have committed, and has them do so if they have not.
    pub(super) async fn commit_if_wanted(&mut self) -> Result<()> {
        if self.wants_commit() {
            match self.inputs.boundaries() {
                Some(boundaries) => self.commit(&boundaries).await?,
                None => self.ask_for_boundaries()?,
            }
        }
        if !self.is_dirty() {
            self.published.answer_asked(&self.seen);
            if self.is_to_populate() {
                self.become_populated();
            }
        }
        Ok(())
    }

    fn ask_for_boundaries(&mut self) -> Result<()> {
        self.meeting = self.inputs.meeting(&self.meeting, self.services)?;
        let limit = self.limit();
        self.inputs.ask_for_boundaries(self.spec.object, &limit, self.services);
        Ok(())
    }

    async fn commit(&mut self, boundaries: &BTreeMap<ObjectId, Epoch>) -> Result<()> {
        let begun = self.services.clock.now();
        self.kept.set_moments(self.complete_micros, self.published.newest().map(|newest| newest.time_micros));
        self.kept.save(self.epoch.number(), &self.seen, begun.timestamp_micros()).await?;
        let (state, retired) = self.kept.saved();
        let target = match &mut self.writer {
            Some(writer) => Some(writer.seal().await?),
            None => None,
        };
        self.inputs.go_on_from(boundaries);
        let positions = self.inputs.positions();
        self.epoch.commit(Contents { positions, target, state, retired, saved_at_micros: Some(begun.timestamp_micros()) }).await?;
        self.inputs.sources.committed();
        self.is_dirty = false;
        self.meeting.clear();
        self.show_committed();
        self.published.set_reads(self.inputs.epochs());
        self.kept.clean(self.epoch.committed(), self.oldest_needed(), begun);
        self.status.inputs(self.inputs.status());
        // What came meanwhile.
        self.is_awake = true;
        Ok(())
    }

    /// What is shown is what the last epoch has: the newest version, or what was shown before a view is computed anew.
    pub(super) fn show_committed(&mut self) {
        if let Some(version) = self.published.newest() {
            self.published.committed(self.epoch.committed(), version);
        }
        self.tell_sizes();
    }

    pub(super) fn tell_sizes(&mut self) {
        self.sized_at = Instant::now();
        self.published.set_sizes(self.kept.sizes());
    }

    /// The oldest epoch from which a view that reads this one goes on, as far as it is known: what is not known is not waited for, for it is
    /// found out that it is gone, and the view is computed anew.
    fn oldest_needed(&self) -> Option<Epoch> {
        let catalog = self.services.catalog.snapshot();
        let readers = catalog.dependents_of(self.spec.object);
        readers.into_iter().filter_map(|reader| self.services.views.get(reader.id).reads_from(self.spec.object)).min()
    }

    pub(super) fn answer_flushes(&mut self, standing: &mut StandingOrders) {
        if standing.has_waiting() && self.kept.has_begun() && !self.is_dirty() && self.inputs.have_passed_mark() {
            self.status.inputs(self.inputs.status());
            standing.answer_all();
        }
    }
}
