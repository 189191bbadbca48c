//! The hand of the clock that all servers of a life share. Time is virtual: nobody waits for it.
//!
//! tokio would move a paused clock by itself as soon as nothing is ready, but it does not see the thread of SQLite: it would take an answer that is
//! on its way for a sleep, and let the catalog's time-outs pass at once. So time moves on in small steps, after all others had their turn,
//! and each step leaves other threads a moment.

use std::time::Duration;

use lakewire::clock::Clock;
use tokio::task::yield_now;
use tokio::time::advance;

/// How often all others have their turn before time moves.
const TURNS: usize = 4;
const STEP: Duration = Duration::from_millis(10);
/// What other threads get of real time in each step: in the 45 seconds that the catalog may take to answer, a fifth of a second at least.
const MOMENT: Duration = Duration::from_micros(50);

/// Does the work while the clock goes. The runtime is one of paused time.
pub async fn drive<T>(clock: &Clock, work: impl Future<Output = T>) -> T {
    tokio::select! {
        biased;
        done = work => done,
        () = move_on(clock) => unreachable!("time has no end"),
    }
}

async fn move_on(clock: &Clock) {
    loop {
        for _ in 0..TURNS {
            yield_now().await;
        }
        std::thread::sleep(MOMENT);
        clock.advance(STEP);
        advance(STEP).await;
    }
}
