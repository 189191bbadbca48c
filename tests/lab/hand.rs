//! The hand of the clock that all servers of a life share. It goes with the runtime's timers, and a test may put it ahead.

use std::time::Duration;

use lakewire::clock::Clock;
use tokio::time::{Instant, sleep};

const STEP: Duration = Duration::from_millis(10);

/// Does the work while the clock goes.
pub async fn drive<T>(clock: &Clock, work: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        done = work => done,
        () = move_on(clock) => unreachable!("time has no end"),
    }
}

async fn move_on(clock: &Clock) {
    let mut seen = Instant::now();
    loop {
        sleep(STEP).await;
        let now = Instant::now();
        clock.advance(now - seen);
        seen = now;
    }
}
