//! How much memory the decoded batches of all lanes of this server take together.

use std::sync::Arc;

use parking_lot::Mutex;

/// The share of the memory limit.
const MEMORY_DIVISOR: u64 = 8;
/// No lane needs more, however much there is.
const LANE_BYTES_MAX: usize = 64 << 20;

/// One per server. What all lanes hold stays below the limit, but that a lane always may hold one batch, for otherwise nobody would get on.
pub struct ReaderBudget {
    bytes_max: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    bytes: usize,
    peak_bytes: usize,
    lanes: usize,
}

/// What one lane holds of the budget. Given back when it is dropped.
pub struct Holding {
    budget: Arc<ReaderBudget>,
    bytes: usize,
}

impl ReaderBudget {
    pub fn of_memory_limit(memory_limit_bytes: u64) -> Arc<ReaderBudget> {
        ReaderBudget::new((memory_limit_bytes / MEMORY_DIVISOR) as usize)
    }

    pub fn new(bytes_max: usize) -> Arc<ReaderBudget> {
        Arc::new(ReaderBudget { bytes_max, held: Mutex::default() })
    }

    pub fn held_bytes(&self) -> usize {
        self.held.lock().bytes
    }

    /// The most that was held since the server began.
    pub fn peak_bytes(&self) -> usize {
        self.held.lock().peak_bytes
    }

    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// For a lane that begins.
    pub(super) fn hold(self: &Arc<Self>) -> Holding {
        self.held.lock().lanes += 1;
        Holding { budget: self.clone(), bytes: 0 }
    }
}

impl Holding {
    /// Whether this lane, which holds `lane_bytes`, may go on to hold more: it has not had its share, which shrinks as lanes are added, and the
    /// `expected_bytes` are there. Then they are held.
    pub fn grow(&mut self, lane_bytes: usize, expected_bytes: usize) -> bool {
        let mut held = self.budget.held.lock();
        let share = (self.budget.bytes_max / held.lanes.max(1)).min(LANE_BYTES_MAX);
        let may_grow = lane_bytes < share && held.bytes + expected_bytes <= self.budget.bytes_max;
        if may_grow {
            held.bytes += expected_bytes;
            held.peak_bytes = held.peak_bytes.max(held.bytes);
            self.bytes += expected_bytes;
        }
        may_grow
    }

    /// What the lane holds now, whatever it was to be.
    pub fn set(&mut self, bytes: usize) {
        let mut held = self.budget.held.lock();
        held.bytes = held.bytes - self.bytes + bytes;
        held.peak_bytes = held.peak_bytes.max(held.bytes);
        self.bytes = bytes;
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        let mut held = self.budget.held.lock();
        held.bytes -= self.bytes;
        held.lanes -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_shrink_and_come_back() {
        let budget = ReaderBudget::new(100);
        let mut first = budget.hold();
        assert!(first.grow(99, 1) && !first.grow(100, 1));
        first.set(90);
        let mut second = budget.hold();
        // Its share is 50, of which 10 are there.
        assert!(second.grow(0, 10) && !second.grow(10, 1));
        assert!(!first.grow(90, 0));
        // One batch it may have in any case.
        second.set(30);
        assert_eq!((budget.held_bytes(), budget.peak_bytes()), (120, 120));
        drop(first);
        assert!(second.grow(30, 70));
        drop(second);
        assert_eq!((budget.held_bytes(), budget.peak_bytes()), (0, 120));
    }
}
