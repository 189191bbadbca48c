//! Runs the jobs: starts them, tries again what may pass, reports what does not, stops them in order.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::FlowServices;
use super::events::EventKind;
use super::job::{self, Control, JobSpec, JobState, JobStatus, StandingOrders, Status};
use crate::catalog::{Definition, DesiredState, Object, ObjectKind};
use crate::error::{Error, Result};
use crate::model::{Name, ObjectId};

const BACKOFF_MIN: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
const ORDERS_MAX: usize = 16;
/// How often a job that is waited for is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long a view may need to begin with what views that do not run have shown.
const AGREEMENT_WAIT_MAX: Duration = Duration::from_secs(5);

/// All jobs of this server, by the pipeline or view they run.
pub struct Supervisor {
    services: Arc<FlowServices>,
    compute: Handle,
    jobs: Mutex<HashMap<ObjectId, Entry>>,
    turns: Mutex<HashMap<ObjectId, Arc<tokio::sync::Mutex<()>>>>,
}

struct Entry {
    kind: ObjectKind,
    name: Name,
    status: Arc<JobStatus>,
    /// None while the job is paused.
    running: Option<Running>,
}

struct Running {
    orders: mpsc::Sender<Control>,
    task: JoinHandle<()>,
}

/// A job that a FLUSH did not wait for, and why.
pub struct NotFlushed {
    pub kind: ObjectKind,
    pub name: Name,
    pub state: JobState,
    /// A view that it reads and that did not flush: the state is that one's.
    pub upstream: Option<Name>,
}

impl Supervisor {
    pub fn new(services: Arc<FlowServices>, compute: Handle) -> Supervisor {
        Supervisor { services, compute, jobs: Mutex::default(), turns: Mutex::default() }
    }

