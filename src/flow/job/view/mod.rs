//! One run of the job of a view, or of a pipeline that remembers something from row to row: from the newest manifest until it is told to stop, or
//! fails. A pipeline writes what comes out (`writer`) where a view keeps and publishes it; all else is the same.
//!
//! 1. `begin` plans the view, reads the newest manifest and what it says was saved, and takes the job over.
//! 2. `tick` hands what the inputs have (`inputs`, chosen by `course`) through the dataflow (`kept`) and publishes the answer, about every 100 ms
//!    while there is something. Readers see whole commits of tables only; one that is too large for a tick is worked on in several, and shown
//!    after the last.
//! 3. `commit` ends an epoch: what changed in the state goes into objects, and the manifest names them and the positions. A view that reads
//!    other views has them commit where they agree, and goes there first.
//!
//! What was saved by another plan, or is not there any more, is of no use: the view is then computed anew from the beginning of its inputs, and
//! readers keep what was shown before until that has caught up. A pipeline cannot be: what it has written stands.

mod begin;
mod commit;
mod course;
mod inputs;
mod kept;
mod recovery;
mod table_input;
#[cfg(test)]
mod tests;
mod tick;
mod times;
mod upstream;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until};

use super::super::FlowServices;
use super::super::events::EventKind;
use super::super::published::{Meeting, Published, Seen, Stamp};
use super::epoch::{Abandoned, Contents, OpenEpoch};
use super::inputs::Found;
use super::spec::{Outlet, ViewSpec};
use super::{Control, JobSpec, JobStatus, LISTING_INTERVAL, StandingOrders};
use crate::error::{Error, Kind, Result};
use crate::model::{Changes, PartitionId};

use inputs::ViewInputs;
use kept::Kept;
use writer::Writer;

pub use inputs::table_version;
pub use recovery::show_saved;
pub use times::Backlog;

const TICK_INTERVAL: Duration = Duration::from_millis(100);
/// A tick takes no more rows.
const TICK_ROWS_MAX: usize = 200_000;
/// Nor more bytes.
const TICK_BYTES_MAX: usize = 64 << 20;
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// How often a view that follows the clock looks at it when nothing comes.
const CLOCK_INTERVAL: Duration = Duration::from_millis(500);
/// How often it is told how large the state is, also while no epoch ends.
const SIZES_INTERVAL: Duration = Duration::from_secs(1);
/// How often a view looks whether those that it reads can still meet where they were asked to.
const MEETING_INTERVAL: Duration = Duration::from_millis(100);
/// How long a job that is stopped waits for the views that it reads to commit. What is not committed comes again.
const STOP_WAIT_MAX: Duration = Duration::from_secs(2);

/// What a tick takes of the inputs: of each relation some changes, together no more than a tick can have.
pub struct Taken {
    /// By relation.
    changes: Vec<Vec<Changes>>,
    /// Whose turn it is.
    place: usize,
    rows: usize,
    bytes: usize,
}

impl Taken {
    /// Nothing yet, of so many relations.
    fn of(relations: usize) -> Taken {
        Taken { changes: vec![vec![]; relations], place: 0, rows: 0, bytes: 0 }
    }

    fn turn_to(&mut self, place: usize) {
        self.place = place;
    }

    fn add(&mut self, changes: Changes) {
        self.rows += changes.len();
        self.bytes += changes.rows().get_array_memory_size();
        self.changes[self.place].push(changes);
    }

    fn has_room(&self) -> bool {
        self.rows < TICK_ROWS_MAX && self.bytes < TICK_BYTES_MAX
    }
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
    let published = services.views.get(spec.object);
    let ended = {
        let _taken_back = TakenBack(&published);
        run_once(spec, view, services, status, control, standing).await
    };
    if ended.is_err() && published.newest().is_none() {
        // It may be long until it can be computed: what was saved can be read, and the views that read this one go on from it.
        if let Err(error) = show_saved(spec, services).await {
            tracing::debug!(?error, view = spec.name.as_str(), "what the view had saved cannot be shown");
        }
    }
    ended
}

/// What a run showed and did not commit is taken back however it ends, also by a panic.
struct TakenBack<'a>(&'a Published);

impl Drop for TakenBack<'_> {
    fn drop(&mut self) {
        self.0.end_run();
    }
}

