//! Says how many records are due by now at a given rate.

use std::time::Duration;

use crate::clock::Clock;

const MICROS_PER_SECOND: u64 = 1_000_000;
const WAIT_MAX: Duration = Duration::from_secs(1);
/// At high rates records are handed out some at a time, this often in a second, not one by one.
const HANDOUTS_PER_SECOND: u64 = 50;

/// Record *k* is due at start + (*k* − first) / rate. Who falls behind may catch up at most one second's records at once.
pub struct Pacer {
    clock: Clock,
    /// Per second, over all partitions.
    rate: u64,
    start_micros: i64,
    first: u64,
}

impl Pacer {
    /// Record `first` is due now.
    pub fn new(clock: Clock, rate: u64, first: u64) -> Pacer {
        let start_micros = clock.now_micros();
        Pacer { clock, rate, start_micros, first }
    }

    /// Waits until it is worth while to go on from record `next`, but about a second at most. Returns the first record that is not due:
    /// perhaps still `next`.
    pub async fn wait(&mut self, next: u64) -> u64 {
        let last = next.saturating_add((self.rate / HANDOUTS_PER_SECOND).saturating_sub(1));
        if self.due(next) <= last {
            tokio::time::sleep(self.until(last).min(WAIT_MAX)).await;
        }
        self.due(next)
    }

    /// Records per second.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// The first record that is not due, where all before `next` have been taken.
    fn due(&mut self, next: u64) -> u64 {
        let now = self.clock.now_micros();
        if now < self.start_micros || self.due_at(now) > next.saturating_add(self.rate) {
            self.begin_again(next, now);
        }
        self.due_at(now)
    }

    /// How long it is, from now, until record `number` is due.
    fn until(&self, number: u64) -> Duration {
        let after_start = u128::from(number.saturating_sub(self.first)) * u128::from(MICROS_PER_SECOND);
        let due_micros = after_start.div_ceil(u128::from(self.rate));
        let elapsed = (self.clock.now_micros() - self.start_micros).max(0) as u128;
        Duration::from_micros(u64::try_from(due_micros.saturating_sub(elapsed)).unwrap_or(u64::MAX))
    }

    fn due_at(&self, now_micros: i64) -> u64 {
        let elapsed = (now_micros - self.start_micros).max(0) as u128;
        let passed = elapsed * u128::from(self.rate) / u128::from(MICROS_PER_SECOND);
        self.first.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX)).saturating_add(1)
    }

    /// The clock was set back, or more than a second's records are waiting: what is due is one second's records, the rest is forgiven.
    fn begin_again(&mut self, next: u64, now_micros: i64) {
        let second = MICROS_PER_SECOND as i64;
        self.first = next;
        self.start_micros = if now_micros < self.start_micros { now_micros } else { now_micros - second };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mock() -> Clock {
        Clock::mock(chrono::DateTime::UNIX_EPOCH)
    }

    #[test]
    fn records_come_due_with_the_clock() {
        let clock = mock();
        let mut pacer = Pacer::new(clock.clone(), 1000, 50);
        assert_eq!((pacer.due(50), pacer.until(51)), (51, Duration::from_millis(1)));
        clock.advance(Duration::from_millis(100));
        assert_eq!((pacer.due(51), pacer.until(150), pacer.until(151)), (151, Duration::ZERO, Duration::from_millis(1)));
    }

    #[test]
    fn slow_rates_lose_nothing_to_rounding() {
        let clock = mock();
        let mut pacer = Pacer::new(clock.clone(), 3, 0);
        clock.advance(pacer.until(1));
        assert_eq!(pacer.due(1), 2);
    }

    #[test]
    fn at_most_a_second_is_caught_up() {
        let clock = mock();
        let mut pacer = Pacer::new(clock.clone(), 10, 0);
        clock.advance(Duration::from_secs(60));
        assert_eq!(pacer.due(1), 1 + 10 + 1);
        clock.advance(Duration::from_millis(100));
        assert_eq!(pacer.due(12), 13);
    }
}
