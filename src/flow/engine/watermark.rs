//! How far the times of each relation have come: no row is expected any more whose time is before its relation's watermark.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

const NONE: i64 = i64::MIN;

/// By relation, in microseconds since 1970. Shared by a dataflow and those of its operators that look at it.
#[derive(Clone)]
pub struct Watermarks(Arc<[AtomicI64]>);

impl Watermarks {
    pub fn new(relations: usize) -> Watermarks {
        Watermarks((0..relations).map(|_| AtomicI64::new(NONE)).collect())
    }

    /// A watermark never goes back. Whether it has moved.
    pub fn advance(&self, relation: usize, micros: i64) -> bool {
        self.0[relation].fetch_max(micros, Ordering::Relaxed) < micros
    }

    pub fn get(&self, relation: usize) -> Option<i64> {
        Some(self.0[relation].load(Ordering::Relaxed)).filter(|micros| *micros != NONE)
    }
}
