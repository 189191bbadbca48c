//! What views show: each job publishes its answer tick by tick, and readers take whole ticks.
//!
//! A `Version` never changes. Readers hold as many as they like, for as long as they like, and keep nobody waiting: versions share their
//! `Chunk`s. A version knows what it was computed from (`seen`), so that a query over several views can be given a `cut` in which they agree,
//! and the job of a view that reads another goes on from what it saw by the difference of two versions.

mod answer;
mod chunk;
mod cut;
mod index;
mod seen;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::engine::StateSize;
use crate::model::{Epoch, ObjectId};

pub use answer::Answer;
pub use chunk::{Chunk, Difference};
pub use cut::{Choice, Cut, cut, newest, newest_agreed};
pub use index::Keys;
pub use seen::{Base, Bases, Meeting, Seen};

/// So many versions of a view are kept for readers that want one that agrees with another view.
const VERSIONS_KEPT: usize = 128;
/// So many committed ones, for the epochs of its readers.
const BOUNDARIES_KEPT: usize = 16;
/// Older versions are let go when so many rows were written after them, or as many as the view has: what versions do not share is memory.
const ROWS_SINCE_MIN: u64 = 1 << 18;

/// What all views show, by view.
#[derive(Default)]
pub struct Views(Mutex<HashMap<ObjectId, Arc<Published>>>);

/// What one view shows, whichever run of its job wrote it.
pub struct Published {
    shown: Mutex<Shown>,
    changed: watch::Sender<u64>,
    boundary_wanted: Notify,
}

#[derive(Default)]
struct Shown {
    run: u64,
    /// The newest last.
    versions: VecDeque<Arc<Version>>,
    /// The newest last.
    boundaries: VecDeque<Boundary>,
    /// By the view whose job asks: where it wants this one to commit.
    asked: BTreeMap<ObjectId, Meeting>,
    is_populated: bool,
    /// What came into the inputs before this moment is in the newest version. Moves on also while nothing comes.
    complete_micros: Option<i64>,
    /// What was saved is being read, to be shown.
    is_loading: bool,
    /// From which epochs of other views the job goes on after a stop.
    reads: BTreeMap<ObjectId, Epoch>,
    progress: Progress,
}

/// A version that is committed, and as what.
#[derive(Debug, Clone)]
pub struct Boundary {
    pub epoch: Epoch,
    pub version: Arc<Version>,
}

/// The answer of a view after a tick.
#[derive(Debug, Clone)]
pub struct Version {
    pub stamp: Stamp,
    schema: SchemaRef,
    chunks: Vec<Arc<Chunk>>,
    /// How many rows a query sees.
    pub rows: u64,
    /// How many rows the job had written into chunks.
    written: u64,
    /// What it was computed from.
    pub seen: Seen,
    /// When it was shown, in microseconds: what a subscription calls `_time`. Later versions have later times, unless they show the same.
    pub time_micros: i64,
    /// What came into the view's inputs before this moment is in it, as far as was known when it was made.
    complete_micros: Option<i64>,
}

/// Which tick it was, of which run of the job. Later ticks are greater, also across runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    pub run: u64,
    pub tick: u64,
}

/// How the job of a view is, for `lakewire.views`.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    pub sizes: Vec<StateSize>,
}

impl Views {
    /// What this view shows. It need not exist yet.
    pub fn get(&self, view: ObjectId) -> Arc<Published> {
        self.0.lock().entry(view).or_default().clone()
    }

    /// After a view was dropped. Prepared statements may know it still, and keep nothing of it in memory.
    pub fn forget(&self, view: ObjectId) {
        if let Some(published) = self.0.lock().remove(&view) {
            *published.shown.lock() = Shown::default();
        }
    }
}

impl Default for Published {
    fn default() -> Published {
        Published { shown: Mutex::default(), changed: watch::Sender::new(0), boundary_wanted: Notify::new() }
    }
}

