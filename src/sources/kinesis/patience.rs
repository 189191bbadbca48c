//! How long to wait after a failure that may pass, and when to give up.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::failure::{Failure, Meaning};
use crate::model::id::unique_token;

const FIRST_DELAY: Duration = Duration::from_millis(200);
const DELAY_MAX: Duration = Duration::from_secs(5);

/// Counts failures in a row.
#[derive(Debug)]
pub struct Patience {
    limit: Duration,
    failures: u32,
    failing_since: Option<Instant>,
}

impl Patience {
    /// Gives up when a failure comes `limit` or more after the first in a row.
    pub fn new(limit: Duration) -> Patience {
        Patience { limit, failures: 0, failing_since: None }
    }

    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.failing_since = None;
    }

    /// How long to wait before the next try. None: enough.
    pub fn failed(&mut self) -> Option<Duration> {
        self.failures += 1;
        let since = *self.failing_since.get_or_insert_with(Instant::now);
        (since.elapsed() < self.limit).then(|| delay(self.failures, random_share()))
    }
}

/// Tries until it succeeds, fails for good, or has failed for `limit`.
pub async fn patiently<T, F>(limit: Duration, mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut patience = Patience::new(limit);
    loop {
        let failure = match attempt().await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        match failure.meaning {
            Meaning::Passing | Meaning::Expired => match patience.failed() {
                Some(delay) => sleep(delay).await,
                None => return Err(failure),
            },
            _ => return Err(failure),
        }
    }
}

/// Doubles with each failure; `share`, from 0 to 255, picks a point in its upper half, so that shards which failed together do not come back
/// together.
fn delay(failures: u32, share: u8) -> Duration {
    let whole = FIRST_DELAY.saturating_mul(1 << (failures.saturating_sub(1)).min(16)).min(DELAY_MAX);
    whole / 2 + whole / 2 * u32::from(share) / 255
}

fn random_share() -> u8 {
    u8::from_str_radix(&unique_token()[..2], 16).expect("a token is made of hexadecimal digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_within_their_bounds() {
        let bounds = |failures| (delay(failures, 0).as_millis(), delay(failures, 255).as_millis());
        assert_eq!([bounds(1), bounds(2), bounds(3)], [(100, 200), (200, 400), (400, 800)]);
        assert_eq!([bounds(6), bounds(60)], [(2500, 5000), (2500, 5000)]);
    }

    #[test]
    fn patience_ends() {
        assert!(Patience::new(Duration::from_secs(3600)).failed().is_some());
        assert!(Patience::new(Duration::ZERO).failed().is_none());
    }
}
