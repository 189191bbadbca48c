//! Runs the jobs: starts them, tries again what may pass, reports what does not, stops them in order.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::FlowServices;
use super::events::EventKind;
use super::job::{self, Control, JobSpec, JobState, JobStatus, StandingOrders, Status};
use crate::catalog::{Definition, DesiredState, Object, ObjectKind};
use crate::error::{Error, Result};
use crate::model::{Name, ObjectId};

const BACKOFF_MIN: Duration = Duration::from_millis(500);
const BACKOFF_MAX: Duration = Duration::from_secs(60);
const ORDERS_MAX: usize = 16;

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
        let running = match (is_running, &pipeline.definition) {
            (false, _) => None,
            (true, Definition::View(_)) => {
                self.show_failed(pipeline, &Error::unsupported("materialized views are not run by this version yet"));
                return Ok(());
            }
            (true, _) => Some(self.spawn(pipeline, status.clone())?),
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
    }

    /// Waits until everything that the sources hold now is committed by every running job. Jobs that cannot are returned.
    pub async fn flush(&self) -> Vec<NotFlushed> {
        let asked: Vec<_> = self.jobs.lock().values().map(Entry::ask_to_flush).collect();
        join_all(asked).await.into_iter().flatten().collect()
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
                false => Some(NotFlushed { kind, name, state: status.get().state }),
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
