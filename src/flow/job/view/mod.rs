//! One run of the job of a view, or of a pipeline that remembers something from row to row: from the newest manifest until it is told to stop, or
//! fails. A pipeline writes what comes out (`writer`) where a view keeps and publishes it; all else is the same.
//!
//! 1. `begin` plans the view, reads the newest manifest and what it says was saved, and takes the job over.
//! 2. `tick` hands what the inputs have (`inputs`) through the dataflow (`kept`) and publishes the answer, about every 100 ms while there is
//!    something. A reader sees whole ticks only.
//! 3. `commit` ends an epoch: what changed in the state goes into objects, and the manifest names them and the positions. A view that reads
//!    other views goes to versions of them that are committed first.
//!
//! What was saved by another plan, or is not there any more, is of no use: the view is then computed anew from the beginning of its inputs. A pipeline
//! cannot be: what it has written stands.

mod inputs;
mod kept;
mod recovery;
mod table_input;
#[cfg(test)]
mod tests;
mod times;
mod upstream;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::super::FlowServices;
use super::super::events::EventKind;
use super::super::feed::FeedBatch;
use super::super::published::{Published, Stamp, Version};
use super::super::rejects;
use super::epoch::{Contents, OpenEpoch};
use super::inputs::Found;
use super::spec::{Outlet, ViewSpec};
use super::{Control, JobSpec, JobStatus, LISTING_INTERVAL, StandingOrders};
use crate::error::{Error, Kind, Result};
use crate::fault::{self, crash_point};
use crate::model::{Changes, Epoch, PartitionId};

use inputs::ViewInputs;
use kept::Kept;
use recovery::restore;

pub use inputs::table_version;
pub use recovery::show_saved;
pub use times::Backlog;
use writer::Writer;

/// The state that is the answer.
pub const ANSWER: &str = "answer";

const TICK_INTERVAL: Duration = Duration::from_millis(100);
/// A tick takes no more of an input, unless one version of a table has more.
const TICK_ROWS_MAX: usize = 200_000;
/// Nor more bytes of the sources.
const TICK_BYTES_MAX: usize = 64 << 20;
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How often a view that follows the clock looks at it when nothing comes.
const CLOCK_INTERVAL: Duration = Duration::from_millis(500);

/// What an input has for a tick.
#[derive(Default)]
pub struct Taken {
    changes: Vec<Changes>,
    /// The position is another now.
    has_advanced: bool,
    /// There is more than one tick takes.
    has_more: bool,
}

/// When the answer is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Showing {
    AtOnce,
    /// Readers keep what they had until everything that the inputs held at first is in.
    WhenCaughtUp,
}

/// Runs until it is told to stop. An error ends the run; whether it can be tried again says its kind.
pub async fn run(
    spec: &JobSpec,
    view: &ViewSpec,
    services: &FlowServices,
    status: &JobStatus,
    control: &mut mpsc::Receiver<Control>,
    standing: &mut StandingOrders,
) -> Result<()> {
    let mut job = Job::begin(spec, view, services, status, standing).await?;
    match job.work(control, standing).await {
        // Only what is gone for good is told so: changes of a table, the epoch of another view.
        Err(error) if error.kind() == Kind::State && job.is_input_outdated && spec.target().is_none() => {
            standing.is_outdated = true;
            Err(Error::unavailable("the view is computed anew: what it goes on from is not there any more").with_cause(error))
        }
        ended => ended,
    }
}

struct Job<'a> {
    spec: &'a JobSpec,
    services: &'a FlowServices,
    status: &'a JobStatus,
    epoch: OpenEpoch<'a>,
    inputs: ViewInputs,
    kept: Kept,
    /// Of a pipeline.
    writer: Option<Writer>,
    published: Arc<Published>,
    stamp: Stamp,
    showing: Showing,
    /// All that tables and views held when the run began is in, and committed.
    is_populated: bool,
    /// There may be something in the inputs.
    is_awake: bool,
    next_tick: Instant,
    /// There is something that the last epoch does not have.
    is_dirty: bool,
    /// Every view that is read has shown something.
    has_ready_inputs: bool,
    /// An error of kind `State` came from an input.
    is_input_outdated: bool,
}

