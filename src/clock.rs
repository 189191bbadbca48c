//! The one door for time. Tests hold the hands of a `Clock::mock`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};

/// Cheap to clone; clones of a mock share its hands.
#[derive(Debug, Clone)]
pub struct Clock(Hands);

#[derive(Debug, Clone)]
enum Hands {
    Wall,
    Mock(Arc<AtomicI64>),
}

impl Clock {
    pub fn wall() -> Clock {
        Clock(Hands::Wall)
    }

    /// A clock that stands still until it is advanced.
    pub fn mock(start: DateTime<Utc>) -> Clock {
        Clock(Hands::Mock(Arc::new(AtomicI64::new(start.timestamp_micros()))))
    }

    #[allow(clippy::disallowed_methods)]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            Hands::Wall => Utc::now(),
            Hands::Mock(micros) => {
                DateTime::from_timestamp_micros(micros.load(Ordering::SeqCst)).expect("a mock clock stays within chrono's range")
            }
        }
    }

    /// Microseconds since 1970, the unit of every timestamp column.
    pub fn now_micros(&self) -> i64 {
        self.now().timestamp_micros()
    }

    /// Moves a mock clock. A wall clock cannot be moved.
    pub fn advance(&self, by: Duration) {
        if let Hands::Mock(micros) = &self.0 {
            micros.fetch_add(by.as_micros() as i64, Ordering::SeqCst);
        }
    }
}
