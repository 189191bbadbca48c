//! What can be seen of a job from outside: the rows of `lakewire.jobs` and `lakewire.job_inputs`.

use chrono::{DateTime, Utc};
use parking_lot::Mutex;

use super::super::manifest::Totals;
use crate::clock::Clock;
use crate::error::Error;
use crate::model::{Epoch, Name, PartitionId, PartitionState};
use crate::sources::Behind;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It recovers and connects.
    Starting,
    Running,
    /// It failed in a way that may pass, and is tried again at `next_retry`.
    Retrying,
    /// It cannot go on by itself.
    Failed,
    /// A user paused it.
    Paused,
}

impl JobState {
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Starting => "starting",
            JobState::Running => "running",
            JobState::Retrying => "retrying",
            JobState::Failed => "failed",
            JobState::Paused => "paused",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Status {
    pub state: JobState,
    pub since: DateTime<Utc>,
    /// The last committed epoch.
    pub epoch: Epoch,
    pub committed_at: Option<DateTime<Utc>>,
    /// As of that epoch.
    pub totals: Totals,
    pub error: Option<String>,
    pub hint: Option<String>,
    pub next_retry: Option<DateTime<Utc>>,
    pub inputs: Vec<InputStatus>,
}

#[derive(Debug, Clone)]
pub struct InputStatus {
    pub source: Name,
    pub partition: PartitionId,
    pub state: PartitionState,
    pub behind: Behind,
}

/// Written by the job, read by anybody.
pub struct JobStatus {
    clock: Clock,
    status: Mutex<Status>,
}

impl JobStatus {
    pub fn new(clock: Clock, state: JobState) -> JobStatus {
        let status = Status {
            state,
            since: clock.now(),
            epoch: Epoch::default(),
            committed_at: None,
            totals: Totals::default(),
            error: None,
            hint: None,
            next_retry: None,
            inputs: vec![],
        };
        JobStatus { clock, status: Mutex::new(status) }
    }

    pub fn get(&self) -> Status {
        self.status.lock().clone()
    }

    pub fn starting(&self) {
        self.enter(JobState::Starting, |_| {});
    }

    /// The last error stays to be seen until the next epoch is committed.
    pub fn running(&self, inputs: Vec<InputStatus>) {
        self.enter(JobState::Running, |status| {
            status.next_retry = None;
            status.inputs = inputs;
        });
    }

    pub fn paused(&self) {
        self.enter(JobState::Paused, |_| {});
    }

    pub fn retrying(&self, error: &Error, next_retry: DateTime<Utc>) {
        self.enter(JobState::Retrying, |status| {
            status.record(error);
            status.next_retry = Some(next_retry);
        });
    }

    pub fn failed(&self, error: &Error) {
        self.enter(JobState::Failed, |status| {
            status.record(error);
            status.next_retry = None;
        });
    }

    pub fn committed(&self, epoch: Epoch, totals: &Totals, at_micros: i64) {
        let mut status = self.status.lock();
        status.epoch = epoch;
        status.totals = totals.clone();
        status.committed_at = DateTime::from_timestamp_micros(at_micros);
        if status.state == JobState::Running {
            status.error = None;
            status.hint = None;
        }
    }

    pub fn inputs(&self, inputs: Vec<InputStatus>) {
        self.status.lock().inputs = inputs;
    }

    fn enter(&self, state: JobState, change: impl FnOnce(&mut Status)) {
        let mut status = self.status.lock();
        if status.state != state {
            status.since = self.clock.now();
        }
        status.state = state;
        change(&mut status);
    }
}

impl Status {
    fn record(&mut self, error: &Error) {
        self.error = Some(error.one_line());
        self.hint = error.hint().map(str::to_string);
    }
}