impl<'a> Job<'a> {
    async fn begin(
        spec: &'a JobSpec,
        view: &'a ViewSpec,
        services: &'a FlowServices,
        status: &'a JobStatus,
        standing: &mut StandingOrders,
    ) -> Result<Job<'a>> {
        let (mut epoch, mut found) = OpenEpoch::recover(spec, services, status).await?;
        let relations = ViewInputs::relations(spec, view).await?;
        let mut kept = Kept::plan(spec, view, &relations, services).await?;
        let has_saved = found.state.is_some();
        restore(spec, services, epoch.committed(), &mut kept, &mut found, standing).await?;
        let inputs = ViewInputs::open(spec, view, &relations, services, std::mem::take(&mut found.positions)).await?;
        let (state, retired) = kept.saved();
        epoch.take_over(Contents { positions: inputs.positions(), state, retired, ..Contents::default() }).await?;
        standing.is_outdated = false;
        let writer = match &view.outlet {
            Outlet::Shown(_) => None,
            Outlet::Written(written) => Some(Writer::open(written, kept.schema()).await?),
        };
        let published = services.views.get(spec.object);
        let showing = match has_saved && !kept.has_begun() {
            true => Showing::WhenCaughtUp,
            false => Showing::AtOnce,
        };
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
            is_awake: true,
            next_tick: Instant::now(),
            is_dirty: false,
            has_ready_inputs: false,
            is_input_outdated: false,
        };
        job.inputs.mark_kept().await?;
        if job.kept.has_begun() {
            job.publish();
            job.show_committed();
            job.become_populated();
        }
        status.running(job.inputs.status());
        services.events.add(EventKind::JobStarted, spec.name.as_str(), &format!("running from epoch {}", job.epoch.number()));
        Ok(job)
    }

    async fn work(&mut self, control: &mut mpsc::Receiver<Control>, standing: &mut StandingOrders) -> Result<()> {
        let mut listing = interval(LISTING_INTERVAL);
        let mut polling = interval(POLL_INTERVAL);
        listing.set_missed_tick_behavior(MissedTickBehavior::Delay);
        polling.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let wake = self.inputs.sources.wake();
        let has_tables = self.inputs.has_tables();
        let follows_the_clock = self.kept.follows_the_clock();
        let mut clock = interval(CLOCK_INTERVAL);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let published = self.published.clone();
        if standing.has_waiting() {
            self.inputs.mark().await?;
        }
        loop {
            self.tick_if_due().await?;
            self.populate().await?;
            self.commit_if_due().await?;
            self.answer_flushes(standing).await?;
            tokio::select! {
                biased;
                order = control.recv() => match order {
                    // Without the views that it reads it comes to no end: dropping the sender tells the asker so.
                    Some(Control::Flush(answer)) => if self.are_inputs_ready().await? {
                        standing.add(answer);
                        self.inputs.mark().await?;
                        self.is_awake = true;
                    }
                    Some(Control::Stop) | None => {
                        standing.is_stopping = true;
                        return self.commit().await;
                    }
                },
                () = published.boundary_is_wanted() => self.commit().await?,
                _ = listing.tick() => self.inputs.sources.begin_listing(),
                listing = self.inputs.sources.next_listing() => {
                    let begun = self.inputs.sources.admit(listing?).await?;
                    self.tell_begun(begun);
                }
                // Before what may be ready all the time.
                _ = clock.tick(), if follows_the_clock => self.tick_on_time().await?,
                _ = polling.tick(), if has_tables => self.inputs.poll().await,
                () = wake.notified() => self.is_awake = true,
                () = self.inputs.kept.changed() => self.is_awake = true,
                () = sleep_until(self.next_tick), if self.is_awake => {}
                () = sleep_until(self.epoch.due()), if self.is_dirty => {}
            }
        }
    }

    /// Takes what is there and works on it. What does not fit waits for the next tick, which follows at once.
    async fn tick_if_due(&mut self) -> Result<()> {
        if !self.is_awake || Instant::now() < self.next_tick {
            return Ok(());
        }
        self.is_awake = false;
        if !self.are_inputs_ready().await? {
            return Ok(());
        }
        let mut taken = self.inputs.nothing();
        let of_sources = self.take_from_sources(&mut taken).await?;
        let of_kept = self.inputs.take(TICK_ROWS_MAX, &mut taken).await;
        let of_kept = of_kept.inspect_err(|error| self.is_input_outdated = error.kind() == Kind::State)?;
        self.is_awake = of_sources.has_more || of_kept.has_more;
        self.published.set_behind(self.is_awake.then(|| self.services.clock.now_micros()));
        // A partition that has come to its end holds the watermark no more, also if it brings no rows.
        let closes_windows = self.advance_watermarks();
        if of_sources.has_advanced || of_kept.has_advanced || closes_windows || !self.kept.has_begun() {
            self.tick(taken).await?;
            self.next_tick = Instant::now() + if self.is_awake { Duration::ZERO } else { TICK_INTERVAL };
        }
        Ok(())
    }

    /// Whether any has moved.
    fn advance_watermarks(&self) -> bool {
        let watermarks = self.inputs.watermarks(self.services.clock.now_micros());
        watermarks.into_iter().fold(false, |moved, (relation, micros)| self.kept.advance_watermark(relation, micros) || moved)
    }

    async fn are_inputs_ready(&mut self) -> Result<bool> {
        let were_known = self.has_ready_inputs;
        let ready = self.inputs.are_ready(self.services).await;
        self.has_ready_inputs = ready.inspect_err(|error| self.is_input_outdated = error.kind() == Kind::State)?;
        if self.has_ready_inputs && !were_known && self.kept.has_begun() {
            // From here on readers can be told what was seen of other views.
            self.publish();
            self.show_committed();
        }
        Ok(self.has_ready_inputs)
    }

    async fn take_from_sources(&mut self, into: &mut [Vec<Changes>]) -> Result<Taken> {
        let mut taken = Taken::default();
        let (mut rows, mut bytes) = (0, 0);
        loop {
            match self.inputs.sources.look()? {
                Found::Batch { source, batch } => {
                    rows += batch.rows.num_rows();
                    bytes += batch.payload_bytes;
                    self.inputs.arrange(source, &batch, into)?;
                    self.pass(source, &batch).await?;
                }
                Found::PartitionEnded { source, partition } => {
                    let what = format!("all of partition {partition} is read");
                    self.services.events.add(EventKind::PartitionEnded, self.inputs.sources.name(source).as_str(), &what);
                    let begun = self.inputs.sources.list_partitions().await?;
                    self.tell_begun(begun);
                }
                Found::Nothing => return Ok(taken),
            }
            taken.has_advanced = true;
            taken.has_more = rows >= TICK_ROWS_MAX || bytes >= TICK_BYTES_MAX;
            if taken.has_more {
                return Ok(taken);
            }
        }
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

    async fn tick(&mut self, taken: Vec<Vec<Changes>>) -> Result<()> {
        let inputs = self.inputs.batches(&taken)?;
        let now_micros = self.services.clock.now_micros();
        let late_before = self.kept.late_rows();
        let changed = self.kept.tick(&inputs, now_micros).await?;
        self.count_late(self.kept.late_rows() - late_before);
        self.give(&changed).await?;
        crash_point(fault::VIEW_TICK_PUBLISHED);
        Ok(())
    }

    /// A tick without input, for what time alone does.
    async fn tick_on_time(&mut self) -> Result<()> {
        if !self.kept.has_begun() {
            return Ok(());
        }
        let inputs = self.inputs.batches(&self.inputs.nothing())?;
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
        match &mut self.writer {
            Some(writer) => writer.write(changed, &mut self.epoch).await?,
            None => self.epoch.totals().rows_out += changed.len() as u64,
        }
        self.publish();
        Ok(())
    }

    fn publish(&mut self) {
        if let (Showing::AtOnce, Some(answer)) = (self.showing, &self.kept.answer) {
            self.stamp.tick += 1;
            self.published.publish(Arc::new(Version::new(self.stamp, answer, self.inputs.includes())));
        }
    }

    /// The newest version is what the last epoch has.
    fn show_committed(&mut self) {
        if let (Showing::AtOnce, Some(version)) = (self.showing, self.published.newest()) {
            self.published.committed(self.epoch.committed(), version);
        }
        self.published.set_reads(self.inputs.epochs());
        self.published.set_sizes(self.kept.sizes());
    }

    /// The first epoch does not wait for its time: whoever made the view waits for it.
    async fn populate(&mut self) -> Result<()> {
        let is_in = match self.showing {
            Showing::AtOnce => self.inputs.kept_have_passed_mark(),
            Showing::WhenCaughtUp => self.inputs.have_passed_mark(),
        };
        if self.is_populated || !self.kept.has_begun() || !is_in {
            return Ok(());
        }
        if self.showing == Showing::WhenCaughtUp {
            self.showing = Showing::AtOnce;
            self.publish();
        }
        self.commit().await?;
        self.become_populated();
        Ok(())
    }

    fn become_populated(&mut self) {
        self.is_populated = true;
        self.published.populated();
    }

    async fn commit_if_due(&mut self) -> Result<()> {
        match self.is_dirty() && (self.epoch.is_full() || self.epoch.due() <= Instant::now()) {
            true => self.commit().await,
            false => Ok(()),
        }
    }

    fn is_dirty(&self) -> bool {
        self.is_dirty || self.inputs.sources.has_advanced()
    }

    async fn commit(&mut self) -> Result<()> {
        if self.is_dirty() && self.are_inputs_ready().await? {
            self.go_to_boundaries().await?;
            let now_micros = self.services.clock.now_micros();
            self.kept.save(self.epoch.number(), now_micros).await?;
            let (state, retired) = self.kept.saved();
            let target = match &mut self.writer {
                Some(writer) => Some(writer.seal().await?),
                None => None,
            };
            self.epoch.commit(Contents { positions: self.inputs.positions(), target, state, retired }).await?;
            self.inputs.sources.committed();
            self.is_dirty = false;
            self.show_committed();
            self.kept.clean(self.epoch.committed(), self.oldest_needed(), self.services);
            // Waiting for boundaries has heard what was published meanwhile.
            self.is_awake = true;
        }
        self.status.inputs(self.inputs.status());
        Ok(())
    }

    /// Has the views that are read commit, and takes in what that is.
    async fn go_to_boundaries(&mut self) -> Result<()> {
        let boundaries = self.inputs.boundaries().await?;
        let mut taken = self.inputs.nothing();
        match self.inputs.take_to(&boundaries, &mut taken)?.has_advanced {
            true => self.tick(taken).await,
            false => Ok(()),
        }
    }

    /// The oldest epoch from which a view that reads this one goes on, as far as it is known: what is not known is not waited for, for it is
    /// found out that it is gone, and the view is computed anew.
    fn oldest_needed(&self) -> Option<Epoch> {
        let catalog = self.services.catalog.snapshot();
        let readers = catalog.dependents_of(self.spec.object);
        readers.into_iter().filter_map(|reader| self.services.views.get(reader.id).reads_from(self.spec.object)).min()
    }

    fn tell_begun(&self, begun: Vec<(usize, PartitionId)>) {
        for (source, partition) in begun {
            let what = format!("partition {partition} is read");
            self.services.events.add(EventKind::PartitionBegun, self.inputs.sources.name(source).as_str(), &what);
        }
    }

    async fn answer_flushes(&mut self, standing: &mut StandingOrders) -> Result<()> {
        if standing.has_waiting() && self.kept.has_begun() && self.inputs.have_passed_mark() {
            self.commit().await?;
            standing.answer_all();
        }
        Ok(())
    }
}
