//! Waiting for something to become true, by looking often.

use std::time::{Duration, Instant};

/// How long anything may take before a test calls it stuck. A guard, not a measurement: loaded machines are slow.
pub const DEADLINE: Duration = Duration::from_secs(180);

const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Looks until there is something to see, and panics with `what` at the deadline.
pub async fn wait_until<T>(what: &str, deadline: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(begun.elapsed() < deadline, "waited {} s in vain: {what}", deadline.as_secs());
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

#[tokio::test]
async fn waits_until_there_is_something() {
    let mut looks = 0;
    let seen = wait_until("three looks", DEADLINE, async || {
        looks += 1;
        (looks == 3).then_some("seen")
    })
    .await;
    assert_eq!((seen, looks), ("seen", 3));
}

#[tokio::test]
#[should_panic(expected = "in vain: the moon")]
async fn gives_up_at_the_deadline() {
    wait_until("the moon", Duration::ZERO, async || None::<()>).await;
}
