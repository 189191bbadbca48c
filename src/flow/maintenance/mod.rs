//! The housekeeper of the lake: one background task per server that looks at all tables, one after the other. No commit waits for it.
//!
//! - **Checkpoints**: where enough was committed since it last looked, it has the log summed up.
//! - **Sweeps**, once a day: the old end of the logs, data files and state of jobs that nobody needs, leftovers of interrupted writes. First it
//!   asks the jobs' manifests what they still need (`needs`).
//!
//! All of it may be done by several servers at once and dropped half-way. What fails is told in `lakewire.events` and tried again later; one
//! table does not keep the others from it.

mod needs;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::FlowServices;
use super::events::EventKind;
use super::{rejects, saved};
use crate::catalog::{Definition, ObjectKind};
use crate::error::{Error, Result};
use crate::lake::Table;
use crate::model::JobId;
use needs::Needs;

/// How long it rests between two rounds.
const ROUND_INTERVAL: Duration = Duration::from_secs(20);
/// The log of a table is looked at when so many versions have come since the last time.
const VERSIONS_PER_LOOK: i64 = 20;
/// With fewer, for they may be large, and to learn what others have committed.
const LOOK_INTERVAL: TimeDelta = TimeDelta::minutes(10);
/// A server that was just started has better to do.
const FIRST_SWEEP: TimeDelta = TimeDelta::hours(1);
const SWEEP_INTERVAL: TimeDelta = TimeDelta::hours(24);
/// What failed is not tried again before.
const RETRY_INTERVAL: TimeDelta = TimeDelta::hours(1);

/// The task, while it runs.
pub struct Maintenance {
    stopping: CancellationToken,
    task: TaskTracker,
}

impl Maintenance {
    pub fn start(services: Arc<FlowServices>, compute: &Handle) -> Maintenance {
        let (stopping, task) = (CancellationToken::new(), TaskTracker::new());
        let (rounds, stopped) = (rounds(Housekeeper::new(services)), stopping.clone());
        task.spawn_on(async move { stopped.run_until_cancelled(rounds).await }, compute);
        task.close();
        Maintenance { stopping, task }
    }

    /// Leaves off what is being done: nothing is lost by it.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.task.wait().await;
    }
}

/// Sweeps now, whenever it was last done. What fails is told in `lakewire.events`.
pub async fn sweep(services: Arc<FlowServices>) {
    let mut housekeeper = Housekeeper::new(services);
    let tables = housekeeper.tables();
    housekeeper.sweep(&tables).await;
}

async fn rounds(mut housekeeper: Housekeeper) {
    loop {
        tokio::time::sleep(ROUND_INTERVAL).await;
        housekeeper.round().await;
    }
}

/// Does the work, round by round, and knows what it has done.
struct Housekeeper {
    services: Arc<FlowServices>,
    /// By location.
    looks: HashMap<String, Look>,
    next_sweep: DateTime<Utc>,
}

/// When a log was last looked at.
struct Look {
    version: Option<i64>,
    /// No sooner than then, whatever comes.
    not_before: DateTime<Utc>,
    time: DateTime<Utc>,
}

/// A table as it is called.
struct Named {
    name: String,
    table: Arc<Table>,
}

impl Housekeeper {
    fn new(services: Arc<FlowServices>) -> Housekeeper {
        let next_sweep = services.clock.now() + FIRST_SWEEP;
        Housekeeper { services, looks: HashMap::new(), next_sweep }
    }

