//! One reading of one partition, shared by every job that stands near it.
//!
//! A lane is a bounded run of decoded batches, the newest at its end. Its task reads on while the fastest job wants more, so a slow
//! job never holds up a fast one: what no longer fits is dropped at the old end, and a job that stood there attaches anew at its own
//! position, in another lane if need be. Two lanes that meet become one, for a job moves to the lane that is further ahead.

use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::FeedBatch;
use super::budget::Holding;
use crate::error::Error;
use crate::model::Position;
use crate::sources::{Behind, Source};

/// Where a job stands in a lane: the number of the next batch, counted from the lane's first.
pub type Sequence = u64;

pub struct Lane {
    state: Mutex<State>,
    /// Wakes the reading task: there is room, or nobody listens any more.
    pub(super) wanted: Notify,
}

struct State {
    ring: VecDeque<Arc<FeedBatch>>,
    /// The number of the batch at the front of the ring.
    first: Sequence,
    /// Of the ring.
    bytes: usize,
    holding: Holding,
    /// What the last batch took, and so about what the next will.
    batch_bytes: usize,
    head: Position,
    behind: Behind,
    /// Counts the calls to the source, so that "up to date as of now" has a meaning.
    fetches: u64,
    caught_up_in: Option<u64>,
    /// What arrived before this moment is in the ring, or was.
    complete_micros: Option<i64>,
    end: Option<End>,
    listeners: HashMap<u64, Listener>,
    listeners_made: u64,
}

#[derive(Clone)]
enum End {
    /// The partition is over.
    Finished,
    Failed(Arc<Error>),
    /// Nobody listens.
    Abandoned,
}

struct Listener {
    next: Sequence,
    wake: Arc<Notify>,
}

/// What a job finds when it looks for more.
pub enum Look {
    Batch(Arc<FeedBatch>),
    /// All that was read so far has been handed out. The job's `Notify` fires when there is more.
    Nothing,
    /// The partition is over, and all of it was handed out.
    Finished,
    /// The job stood at what was dropped. It attaches anew.
    FellOff,
    Failed(Error),
}

/// What the reading task may do.
pub(super) enum Room {
    Read,
    Wait,
    Leave,
}

/// How a lane stands to a position.
pub(super) enum Cover {
    /// The next batch for it is this one; of that batch, only what comes after the position.
    From(Sequence),
    No,
}

impl Lane {
    pub fn new(start: Position, holding: Holding) -> Lane {
        Lane {
            state: Mutex::new(State {
                ring: VecDeque::new(),
                first: 0,
                bytes: 0,
                holding,
                batch_bytes: 0,
                head: start,
                behind: Behind::default(),
                fetches: 0,
                caught_up_in: None,
                complete_micros: None,
                end: None,
                listeners: HashMap::new(),
                listeners_made: 0,
            }),
            wanted: Notify::new(),
        }
    }

    /// Registers a job that goes on from `position`, if this lane has what comes next.
    pub(super) fn attach(&self, position: &Position, source: &dyn Source, wake: &Arc<Notify>) -> Option<(u64, Sequence)> {
        let mut state = self.state.lock();
        if matches!(state.end, Some(End::Failed(_) | End::Abandoned)) {
            return None;
        }
        let Cover::From(next) = state.cover(position, source) else { return None };
        state.listeners_made += 1;
        let id = state.listeners_made;
        state.listeners.insert(id, Listener { next, wake: wake.clone() });
        self.wanted.notify_one();
        Some((id, next))
    }

    pub(super) fn detach(&self, listener: u64) {
        self.state.lock().listeners.remove(&listener);
        self.wanted.notify_one();
    }

    pub(super) fn look(&self, listener: u64, next: Sequence) -> Look {
        let mut state = self.state.lock();
        if next < state.first {
            return Look::FellOff;
        }
        if let Some(batch) = state.ring.get((next - state.first) as usize).cloned() {
            if let Some(listener) = state.listeners.get_mut(&listener) {
                listener.next = next + 1;
            }
            self.wanted.notify_one();
            return Look::Batch(batch);
        }
        match &state.end {
            None => Look::Nothing,
            Some(End::Finished) => Look::Finished,
            Some(End::Failed(error)) => Look::Failed(error.duplicate_without_cause()),
            Some(End::Abandoned) => Look::FellOff,
        }
    }

    /// The number of the first fetch that begins after this call.
    pub(super) fn next_fetch(&self) -> u64 {
        self.state.lock().fetches + 1
    }

    /// Whether a fetch that began no earlier than `fetch` found the end of the partition, and a job at `next` has everything of it.
    pub(super) fn is_caught_up(&self, next: Sequence, fetch: u64) -> bool {
        let state = self.state.lock();
        let drained = next >= state.first + state.ring.len() as u64;
        drained && (matches!(state.end, Some(End::Finished)) || state.caught_up_in.is_some_and(|done| done >= fetch))
    }

