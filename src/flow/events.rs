//! What the server did by itself and why: the rows of `lakewire.events`.

use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;

use crate::clock::Clock;

/// The newest events are kept in memory; all of them are in the server's log.
pub const EVENTS_MAX: usize = 10_000;

/// Cheap to clone; clones share the events.
#[derive(Clone)]
pub struct EventLog {
    clock: Clock,
    events: Arc<Mutex<VecDeque<Event>>>,
}

#[derive(Debug, Clone)]
pub struct Event {
    pub time: DateTime<Utc>,
    pub kind: EventKind,
    /// The object it happened to.
    pub object: String,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    NewColumn,
    JobStarted,
    JobRecovered,
    JobRetries,
    JobFailed,
    JobStopped,
    PartitionBegun,
    PartitionEnded,
    ExpectationViolated,
    ViewComputedAnew,
    RowsLate,
    CheckpointWritten,
    LogCleaned,
    Vacuumed,
    MaintenanceFailed,
}

impl EventKind {
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::NewColumn => "new column",
            EventKind::JobStarted => "job started",
            EventKind::JobRecovered => "job recovered",
            EventKind::JobRetries => "job retries",
            EventKind::JobFailed => "job failed",
            EventKind::JobStopped => "job stopped",
            EventKind::PartitionBegun => "partition begun",
            EventKind::PartitionEnded => "partition ended",
            EventKind::ExpectationViolated => "expectation violated",
            EventKind::ViewComputedAnew => "view computed anew",
            EventKind::RowsLate => "rows late",
            EventKind::CheckpointWritten => "checkpoint written",
            EventKind::LogCleaned => "log cleaned",
            EventKind::Vacuumed => "vacuumed",
            EventKind::MaintenanceFailed => "maintenance failed",
        }
    }
}

impl EventLog {
    pub fn new(clock: Clock) -> EventLog {
        EventLog { clock, events: Arc::default() }
    }

    pub fn add(&self, kind: EventKind, object: &str, message: &str) {
        tracing::info!(event = kind.as_str(), object, "{message}");
        let mut events = self.events.lock();
        if events.len() == EVENTS_MAX {
            events.pop_front();
        }
        events.push_back(Event { time: self.clock.now(), kind, object: object.to_string(), message: message.to_string() });
    }

    /// All that are kept, oldest first.
    pub fn list(&self) -> Vec<Event> {
        self.events.lock().iter().cloned().collect()
    }
}
