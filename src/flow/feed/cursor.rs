//! A job's place in one partition of the shared reader.

use std::cmp::Ordering;
use std::sync::Arc;

use tokio::sync::Notify;

use super::SourceFeed;
use super::lane::{Lane, Look, Sequence};
use crate::model::{PartitionId, Position};
use crate::sources::Behind;

/// Detaches when it is dropped.
pub struct Cursor {
    feed: Arc<SourceFeed>,
    partition: PartitionId,
    position: Position,
    wake: Arc<Notify>,
    lane: Arc<Lane>,
    listener: u64,
    next: Sequence,
    /// The fetch that has to find the end of the partition; lanes count on their own, so a move renews it.
    mark: u64,
}

impl Cursor {
    pub(super) fn new(
        feed: Arc<SourceFeed>,
        partition: PartitionId,
        position: Position,
        wake: Arc<Notify>,
        lane: Arc<Lane>,
        listener: u64,
        next: Sequence,
    ) -> Cursor {
        let mark = lane.next_fetch();
        Cursor { feed, partition, position, wake, lane, listener, next, mark }
    }

    /// The next batch, if there is one. Never waits, and never answers `FellOff`: it attaches anew instead.
    pub fn look(&mut self) -> Look {
        self.join_others();
        match self.lane.look(self.listener, self.next) {
            Look::FellOff => {
                let (lane, listener, next) = self.feed.find_or_begin(&self.partition, &self.position, &self.wake);
                self.move_to(lane, listener, next);
                Look::Nothing
            }
            Look::Batch(batch) => {
                self.next += 1;
                let source = self.feed.source.as_ref();
                let is_partial = batch.start != self.position && source.compare(&batch.start, &self.position) == Ordering::Less;
                let batch = match is_partial {
                    true => Arc::new(batch.after(&self.position, source)),
                    false => batch,
                };
                self.position = batch.end.clone();
                Look::Batch(batch)
            }
            other => other,
        }
    }

    /// Asks to be told when everything that the partition holds now was handed out.
    pub fn mark(&mut self) {
        self.mark = self.lane.next_fetch();
    }

    /// Whether everything that the partition held at the last `mark`, or else when this cursor was made, was handed out by it. So a flush
    /// also waits for the partitions that a reshard has brought.
    pub fn has_passed_mark(&self) -> bool {
        self.lane.is_caught_up(self.next, self.mark)
    }

    /// Before which moment everything that has arrived in the partition was handed out, if it is known.
    pub fn complete_micros(&self) -> Option<i64> {
        self.lane.complete_micros(self.next)
    }

    pub fn behind(&self) -> Behind {
        self.lane.behind()
    }

    fn join_others(&mut self) {
        if let Some((lane, listener, next)) = self.feed.find_other(&self.partition, &self.position, &self.wake, &self.lane) {
            self.move_to(lane, listener, next);
        }
    }

    fn move_to(&mut self, lane: Arc<Lane>, listener: u64, next: Sequence) {
        self.lane.detach(self.listener);
        self.lane = lane;
        self.listener = listener;
        self.next = next;
        self.mark = self.lane.next_fetch();
        // What the new lane has already will not be announced again.
        self.wake.notify_one();
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.lane.detach(self.listener);
    }
}