    /// Before which moment everything that has arrived was handed out to a job at `next`. Of a partition that has ended it stays: what came after
    /// that is in others, which the job does not know before it has seen the end.
    pub(super) fn complete_micros(&self, next: Sequence) -> Option<i64> {
        let state = self.state.lock();
        let unread = state.ring.iter().skip(next.checked_sub(state.first)? as usize);
        unread.into_iter().find_map(|batch| batch.arrived_micros).map(|(first, _)| first).or(state.complete_micros)
    }

    pub(super) fn behind(&self) -> Behind {
        self.state.lock().behind
    }

    /// For the reading task: whether to fetch. Drops old batches where the fastest listener would otherwise have to wait.
    pub(super) fn room(&self) -> Room {
        let mut state = self.state.lock();
        let room = state.make_room();
        if let Room::Read = room {
            state.fetches += 1;
        }
        room
    }

    /// What a fetch brought that began at `asked_micros`, or the last part of it.
    pub(super) fn push(&self, batch: FeedBatch, behind: Behind, ended: bool, asked_micros: i64) {
        let mut state = self.state.lock();
        state.behind = behind;
        // Where a source does not tell how far it is behind, what it gave is what there was.
        let is_untold = behind == Behind::default();
        if is_untold || behind.records == Some(0) || behind.milliseconds == Some(0) || ended {
            state.caught_up_in = Some(state.fetches);
            state.complete_micros = state.complete_micros.max(Some(asked_micros).filter(|_| !ended));
        }
        state.push(batch);
        if ended {
            state.end = Some(End::Finished);
        }
        state.wake_all();
    }

    /// A part of what a fetch brought, before the last. It says nothing about how far behind the lane is.
    pub(super) fn push_part(&self, batch: FeedBatch) {
        let mut state = self.state.lock();
        state.push(batch);
        state.wake_all();
    }

    /// Waits until the next part of a fetch may be pushed. False: nobody listens any more.
    pub(super) async fn has_room(&self) -> bool {
        loop {
            match self.state.lock().make_room() {
                Room::Leave => return false,
                Room::Read => return true,
                Room::Wait => {}
            }
            self.wanted.notified().await;
        }
    }

    /// How far it has read.
    #[cfg(test)]
    pub(super) fn head(&self) -> Position {
        self.state.lock().head.clone()
    }

    pub(super) fn fail(&self, error: Error) {
        let mut state = self.state.lock();
        state.end = Some(End::Failed(Arc::new(error)));
        state.wake_all();
    }
}

impl State {
    fn make_room(&mut self) -> Room {
        if self.listeners.is_empty() {
            self.end = Some(End::Abandoned);
            return Room::Leave;
        }
        let end = self.first + self.ring.len() as u64;
        let fastest = self.listeners.values().map(|listener| listener.next).max().unwrap_or(0);
        let slowest = self.listeners.values().map(|listener| listener.next).min().unwrap_or(0);
        // What is held for a fetch that brought nothing.
        self.holding.set(self.bytes);
        while !self.holding.grow(self.bytes, self.batch_bytes) {
            if fastest < end {
                self.drop_before(slowest);
                return Room::Wait;
            }
            if !self.drop_oldest() {
                break;
            }
        }
        Room::Read
    }

    /// What all listeners have had. Others may need its room while this lane waits for them.
    fn drop_before(&mut self, slowest: Sequence) {
        while self.first < slowest && self.drop_oldest() {}
    }

    fn drop_oldest(&mut self) -> bool {
        let Some(oldest) = self.ring.pop_front() else { return false };
        self.bytes -= oldest.bytes;
        self.first += 1;
        self.holding.set(self.bytes);
        true
    }

    fn push(&mut self, batch: FeedBatch) {
        // Records come in the order in which they arrived.
        self.complete_micros = self.complete_micros.max(batch.arrived_micros.map(|(_, last)| last));
        if batch.advances() {
            self.head = batch.end.clone();
            self.bytes += batch.bytes;
            self.batch_bytes = batch.bytes;
            self.ring.push_back(Arc::new(batch));
        }
        self.holding.set(self.bytes);
    }

    fn wake_all(&self) {
        for listener in self.listeners.values() {
            listener.wake.notify_one();
        }
    }

    fn cover(&self, position: &Position, source: &dyn Source) -> Cover {
        let end = self.first + self.ring.len() as u64;
        if *position == self.head {
            return Cover::From(end);
        }
        if let Some(nth) = self.ring.iter().position(|batch| batch.start == *position) {
            return Cover::From(self.first + nth as u64);
        }
        // A place between records that are here. One before the first of them may have others in between, whatever the lane began at.
        let first_offset = self.ring.iter().find_map(|batch| batch.first_offset());
        let is_among = first_offset.is_some_and(|first| source.compare(position, &first) != Ordering::Less);
        if !is_among || source.compare(position, &self.head) == Ordering::Greater {
            return Cover::No;
        }
        let passed = self.ring.partition_point(|batch| source.compare(&batch.end, position) != Ordering::Greater);
        Cover::From(self.first + passed as u64)
    }
}