    async fn round(&mut self) {
        let tables = self.tables();
        self.looks.retain(|location, _| tables.iter().any(|named| named.table.location() == location));
        for named in &tables {
            if let Err(error) = self.look_at(named).await {
                let not_before = self.services.clock.now() + RETRY_INTERVAL;
                self.look_of(&named.table).not_before = not_before;
                self.tell_failure(&named.name, "its log could not be summed up", &error);
            }
        }
        let now = self.services.clock.now();
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP_INTERVAL;
            self.sweep(&tables).await;
        }
    }

    fn tables(&self) -> Vec<Named> {
        let catalog = self.services.catalog.snapshot();
        let defined = catalog.iter_kind(ObjectKind::Table).filter_map(|object| match &object.definition {
            Definition::Table(table) => Some((object.name.to_string(), table.location.clone())),
            _ => None,
        });
        let all = defined.chain([("rejects".to_string(), rejects::LOCATION.to_string())]);
        // A table that this server's lake does not have is none of its business.
        all.filter_map(|(name, location)| Some(Named { name, table: self.services.lake.table(&location).ok()? })).collect()
    }

    /// Has the log summed up if that is due.
    async fn look_at(&mut self, named: &Named) -> Result<()> {
        let now = self.services.clock.now();
        if self.look_of(&named.table).not_before > now {
            return Ok(());
        }
        let version = named.table.refresh_head_within(LOOK_INTERVAL).await?.version();
        let look = self.look_of(&named.table);
        let is_time = now - look.time >= LOOK_INTERVAL;
        let wanted = if is_time { 1 } else { VERSIONS_PER_LOOK };
        if grown(look.version, version) < wanted {
            return Ok(());
        }
        let made = named.table.checkpoint_if_due().await?;
        // Not before: what failed is to be tried again, also if nothing comes meanwhile.
        let look = self.look_of(&named.table);
        (look.version, look.time) = (version, now);
        if let Some(made) = made {
            let what = format!("summed up the log at version {}: {} files in {} bytes", made.version, made.files, made.bytes);
            self.services.events.add(EventKind::CheckpointWritten, &named.name, &what);
        }
        Ok(())
    }

    fn look_of(&mut self, table: &Table) -> &mut Look {
        let never = DateTime::UNIX_EPOCH;
        self.looks.entry(table.location().to_string()).or_insert(Look { version: None, not_before: never, time: never })
    }

    async fn sweep(&mut self, tables: &[Named]) {
        let needs = match Needs::of_jobs(&self.services).await {
            Ok(needs) => needs,
            // Without knowing what is needed nothing can be removed.
            Err(error) => return self.postpone_sweep("lake", &error),
        };
        for named in tables {
            if let Err(error) = self.sweep_table(named, &needs).await {
                self.postpone_sweep(&named.name, &error);
            }
        }
        let removed = self.services.lake.remove_leftovers().await;
        self.tell_leftovers("lake", removed);
        for (job, named) in &needs.state {
            let removed = saved::remove_unnamed(&self.services.lake, *job, named, needs.as_of - saved::SWEPT_AFTER).await;
            self.tell_leftovers(&self.name_of(*job), removed);
        }
    }

    /// The name of the object that a job works for; of one that is dropped, its own.
    fn name_of(&self, job: JobId) -> String {
        let catalog = self.services.catalog.snapshot();
        let mut with_jobs = [ObjectKind::Pipeline, ObjectKind::View].into_iter().flat_map(|kind| catalog.iter_kind(kind));
        let object = with_jobs.find(|object| object.definition.job().is_some_and(|(known, _)| known == job));
        object.map_or_else(|| format!("job {job}"), |object| object.name.to_string())
    }

    fn tell_leftovers(&mut self, of: &str, removed: Result<usize>) {
        match removed {
            Ok(0) => {}
            Ok(count) => {
                let what = format!("removed {count} leftovers of interrupted writes");
                self.services.events.add(EventKind::Vacuumed, of, &what);
            }
            Err(error) => self.postpone_sweep(of, &error),
        }
    }

    async fn sweep_table(&self, named: &Named, needs: &Needs) -> Result<()> {
        let spared = needs.of_table(&self.services.lake.folder(named.table.location())?);
        let objects = named.table.clean_log(spared.followed_from).await?;
        if objects > 0 {
            let what = format!("removed {objects} objects from the old end of the log");
            self.services.events.add(EventKind::LogCleaned, &named.name, &what);
        }
        let vacuumed = named.table.vacuum(&spared).await?;
        if vacuumed.files > 0 {
            let what = format!("removed {} files of {} bytes that no version needs", vacuumed.files, vacuumed.bytes);
            self.services.events.add(EventKind::Vacuumed, &named.name, &what);
        }
        Ok(())
    }

    fn postpone_sweep(&mut self, object: &str, error: &Error) {
        self.next_sweep = self.services.clock.now() + RETRY_INTERVAL;
        self.tell_failure(object, "what nobody needs could not be removed", error);
    }

    fn tell_failure(&self, object: &str, what: &str, error: &Error) {
        self.services.events.add(EventKind::MaintenanceFailed, object, &format!("{what}: {}", error.one_line()));
    }
}

/// How many versions have come. A table that has fewer than it had is another one.
fn grown(from: Option<i64>, to: Option<i64>) -> i64 {
    let next = |version: Option<i64>| version.map_or(0, |version| version + 1);
    match to < from {
        true => next(to),
        false => next(to) - next(from),
    }
}