    /// To be held by whoever changes a pipeline and stops or starts its job: statements on one pipeline take turns.
    pub async fn turn(&self, pipeline: ObjectId) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = self.turns.lock().entry(pipeline).or_default().clone();
        turn.lock_owned().await
    }

    /// The same for several. All ask in one order: nobody waits for a turn that waits for his.
    pub async fn turns(&self, of: &BTreeSet<ObjectId>) -> Vec<tokio::sync::OwnedMutexGuard<()>> {
        let mut turns = vec![];
        for id in of {
            turns.push(self.turn(*id).await);
        }
        turns
    }

    /// Starts everything that the catalog says shall run.
    pub fn start_all(&self) -> Result<()> {
        let snapshot = self.services.catalog.snapshot();
        for object in snapshot.iter_kind(ObjectKind::Pipeline).chain(snapshot.iter_kind(ObjectKind::View)) {
            if let Err(error) = self.start(object) {
                self.show_failed(object, &error);
            }
        }
        Ok(())
    }

    /// One pipeline that cannot start does not keep the others from it.
    fn show_failed(&self, pipeline: &Object, error: &Error) {
        let status = Arc::new(JobStatus::new(self.services.clock.clone(), JobState::Failed));
        status.failed(error);
        self.services.events.add(EventKind::JobFailed, pipeline.name.as_str(), &error.one_line());
        self.jobs.lock().insert(pipeline.id, Entry { kind: pipeline.kind(), name: pipeline.name.clone(), status, running: None });
    }

    /// Starts the job of a pipeline, unless it shall be paused; then it is only shown.
    pub fn start(&self, pipeline: &Object) -> Result<()> {
        let Some((_, desired)) = pipeline.definition.job() else {
            return Err(Error::internal(format!("{pipeline} has no job")));
        };
        let (state, is_running) = match desired {
            DesiredState::Running => (JobState::Starting, true),
            DesiredState::Paused => (JobState::Paused, false),
        };
        let status = Arc::new(JobStatus::new(self.services.clock.clone(), state));
        let running = match is_running {
            true => Some(self.spawn(pipeline, status.clone())?),
            false => {
                self.show_saved(pipeline)?;
                None
            }
        };
        self.jobs.lock().insert(pipeline.id, Entry { kind: pipeline.kind(), name: pipeline.name.clone(), status, running });
        Ok(())
    }

    fn spawn(&self, pipeline: &Object, status: Arc<JobStatus>) -> Result<Running> {
        let spec = JobSpec::of(pipeline, &self.services.catalog.snapshot(), &self.services.lake)?;
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let task = self.compute.spawn(supervise(spec, self.services.clone(), status, received));
        Ok(Running { orders, task })
    }

    /// A view that is paused can be read all the same.
    fn show_saved(&self, object: &Object) -> Result<()> {
        if object.kind() == ObjectKind::View && self.services.views.get(object.id).newest().is_none() {
            let spec = JobSpec::of(object, &self.services.catalog.snapshot(), &self.services.lake)?;
            let services = self.services.clone();
            let published = services.views.get(object.id);
            published.begin_loading();
            self.compute.spawn(async move {
                if let Err(error) = job::view::show_saved(&spec, &services).await {
                    services.events.add(EventKind::JobFailed, spec.name.as_str(), &error.one_line());
                }
                published.end_loading();
            });
        }
        Ok(())
    }

    /// Waits until a view has something to be read: what its tables and views held when it was made, of its sources whatever has come.
    ///
    /// Errors: `State` if its job does not run.
    pub async fn populated(&self, view: ObjectId, name: &Name) -> Result<()> {
        let published = self.services.views.get(view);
        let mut changes = published.subscribe();
        let until = Instant::now() + AGREEMENT_WAIT_MAX;
        loop {
            changes.mark_unchanged();
            if published.is_populated() {
                return Ok(());
            }
            // What is shown is whole, and will not become more.
            if published.newest().is_some() && self.hindrance(view, Hinders::Any).is_some() {
                return Ok(());
            }
            // What another view shows may be enough to begin with, or not agree with what a third one shows.
            let hinders = if Instant::now() < until { Hinders::ShowingNothing } else { Hinders::Any };
            if let Some(hindrance) = self.hindrance(view, hinders) {
                return Err(hindrance.of(name, "has not been populated"));
            }
            // The state of the job tells nobody when it changes.
            let _ = timeout(LOOK_INTERVAL, changes.changed()).await;
        }
    }

    /// Waits until all that the inputs of a view hold now is in it and committed. A job that is tried again is waited for.
    ///
    /// Errors: `State` if its job does not run, or that of a view which it reads and which shows nothing; `Undefined` if it was dropped.
    pub async fn caught_up(&self, view: ObjectId, name: &Name) -> Result<()> {
        loop {
            let asked = self.jobs.lock().get(&view).map(Entry::ask_to_flush);
            let Some(asked) = asked else { return Err(Error::undefined(format!("materialized view \"{name}\" was dropped meanwhile"))) };
            if asked.await.is_none() {
                return Ok(());
            }
            if let Some(hindrance) = self.hindrance(view, Hinders::ShowingNothing) {
                return Err(hindrance.of(name, "does not catch up with what it reads"));
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Why a view will show nothing more as things are: its own job does not run, or that of a view which it reads.
    fn hindrance(&self, view: ObjectId, hinders: Hinders) -> Option<Hindrance> {
        let counts = |view: &ObjectId| hinders == Hinders::Any || self.services.views.get(*view).newest().is_none();
        let catalog = self.services.catalog.snapshot();
        let known = self.jobs.lock().get(&view).map(|entry| (entry.name.clone(), entry.status.get()));
        match known {
            Some((name, Status { state: state @ (JobState::Failed | JobState::Paused), error, hint, .. })) => {
                (!self.services.views.get(view).is_loading()).then_some(Hindrance { name: Some(name), state, error, hint })
            }
            Some(_) => {
                let is_view = |id: &ObjectId| catalog.get(*id).is_some_and(|object| object.kind() == ObjectKind::View);
                self.read_by(view).filter(is_view).filter(counts).find_map(|view| self.hindrance(view, hinders))
            }
            None => Some(Hindrance { name: None, state: JobState::Failed, error: None, hint: None }),
        }
    }

    /// Whether the job runs, or will again by itself.
    pub fn goes_on(&self, object: ObjectId) -> bool {
        let state = self.jobs.lock().get(&object).map(|entry| entry.status.get().state);
        matches!(state, Some(JobState::Starting | JobState::Running | JobState::Retrying))
    }

    /// Commits what the job has and stops it. Returns when it has stopped.
    pub async fn stop(&self, pipeline: ObjectId) {
        let running = self.jobs.lock().get_mut(&pipeline).and_then(|entry| entry.running.take());
        if let Some(running) = running {
            running.stop().await;
        }
    }

    /// Stops the job and shows it as paused.
    pub async fn pause(&self, pipeline: ObjectId) {
        self.stop(pipeline).await;
        if let Some(entry) = self.jobs.lock().get(&pipeline) {
            entry.status.paused();
        }
    }

    /// Stops the job and forgets it.
    pub async fn remove(&self, pipeline: ObjectId) {
        self.stop(pipeline).await;
        self.jobs.lock().remove(&pipeline);
        self.turns.lock().remove(&pipeline);
        self.services.views.forget(pipeline);
    }

    /// Waits until everything that the sources hold now is committed by every running job. Jobs that cannot are returned.
    /// Pipelines come first, then the views on tables, then the views on views: each finds what those before it have written.
    pub async fn flush(&self) -> Vec<NotFlushed> {
        let mut not_flushed: BTreeMap<ObjectId, NotFlushed> = BTreeMap::new();
        for wave in self.waves() {
            // What reads a view that stands still may come to no end.
            let hindered_by = |id: &ObjectId| self.read_by(*id).find(|read| not_flushed.contains_key(read));
            let stuck: Vec<_> = wave.iter().filter_map(|id| Some((*id, hindered_by(id)?))).collect();
            let free = wave.iter().filter(|id| hindered_by(id).is_none());
            let asked: Vec<_> = free.filter_map(|id| Some((*id, self.jobs.lock().get(id)?.ask_to_flush()))).collect();
            let answers = join_all(asked.into_iter().map(|(id, asked)| async move { Some((id, asked.await?)) })).await;
            not_flushed.extend(answers.into_iter().flatten());
            for (id, upstream) in stuck {
                if let Some(entry) = self.jobs.lock().get(&id) {
                    let first = &not_flushed[&upstream];
                    let (state, upstream) = (first.state, Some(first.upstream.clone().unwrap_or_else(|| first.name.clone())));
                    not_flushed.insert(id, NotFlushed { kind: entry.kind, name: entry.name.clone(), state, upstream });
                }
            }
        }
        not_flushed.into_values().collect()
    }

    /// The relations that a view reads.
    fn read_by(&self, object: ObjectId) -> std::vec::IntoIter<ObjectId> {
        let catalog = self.services.catalog.snapshot();
        let inputs = match catalog.get(object).map(|object| &object.definition) {
            Some(Definition::View(view)) => view.inputs.iter().map(|input| input.relation).collect(),
            _ => vec![],
        };
        inputs.into_iter()
    }

    /// All jobs, each in a later wave than those that it reads from.
    fn waves(&self) -> Vec<Vec<ObjectId>> {
        let catalog = self.services.catalog.snapshot();
        let mut left: Vec<ObjectId> = self.jobs.lock().keys().copied().collect();
        let is_pipeline = |id: &ObjectId| catalog.get(*id).is_none_or(|object| object.kind() == ObjectKind::Pipeline);
        let (pipelines, views): (Vec<_>, Vec<_>) = left.drain(..).partition(is_pipeline);
        let mut waves = vec![pipelines];
        left = views;
        while !left.is_empty() {
            let reads = |id: &ObjectId| match catalog.get(*id).map(|object| &object.definition) {
                Some(Definition::View(view)) => view.inputs.iter().any(|input| left.contains(&input.relation)),
                _ => false,
            };
            let (later, now): (Vec<_>, Vec<_>) = left.iter().copied().partition(reads);
            // Definitions cannot form a circle, for each names only what was there before it.
            waves.push(now);
            left = later;
        }
        waves
    }

    /// Every job by name.
    pub fn statuses(&self) -> Vec<(ObjectId, Name, Status)> {
        let mut all: Vec<_> = self.jobs.lock().iter().map(|(id, entry)| (*id, entry.name.clone(), entry.status.get())).collect();
        all.sort_by(|left, right| left.1.cmp(&right.1));
        all
    }

    /// Drains all jobs; what has not ended within `limit` is abandoned, which harms nothing.
    pub async fn shut_down(&self, limit: Duration) {
        let running: Vec<_> = self.jobs.lock().values_mut().filter_map(|entry| entry.running.take()).collect();
        if timeout(limit, join_all(running.into_iter().map(Running::stop))).await.is_err() {
            tracing::warn!("some jobs did not drain in time; they will recover from their last epoch");
        }
    }
}

/// Which views hinder those that read them, if their jobs do not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hinders {
    ShowingNothing,
    Any,
}

/// A job that does not run, and why.
struct Hindrance {
    name: Option<Name>,
    state: JobState,
    error: Option<String>,
    hint: Option<String>,
}

impl Hindrance {
    /// What is said of a view that suffers this because of it.
    fn of(self, view: &Name, what: &str) -> Error {
        let job = match self.name.filter(|name| name != view) {
            Some(name) => format!("the job of materialized view \"{name}\", which it reads,"),
            None => "its job".to_string(),
        };
        let state = format!("{job} is {}", self.state.as_str());
        Error::state(format!("materialized view \"{view}\" {what}"))
            .with_detail(self.error.map_or(state.clone(), |error| format!("{state}: {error}")))
            .with_hint(self.hint.unwrap_or_else(|| "lakewire.views shows how it is".to_string()))
    }
}

impl Running {
    async fn stop(self) {
        // A job that has ended already has no ears.
        let _ = self.orders.send(Control::Stop).await;
        let _ = self.task.await;
    }
}

impl Entry {
    fn ask_to_flush(&self) -> impl Future<Output = Option<NotFlushed>> + use<> {
        let (kind, name, status) = (self.kind, self.name.clone(), self.status.clone());
        let orders = self.running.as_ref().map(|running| running.orders.clone());
        async move {
            let (answer, answered) = oneshot::channel();
            let is_sent = match orders {
                Some(orders) => orders.send(Control::Flush(answer)).await.is_ok(),
                None => false,
            };
            match is_sent && answered.await.is_ok() {
                true => None,
                false => Some(NotFlushed { kind, name, state: status.get().state, upstream: None }),
            }
        }
    }
}

/// The life of a job: runs, and runs again.
async fn supervise(spec: JobSpec, services: Arc<FlowServices>, status: Arc<JobStatus>, mut orders: mpsc::Receiver<Control>) {
    let mut standing = StandingOrders::default();
    let mut backoff = BACKOFF_MIN;
    loop {
        let epoch_before = status.get().epoch;
        status.starting();
        let run = AssertUnwindSafe(job::run(&spec, &services, &status, &mut orders, &mut standing)).catch_unwind().await;
        let error = match run {
            Ok(Ok(())) => {
                services.events.add(EventKind::JobStopped, spec.name.as_str(), "stopped; the open epoch is committed");
                return;
            }
            Ok(Err(error)) => error,
            Err(_) => Error::internal("the job panicked").with_hint("please report this; the server's log has the details"),
        };
        if standing.is_stopping {
            let what = format!("stopped without its last commit, which comes again: {}", error.one_line());
            services.events.add(EventKind::JobStopped, spec.name.as_str(), &what);
            return;
        }
        // Two epochs: the one that takes over does not count as progress.
        if status.get().epoch.0 > epoch_before.0 + 1 {
            backoff = BACKOFF_MIN;
        }
        let goes_on = match error.kind().is_retryable() {
            true => wait_to_retry(&spec, &services, &status, &mut orders, &mut standing, &error, backoff).await,
            false => fail(&spec, &services, &status, &mut orders, &mut standing, &error).await,
        };
        if !goes_on {
            return;
        }
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

async fn wait_to_retry(
    spec: &JobSpec,
    services: &FlowServices,
    status: &JobStatus,
    orders: &mut mpsc::Receiver<Control>,
    standing: &mut StandingOrders,
    error: &Error,
    backoff: Duration,
) -> bool {
    let until = Instant::now() + backoff;
    status.retrying(error, services.clock.now() + backoff);
    services.events.add(EventKind::JobRetries, spec.name.as_str(), &error.one_line());
    loop {
        tokio::select! {
            () = sleep_until(until) => return true,
            order = orders.recv() => match order {
                Some(Control::Flush(answer)) => standing.add(answer),
                Some(Control::Stop) | None => return false,
            }
        }
    }
}

/// Stays until a user stops it: resuming, dropping and shutting down all do.
async fn fail(
    spec: &JobSpec,
    services: &FlowServices,
    status: &JobStatus,
    orders: &mut mpsc::Receiver<Control>,
    standing: &mut StandingOrders,
    error: &Error,
) -> bool {
    status.failed(error);
    *standing = StandingOrders::default();
    services.events.add(EventKind::JobFailed, spec.name.as_str(), &error.one_line());
    tracing::error!(job = spec.name.as_str(), ?error, "the job has failed");
    loop {
        match orders.recv().await {
            // Dropping the sender tells the asker that this job does not flush.
            Some(Control::Flush(_)) => {}
            Some(Control::Stop) | None => return false,
        }
    }
}