async fn run_once(
    spec: &JobSpec,
    view: &ViewSpec,
    services: &FlowServices,
    status: &JobStatus,
    control: &mut mpsc::Receiver<Control>,
    standing: &mut StandingOrders,
) -> Result<()> {
    let mut job = Job::begin(spec, view, services, status, standing).await?;
    let ended = job.work(control, standing).await;
    if ended.is_err() {
        job.give_up().await;
    }
    job.inputs.forget_meetings(spec.object, services);
    match ended {
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
    /// The answer is not what was shown last.
    has_changed: bool,
    /// There may be something in the inputs.
    is_awake: bool,
    next_tick: Instant,
    /// There is something that the last epoch does not have.
    is_dirty: bool,
    /// Every view that is read has shown something.
    has_ready_inputs: bool,
    /// An error of kind `State` came from an input.
    is_input_outdated: bool,
    /// What the answer was computed from, after the last whole tick.
    seen: Seen,
    /// Where the views that are read are to meet for the next epoch.
    meeting: Meeting,
    /// Somebody waits for all that the inputs held to be committed.
    is_flushing: bool,
    /// Until when the job, which was told to stop, tries to commit what it has.
    stops_at: Option<Instant>,
    /// What came into the inputs before this moment is in what the last whole tick made.
    complete_micros: Option<i64>,
    /// When it was told how large the state is.
    sized_at: Instant,
}

impl Job<'_> {
    async fn work(&mut self, control: &mut mpsc::Receiver<Control>, standing: &mut StandingOrders) -> Result<()> {
        let mut listing = interval(LISTING_INTERVAL);
        let mut polling = interval(POLL_INTERVAL);
        let mut clock = interval(CLOCK_INTERVAL);
        for interval in [&mut listing, &mut polling, &mut clock] {
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let wake = self.inputs.sources.wake();
        let follows_the_clock = self.kept.follows_the_clock();
        let published = self.published.clone();
        if standing.has_waiting() {
            self.inputs.mark().await?;
        }
        loop {
            self.is_flushing = standing.has_waiting();
            self.commit_if_wanted().await?;
            self.tick_if_due().await?;
            self.catch_up();
            self.commit_if_wanted().await?;
            self.answer_flushes(standing);
            if self.has_stopped()? {
                return Ok(());
            }
            let wants_commit = self.wants_commit();
            tokio::select! {
                biased;
                order = control.recv(), if self.stops_at.is_none() => match order {
                    // Without the views that it reads it comes to no end: dropping the sender tells the asker so.
                    Some(Control::Flush(answer)) => if self.are_inputs_ready().await? {
                        standing.add(answer);
                        self.inputs.mark().await?;
                        self.is_awake = true;
                    }
                    Some(Control::Stop) | None => {
                        standing.is_stopping = true;
                        self.stops_at = Some(Instant::now() + STOP_WAIT_MAX);
                    }
                },
                () = published.boundary_is_wanted() => {}
                _ = listing.tick() => self.inputs.sources.begin_listing(),
                listing = self.inputs.sources.next_listing() => {
                    let begun = self.inputs.sources.admit(listing?).await?;
                    self.tell_begun(begun);
                }
                // Before what may be ready all the time.
                _ = clock.tick(), if follows_the_clock => self.tick_on_time().await?,
                _ = polling.tick() => {
                    self.inputs.poll(self.services.clock.now_micros()).await;
                    self.confirm();
                }
                () = wake.notified() => self.is_awake = true,
                () = self.inputs.kept.changed() => self.is_awake = true,
                () = sleep_until(self.next_tick), if self.is_awake => {}
                () = sleep(MEETING_INTERVAL), if wants_commit => self.is_awake = true,
                () = sleep_until(self.epoch.due()), if self.is_dirty() && !wants_commit => {}
            }
        }
    }

    /// Whether nothing is left to be done before the job stops.
    fn has_stopped(&self) -> Result<bool> {
        match self.stops_at {
            None => Ok(false),
            Some(_) if !self.is_dirty() => Ok(true),
            Some(until) if Instant::now() < until => Ok(false),
            Some(_) => Err(Error::unavailable("what the open epoch goes on from could not be committed in time")),
        }
    }

    fn tell_begun(&self, begun: Vec<(usize, PartitionId)>) {
        for (source, partition) in begun {
            let what = format!("partition {partition} is read");
            self.services.events.add(EventKind::PartitionBegun, self.inputs.sources.name(source).as_str(), &what);
        }
    }

    /// After an error: removes what was written for the open epoch, unless it may be named by a manifest.
    async fn give_up(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.discard().await;
        }
        if self.epoch.give_up().await == Abandoned::ForSure {
            self.kept.discard_unnamed().await;
        }
    }
}
