//! What views show: each job publishes its answer tick by tick, and readers take whole ticks.
//!
//! A `Version` never changes. Readers hold as many as they like, for as long as they like, and keep nobody waiting: versions share their
//! `Chunk`s. A version knows the versions of the views it was computed from, so that a query over several views can be given a `cut` in
//! which they agree, and the job of a view that reads another goes on from what it saw by the `difference` of two versions.

mod answer;
mod chunk;
mod cut;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::engine::StateSize;
use crate::error::Result;
use crate::model::{Changes, Epoch, ObjectId};

pub use answer::Answer;
pub use chunk::Chunk;
pub use cut::cut;

/// So many versions of a view are kept for readers that want one that agrees with another view.
const VERSIONS_KEPT: usize = 16;

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
    boundary: Option<Boundary>,
    is_populated: bool,
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
#[derive(Debug)]
pub struct Version {
    pub stamp: Stamp,
    schema: SchemaRef,
    chunks: Vec<Arc<Chunk>>,
    /// How many rows a query sees.
    pub rows: u64,
    /// What was seen of the views that this one reads.
    pub includes: BTreeMap<ObjectId, Arc<Version>>,
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
    /// Since when there is input that was not worked on. `None`: there is none.
    pub behind_since_micros: Option<i64>,
}

impl Views {
    /// What this view shows. It need not exist yet.
    pub fn get(&self, view: ObjectId) -> Arc<Published> {
        self.0.lock().entry(view).or_default().clone()
    }

    /// After a view was dropped.
    pub fn forget(&self, view: ObjectId) {
        self.0.lock().remove(&view);
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

    /// The newest versions, the oldest first.
    pub fn versions(&self) -> Vec<Arc<Version>> {
        self.shown.lock().versions.iter().cloned().collect()
    }

    /// The newest version that is committed.
    pub fn boundary(&self) -> Option<Boundary> {
        self.shown.lock().boundary.clone()
    }

    /// Whether an epoch was committed that has what the inputs held when the view was made.
    pub fn is_populated(&self) -> bool {
        self.shown.lock().is_populated
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

    /// Asks the job for a version that is committed; `subscribe` tells when there is one.
    pub fn want_boundary(&self) {
        self.boundary_wanted.notify_one();
    }

    /// For the job: somebody asks for a boundary.
    pub async fn boundary_is_wanted(&self) {
        self.boundary_wanted.notified().await;
    }

    /// A run of the job begins. What was shown stays until it publishes.
    pub fn begin_run(&self) -> Stamp {
        let mut shown = self.shown.lock();
        shown.run += 1;
        Stamp { run: shown.run, tick: 0 }
    }

    pub fn publish(&self, version: Arc<Version>) {
        let mut shown = self.shown.lock();
        if shown.versions.len() == VERSIONS_KEPT {
            shown.versions.pop_front();
        }
        shown.versions.push_back(version);
        drop(shown);
        self.tell();
    }

    /// An epoch was committed that ends with this version.
    pub fn committed(&self, epoch: Epoch, version: Arc<Version>) {
        self.shown.lock().boundary = Some(Boundary { epoch, version });
        self.tell();
    }

    pub fn populated(&self) {
        self.shown.lock().is_populated = true;
        self.tell();
    }

    pub fn set_sizes(&self, sizes: Vec<StateSize>) {
        self.shown.lock().progress.sizes = sizes;
    }

    pub fn set_behind(&self, since_micros: Option<i64>) {
        self.shown.lock().progress.behind_since_micros = since_micros;
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

impl Version {
    pub fn new(stamp: Stamp, answer: &Answer, includes: BTreeMap<ObjectId, Arc<Version>>) -> Version {
        let rows = answer.count().max(0) as u64;
        Version { stamp, schema: answer.schema().clone(), chunks: answer.chunks(), rows, includes }
    }

    /// Before anything was there.
    pub fn empty(schema: SchemaRef) -> Version {
        Version { stamp: Stamp::default(), schema, chunks: vec![], rows: 0, includes: BTreeMap::new() }
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    pub fn chunks(&self) -> &[Arc<Chunk>] {
        &self.chunks
    }

    /// What has to happen to the rows of `before` so that they become these.
    pub fn since(&self, before: &Version) -> Result<Changes> {
        chunk::difference(&self.schema, &before.chunks, &self.chunks)
    }
}
