//! When a shard may be asked again after an answer, and for how much.

use std::time::Duration;

/// Five reads per second and shard.
const READ_GAP: Duration = Duration::from_millis(200);
/// Two megabytes per second and shard; a single answer may bring five seconds' worth, and then the next ones are refused.
const SHARD_BYTES_PER_SECOND: u32 = 2_000_000;

/// The most that one call may bring; the service adds its own 10 MB.
const RECORDS_MAX: i32 = 10_000;
const RECORDS_MIN: i32 = 100;

/// How many records one call asks for. Fewer after a failure: what is too much for the service, or for the way to it, within the time of one
/// call would otherwise be too much for ever, and asking again for all of it keeps a busy service busy.
#[derive(Debug, Clone, Copy)]
pub struct Portion {
    records: i32,
}

impl Portion {
    pub fn whole() -> Portion {
        Portion { records: RECORDS_MAX }
    }

    pub fn records(self) -> i32 {
        self.records
    }

    pub fn succeeded(&mut self) {
        self.records = (self.records * 2).min(RECORDS_MAX);
    }

    pub fn failed(&mut self) {
        self.records = (self.records / 4).max(RECORDS_MIN);
    }
}

/// The gaps between two reads of one shard.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    pub poll_interval: Duration,
    read_gap: Duration,
    bytes_per_second: u32,
}

/// What an answer tells about the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// The end of the shard was reached; whatever comes next is not written yet.
    CaughtUp,
    /// More records are waiting.
    MoreWaiting,
}

impl Pace {
    /// The limits of the service.
    pub fn of_service(poll_interval: Duration) -> Pace {
        Pace { poll_interval, read_gap: READ_GAP, bytes_per_second: SHARD_BYTES_PER_SECOND }
    }

    /// How long to wait after an answer of so many bytes.
    pub fn gap(&self, bytes: usize, outlook: Outlook) -> Duration {
        let allowed = self.read_gap.max(Duration::from_secs_f64(bytes as f64 / f64::from(self.bytes_per_second)));
        match outlook {
            Outlook::CaughtUp => allowed.max(self.poll_interval),
            Outlook::MoreWaiting => allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_portion_shrinks_and_grows_within_its_bounds() {
        let mut portion = Portion::whole();
        portion.failed();
        assert_eq!(portion.records(), RECORDS_MAX / 4);
        (0..9).for_each(|_| portion.failed());
        assert_eq!(portion.records(), RECORDS_MIN);
        portion.succeeded();
        assert_eq!(portion.records(), 2 * RECORDS_MIN);
        (0..9).for_each(|_| portion.succeeded());
        assert_eq!(portion.records(), RECORDS_MAX);
    }

    #[test]
    fn the_service_limits_are_kept() {
        let pace = Pace::of_service(Duration::from_secs(1));
        assert_eq!(pace.gap(0, Outlook::CaughtUp), Duration::from_secs(1));
        assert_eq!(pace.gap(0, Outlook::MoreWaiting), READ_GAP);
        assert_eq!(pace.gap(100_000, Outlook::MoreWaiting), READ_GAP);
        assert_eq!(pace.gap(10_000_000, Outlook::MoreWaiting), Duration::from_secs(5));
        assert_eq!(pace.gap(10_000_000, Outlook::CaughtUp), Duration::from_secs(5));
    }
}