impl Published {
    /// The newest version. `None` if nothing was published since the server started.
    pub fn newest(&self) -> Option<Arc<Version>> {
        self.shown.lock().versions.back().cloned()
    }

    /// The newest version of a view that has what its inputs held when it was made.
    pub fn shown(&self) -> Option<Arc<Version>> {
        let shown = self.shown.lock();
        shown.versions.back().filter(|_| shown.is_populated).cloned()
    }

    /// The newest versions, the oldest first.
    pub fn versions(&self) -> Vec<Arc<Version>> {
        self.shown.lock().versions.iter().cloned().collect()
    }

    /// The version that was shown at exactly this time, if it is kept: what a reader has seen who was given all up to then.
    pub fn version_at(&self, time_micros: i64) -> Option<Arc<Version>> {
        let shown = self.shown.lock();
        let committed = shown.boundaries.iter().map(|boundary| &boundary.version);
        shown.versions.iter().chain(committed).find(|version| version.time_micros == time_micros).cloned()
    }

    /// The time of the next version, `now_micros` or a little later.
    pub fn next_time(&self, now_micros: i64) -> i64 {
        self.shown.lock().versions.back().map_or(now_micros, |newest| now_micros.max(newest.time_micros + 1))
    }

    /// The newest version that is committed.
    pub fn boundary(&self) -> Option<Boundary> {
        self.shown.lock().boundaries.back().cloned()
    }

    /// The newest versions that are committed, the oldest first.
    pub fn boundaries(&self) -> Vec<Boundary> {
        self.shown.lock().boundaries.iter().cloned().collect()
    }

    /// Whether an epoch was committed that has what the inputs held when the view was made.
    pub fn is_populated(&self) -> bool {
        self.shown.lock().is_populated
    }

    /// Whether what was saved is about to be shown.
    pub fn is_loading(&self) -> bool {
        self.shown.lock().is_loading
    }

    pub fn begin_loading(&self) {
        self.shown.lock().is_loading = true;
    }

    pub fn end_loading(&self) {
        self.shown.lock().is_loading = false;
        self.tell();
    }

    /// From which epoch of another view the job goes on after a stop, if it is known.
    pub fn reads_from(&self, view: ObjectId) -> Option<Epoch> {
        self.shown.lock().reads.get(&view).copied()
    }

    pub fn set_reads(&self, reads: BTreeMap<ObjectId, Epoch>) {
        self.shown.lock().reads = reads;
    }

    pub fn progress(&self) -> Progress {
        self.shown.lock().progress.clone()
    }

    /// Sees each publication, or the last of several.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Has the job commit where it has come to these versions of the tables it was computed from; `subscribe` tells when it has.
    pub fn ask_for_boundary(&self, asker: ObjectId, at: Meeting) {
        self.shown.lock().asked.insert(asker, at);
        self.boundary_wanted.notify_one();
    }

    /// For the job: somebody asks for a boundary.
    pub async fn boundary_is_wanted(&self) {
        self.boundary_wanted.notified().await;
    }

    /// Where boundaries are asked for.
    pub fn asked(&self) -> Vec<Meeting> {
        self.shown.lock().asked.values().cloned().collect()
    }

    /// A job that may have asked does not wait any more.
    pub fn forget_asked(&self, asker: ObjectId) {
        self.shown.lock().asked.remove(&asker);
    }

    /// What was asked for by those who asked for no more than what was seen is answered.
    pub fn answer_asked(&self, seen: &Seen) {
        let is_ahead = |table: &ObjectId, version: &i64| seen.table(*table).is_some_and(|seen| seen < *version);
        self.shown.lock().asked.retain(|_, at| at.iter().any(|(table, version)| is_ahead(table, version)));
    }

    /// A run of the job begins. What was shown stays until it publishes.
    pub fn begin_run(&self) -> Stamp {
        let mut shown = self.shown.lock();
        shown.run += 1;
        Stamp { run: shown.run, tick: 0 }
    }

