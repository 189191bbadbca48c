//! Ticks: what the inputs have goes through the dataflow, and is shown when it is whole.

use super::super::super::feed::FeedBatch;
use super::super::super::published::Version;
use super::super::super::rejects;
use super::course::{Course, Towards};
use super::*;
use crate::fault::{self, crash_point};

impl Job<'_> {
    /// Takes what is there and works on it. What does not fit waits for the next tick, which follows at once.
    pub(super) async fn tick_if_due(&mut self) -> Result<()> {
        if !self.is_awake || Instant::now() < self.next_tick {
            return Ok(());
        }
        self.is_awake = false;
        self.next_tick = Instant::now() + TICK_INTERVAL;
        if !self.are_inputs_ready().await? {
            return Ok(());
        }
        let mut taken = self.inputs.nothing();
        let mut of_sources = false;
        let limit = self.limit();
        let course = match self.inputs.are_underway() {
            true => Course::Underway,
            false => {
                of_sources = self.stops_at.is_none() && self.take_from_sources(&mut taken).await?;
                self.set_out(&limit)
            }
        };
        self.inputs.take(&mut taken).await.inspect_err(|error| self.is_input_outdated = error.kind() == Kind::State)?;
        let is_first = !self.kept.has_begun() && course != Course::Nowhere;
        self.is_awake = self.inputs.are_underway() || !taken.has_room() || self.inputs.has_more(&limit);
        // A partition that has come to its end holds the watermark no more, also if it brings no rows.
        let closes_windows = self.advance_watermarks();
        if of_sources || course == Course::Underway || closes_windows || is_first {
            self.tick(taken).await?;
            if self.is_awake {
                self.next_tick = Instant::now();
            }
        }
        self.confirm();
        Ok(())
    }

    /// Where an epoch is to end comes before what is newer.
    fn set_out(&mut self, limit: &Meeting) -> Course {
        if self.wants_commit() {
            let course = self.inputs.set_out(Towards::Boundaries, limit);
            if course != Course::Nowhere || self.stops_at.is_some() {
                return course;
            }
        }
        match self.stops_at {
            Some(_) => Course::There,
            None => self.inputs.set_out(Towards::Newest, limit),
        }
    }

    /// Where it cannot be known, what was known stands.
    fn look_how_complete(&mut self) {
        self.complete_micros = self.inputs.complete_micros(self.services.clock.now_micros()).or(self.complete_micros);
    }

    /// Tells up to when nothing is missing from what is shown: all that was taken from the inputs is in it.
    pub(super) fn confirm(&mut self) {
        if self.has_ready_inputs && self.kept.has_begun() && !self.inputs.are_underway() {
            self.look_how_complete();
            if self.showing == Showing::AtOnce {
                self.published.confirm(self.complete_micros);
            }
        }
    }

    /// Whether any has moved.
    fn advance_watermarks(&self) -> bool {
        let watermarks = self.inputs.watermarks(self.services.clock.now_micros());
        watermarks.into_iter().fold(false, |moved, (relation, micros)| self.kept.advance_watermark(relation, micros) || moved)
    }

    /// Whether there was anything.
    async fn take_from_sources(&mut self, taken: &mut Taken) -> Result<bool> {
        let (mut has_advanced, mut payload_bytes) = (false, 0);
        while taken.has_room() && payload_bytes < TICK_BYTES_MAX {
            match self.inputs.sources.look()? {
                Found::Batch { source, batch } => {
                    payload_bytes += batch.payload_bytes;
                    self.inputs.arrange(source, &batch, taken)?;
                    self.pass(source, &batch).await?;
                }
                Found::PartitionEnded { source, partition } => {
                    let what = format!("all of partition {partition} is read");
                    self.services.events.add(EventKind::PartitionEnded, self.inputs.sources.name(source).as_str(), &what);
                    let begun = self.inputs.sources.list_partitions().await?;
                    self.tell_begun(begun);
                }
                Found::Nothing => break,
            }
            has_advanced = true;
        }
        Ok(has_advanced)
    }

    /// What a batch is beside its rows: rejects, counts, a position.
    async fn pass(&mut self, source: usize, batch: &FeedBatch) -> Result<()> {
        if !batch.rejects.is_empty() {
            let rows = rejects::rows(&self.spec.name, self.inputs.sources.name(source), batch)?;
            self.epoch.reject(&rows).await?;
        }
        self.epoch.count(batch);
        self.inputs.sources.advance(source, batch);
        Ok(())
    }

    async fn tick(&mut self, taken: Taken) -> Result<()> {
        let inputs = self.inputs.batches(taken)?;
        let now_micros = self.services.clock.now_micros();
        let late_before = self.kept.late_rows();
        let changed = self.kept.tick(&inputs, now_micros).await?;
        self.count_late(self.kept.late_rows() - late_before);
        self.give(&changed).await
    }

    /// A tick without input, for what time alone does. Before it is known what was seen of other views, nothing is done that would have to
    /// be told from what was saved; in the middle of a commit of a table nothing is whole.
    pub(super) async fn tick_on_time(&mut self) -> Result<()> {
        if !self.kept.has_begun() || !self.has_ready_inputs || self.inputs.are_underway() {
            return Ok(());
        }
        let inputs = self.inputs.batches(self.inputs.nothing())?;
        let changed = self.kept.tick(&inputs, self.services.clock.now_micros()).await?;
        match changed.is_empty() {
            true => Ok(()),
            false => self.give(&changed).await,
        }
    }

    fn count_late(&mut self, rows: u64) {
        if rows > 0 && self.epoch.totals().late == 0 {
            let what = format!("{rows} rows came after their windows had closed; they are left out");
            self.services.events.add(EventKind::RowsLate, self.spec.name.as_str(), &what);
        }
        self.epoch.totals().late += rows;
    }

    /// Hands on what a tick made.
    async fn give(&mut self, changed: &Changes) -> Result<()> {
        self.is_dirty = true;
        self.has_changed |= !changed.is_empty();
        match &mut self.writer {
            Some(writer) => writer.write(changed, &mut self.epoch).await?,
            None => self.epoch.totals().rows_out += changed.len() as u64,
        }
        if self.sized_at.elapsed() >= SIZES_INTERVAL {
            self.tell_sizes();
        }
        if !self.inputs.are_underway() {
            self.seen = self.inputs.seen();
            self.look_how_complete();
            self.publish();
            crash_point(fault::VIEW_TICK_PUBLISHED);
        }
        Ok(())
    }

    pub(super) fn publish(&mut self) {
        // Later versions have later times, unless they are the same.
        let time_micros = match self.has_changed {
            true => self.published.next_time(self.services.clock.now_micros()),
            false => self.published.newest().map_or_else(|| self.services.clock.now_micros(), |newest| newest.time_micros),
        };
        self.publish_at(time_micros);
    }

    pub(super) fn publish_at(&mut self, time_micros: i64) {
        if let (Showing::AtOnce, Some(answer)) = (self.showing, &self.kept.answer) {
            self.stamp.tick += 1;
            let version = Version::new(self.stamp, answer, self.seen.clone()).complete_to(self.complete_micros);
            let version = version.shown_at(time_micros);
            self.published.publish(Arc::new(version));
            self.has_changed = false;
        }
    }
}