    /// A run of the job has ended: what it showed and did not commit is shown no more, for the next one begins at what is committed.
    pub fn end_run(&self) {
        let mut shown = self.shown.lock();
        let Some(last) = shown.boundaries.back().cloned() else { return };
        if shown.versions.back().is_some_and(|newest| newest.stamp == last.version.stamp) {
            return;
        }
        shown.run += 1;
        let time_micros = shown.versions.back().map_or(last.version.time_micros, |newest| newest.time_micros + 1);
        let stamp = Stamp { run: shown.run, tick: 0 };
        let version = Arc::new(Version { stamp, time_micros, ..last.version.as_ref().clone() });
        shown.complete_micros = version.complete_micros;
        shown.versions = [version.clone()].into();
        shown.keep(Boundary { epoch: last.epoch, version });
        drop(shown);
        self.tell();
    }

    pub fn publish(&self, version: Arc<Version>) {
        let mut shown = self.shown.lock();
        // What another run showed and did not commit may never have been.
        shown.complete_micros = version.complete_micros;
        shown.versions.retain(|earlier| earlier.stamp.run == version.stamp.run);
        shown.versions.push_back(version.clone());
        while shown.versions.len() > VERSIONS_KEPT || shown.versions.front().is_some_and(|oldest| version.shares_little_with(oldest)) {
            shown.versions.pop_front();
        }
        drop(shown);
        self.tell();
    }

    /// An epoch was committed that ends with this version.
    pub fn committed(&self, epoch: Epoch, version: Arc<Version>) {
        self.shown.lock().keep(Boundary { epoch, version });
        self.tell();
    }

    pub fn populated(&self) {
        self.shown.lock().is_populated = true;
        self.tell();
    }

    pub fn set_sizes(&self, sizes: Vec<StateSize>) {
        self.shown.lock().progress.sizes = sizes;
    }

    /// Nothing came before this moment that the newest version does not have.
    pub fn confirm(&self, complete_micros: Option<i64>) {
        let mut shown = self.shown.lock();
        shown.complete_micros = complete_micros.or(shown.complete_micros);
    }

    /// Before which moment everything that came into the view's inputs is in this version, if it is known: what a reader of it sees is so old.
    pub fn complete_micros(&self, version: &Version) -> Option<i64> {
        let shown = self.shown.lock();
        match shown.versions.back().is_some_and(|newest| newest.stamp == version.stamp) {
            true => shown.complete_micros,
            false => version.complete_micros,
        }
    }

    /// How old what a reader of this version sees is, from when it came into the view's inputs, if it is known.
    pub fn age(&self, version: &Version, now_micros: i64) -> Option<Duration> {
        let complete_micros = self.complete_micros(version)?;
        Some(Duration::from_micros(now_micros.saturating_sub(complete_micros).max(0) as u64))
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

impl Shown {
    /// A version of another run has nothing in common with this one but what it shows: each run makes its chunks anew.
    fn keep(&mut self, boundary: Boundary) {
        let newest = &boundary.version;
        let is_over = |oldest: &Boundary| oldest.version.stamp.run != newest.stamp.run || newest.shares_little_with(&oldest.version);
        while self.boundaries.len() >= BOUNDARIES_KEPT || self.boundaries.len() > 1 && self.boundaries.front().is_some_and(is_over) {
            self.boundaries.pop_front();
        }
        self.boundaries.push_back(boundary);
    }
}

impl Version {
    pub fn new(stamp: Stamp, answer: &Answer, seen: Seen) -> Version {
        let rows = answer.count().max(0) as u64;
        Version {
            stamp,
            schema: answer.schema().clone(),
            chunks: answer.chunks(),
            rows,
            written: answer.written(),
            seen,
            time_micros: 0,
            complete_micros: None,
        }
    }

    /// The same, shown at this time.
    pub fn shown_at(self, time_micros: i64) -> Version {
        Version { time_micros, ..self }
    }

    /// The same, of which it is known that it has whatever came before this moment.
    pub fn complete_to(self, complete_micros: Option<i64>) -> Version {
        Version { complete_micros, ..self }
    }

    /// Before anything was there.
    pub fn empty(schema: SchemaRef) -> Version {
        Version {
            stamp: Stamp::default(),
            schema,
            chunks: vec![],
            rows: 0,
            written: 0,
            seen: Seen::default(),
            time_micros: 0,
            complete_micros: None,
        }
    }

    /// Whether so much was written since an older version that it takes as much memory again to keep that one, with what it was computed from.
    fn shares_little_with(&self, older: &Version) -> bool {
        let sum =
            |version: &Version, of: fn(&Version) -> u64| of(version) + version.seen.views.values().map(|below| of(below)).sum::<u64>();
        let written = |version| sum(version, |version| version.written);
        written(self).saturating_sub(written(older)) > sum(self, |version| version.rows).max(ROWS_SINCE_MIN)
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    /// What has to happen to the rows of `before` so that they become these.
    pub fn since(&self, before: &Version) -> Difference {
        Difference::new(self.schema.clone(), &before.chunks, &self.chunks)
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::model::Changes;

    /// The answers of so many ticks, each of which writes so many rows anew.
    fn versions(ticks: u64, rows: i64) -> Vec<Arc<Version>> {
        let batch = |tick: i64| {
            let column = Arc::new(Int64Array::from_iter_values(tick * rows..(tick + 1) * rows)) as ArrayRef;
            RecordBatch::try_from_iter([("a", column)]).unwrap()
        };
        let mut answer = Answer::new(batch(0).schema()).unwrap();
        let version = |tick: u64| {
            if tick > 0 {
                answer.apply(&Changes::removed(batch(tick as i64 - 1))).unwrap();
            }
            answer.apply(&Changes::inserted(batch(tick as i64))).unwrap();
            Arc::new(Version::new(Stamp { run: 1, tick }, &answer, Seen::default()))
        };
        (0..ticks).map(version).collect()
    }

    #[test]
    fn only_the_last_versions_are_kept_and_fewer_where_they_share_little() {
        let published = Published::default();
        versions(300, 1).into_iter().for_each(|version| published.publish(version));
        assert_eq!(published.versions().len(), VERSIONS_KEPT);
        assert_eq!(published.newest().unwrap().stamp.tick, 299);
        let published = Published::default();
        versions(20, ROWS_SINCE_MIN as i64 / 4).into_iter().for_each(|version| published.publish(version));
        assert_eq!(published.versions().len(), 5);
        // Nor does a small view hold what large ones had.
        let (above, below) = (Published::default(), ObjectId::new());
        for version in versions(20, ROWS_SINCE_MIN as i64 / 4) {
            let (stamp, answer) = (version.stamp, Answer::new(version.schema.clone()).unwrap());
            above.publish(Arc::new(Version::new(stamp, &answer, Seen::of(Bases::new(), [(below, version)]))));
        }
        assert_eq!(above.versions().len(), 5);
    }

    #[test]
    fn what_was_not_committed_is_shown_no_more_when_the_run_has_ended() {
        let published = Published::default();
        let versions = versions(3, 1);
        published.begin_run();
        published.publish(versions[0].clone());
        published.committed(Epoch(7), versions[0].clone());
        published.end_run();
        assert_eq!(published.newest().unwrap().stamp, versions[0].stamp);
        published.publish(versions[1].clone());
        published.publish(versions[2].clone());
        published.end_run();
        let newest = published.newest().unwrap();
        assert!(newest.stamp > versions[2].stamp && published.begin_run() > newest.stamp);
        assert_eq!(published.versions().len(), 1);
        assert_eq!(published.boundary().unwrap().epoch, Epoch(7));
        assert_eq!(published.boundary().unwrap().version.stamp, newest.stamp);
    }
}
