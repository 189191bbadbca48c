//! A store that fails as real ones do: answers are lost, requests are refused or slow, conditional writes are told of conflicts that are none,
//! parts of uploads are torn, lists are stale, and at the k-th operation everything stands still as if the process had died.
//!
//! What fails is drawn from the plan's seed by what the operation is about (`draw`): the same plan over the same work gives the same faults. For
//! tests, and for a debug build of the server, which puts it before its lake if `LAKEWIRE_STORE_FAULTS` has a plan (`fault::store_faults`).

mod draw;
mod plan;
mod upload;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use draw::{Drawn, Draws};
use upload::FaultUpload;

pub use plan::{Fault, Plan, Rates};

/// What is asked of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A PUT that must not overwrite.
    Create,
    Put,
    BeginUpload,
    Part,
    CompleteUpload,
    Get,
    List,
    Delete,
    Copy,
}

/// On which side of the operation the store stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// It is not done.
    Before,
    /// It is done, and nobody is told.
    After,
}

/// Cheap to clone; clones are one store.
#[derive(Debug, Clone)]
pub struct FaultStore(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    below: Arc<dyn ObjectStore>,
    draws: Draws,
    /// What happens to the next conditional PUTs, the last one first.
    played: Mutex<Vec<Fault>>,
    operations: AtomicUsize,
    halt_at: Mutex<Option<(usize, Halt)>>,
    is_halted: watch::Sender<bool>,
    /// The object that was made last.
    newest: Mutex<Option<Path>>,
}

impl FaultStore {
    /// A store that only counts, until it is told otherwise.
    pub fn new(below: Arc<dyn ObjectStore>) -> FaultStore {
        FaultStore::with_plan(below, Plan::default())
    }

    pub fn with_plan(below: Arc<dyn ObjectStore>, plan: Plan) -> FaultStore {
        FaultStore(Arc::new(Shared {
            below,
            draws: Draws::new(plan),
            played: Mutex::default(),
            operations: AtomicUsize::new(0),
            halt_at: Mutex::default(),
            is_halted: watch::Sender::new(false),
            newest: Mutex::default(),
        }))
    }

    /// What happens to the next conditional PUTs, in order, whatever the plan says.
    pub fn play(&self, faults: &[Fault]) {
        let mut played = self.0.played.lock();
        let waiting = std::mem::take(&mut *played);
        played.extend(faults.iter().rev().copied().chain(waiting));
    }

    pub fn operations(&self) -> usize {
        self.0.operations.load(Ordering::SeqCst)
    }

    /// Everything stands still from the `nth` operation on, counted from 1: what is under way then is never answered.
    pub fn halt_from(&self, nth: usize, halt: Halt) {
        *self.0.halt_at.lock() = Some((nth, halt));
    }

    /// Everything stands still now.
    pub fn halt(&self) {
        self.0.is_halted.send_replace(true);
    }

    /// Whoever waits goes on.
    pub fn resume(&self) {
        *self.0.halt_at.lock() = None;
        self.0.is_halted.send_replace(false);
    }

    /// Returns when the store stands still.
    pub async fn halted(&self) {
        self.0.wait_for(true).await;
    }
}

impl Shared {
    async fn wait_for(&self, wanted: bool) {
        let mut halted = self.is_halted.subscribe();
        // The sender is ours: it is not gone.
        let _ = halted.wait_for(|is_halted| *is_halted == wanted).await;
    }

    /// Does it, or not, and tells the truth about it, or not.
    async fn run<T>(&self, operation: Operation, path: &Path, act: impl Future<Output = Result<T>>) -> Result<T> {
        let drawn = self.begin(operation, path).await;
        match drawn.fault {
            Some(Fault::Refused | Fault::TornPart) => return Err(refused(operation, path)),
            Some(Fault::FalseConflict) => return Err(exists(path)),
            Some(Fault::LostAnswer | Fault::OwnConflict | Fault::StaleList) | None => {}
        }
        let result = act.await;
        self.end(drawn.nth).await;
        match drawn.fault {
            Some(Fault::LostAnswer) => result.and(Err(lost(operation, path))),
            Some(Fault::OwnConflict) => result.and(Err(exists(path))),
            _ => result,
        }
    }

    async fn begin(&self, operation: Operation, path: &Path) -> Begun {
        let nth = self.operations.fetch_add(1, Ordering::SeqCst) + 1;
        self.halt_if_asked(nth, Halt::Before);
        self.wait_for(false).await;
        let Drawn { fault, latency } = self.draws.draw(operation, path);
        let played = if operation == Operation::Create { self.played.lock().pop() } else { None };
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        Begun { nth, fault: played.or(fault) }
    }

    async fn end(&self, nth: usize) {
        self.halt_if_asked(nth, Halt::After);
        self.wait_for(false).await;
    }

    fn halt_if_asked(&self, nth: usize, side: Halt) {
        if self.halt_at.lock().is_some_and(|(first, halt)| halt == side && nth >= first) {
            self.is_halted.send_replace(true);
        }
    }

    fn remember(&self, path: &Path) {
        *self.newest.lock() = Some(path.clone());
    }

    fn list(
        self: &Arc<Shared>,
        prefix: Option<&Path>,
        listed: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (shared, prefix) = (self.clone(), prefix.cloned().unwrap_or_default());
        let begun = async move {
            let drawn = shared.begin(Operation::List, &prefix).await;
            let is_stale = match drawn.fault {
                Some(Fault::StaleList) => true,
                Some(_) => return Err(refused(Operation::List, &prefix)),
                None => false,
            };
            shared.end(drawn.nth).await;
            let listed = match is_stale {
                false => listed,
                true => shared.without_newest(listed),
            };
            Ok(listed)
        };
        stream::once(begun).try_flatten().boxed()
    }

    fn without_newest(&self, listed: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        let newest = self.newest.lock().clone();
        listed.try_filter(move |object| std::future::ready(Some(&object.location) != newest.as_ref())).boxed()
    }
}

/// An operation that the store has let in.
struct Begun {
    nth: usize,
    fault: Option<Fault>,
}

#[async_trait]
impl ObjectStore for FaultStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        let operation = if opts.mode == PutMode::Create { Operation::Create } else { Operation::Put };
        let put = async {
            let result = self.0.below.put_opts(location, payload, opts).await?;
            self.0.remember(location);
            Ok(result)
        };
        self.0.run(operation, location, put).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.0.run(Operation::BeginUpload, location, self.0.below.put_multipart_opts(location, opts)).await?;
        Ok(Box::new(FaultUpload { shared: self.0.clone(), path: location.clone(), upload }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.0.run(Operation::Get, location, self.0.below.get_opts(location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.0.run(Operation::Get, location, self.0.below.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let shared = self.0.clone();
        let delete = move |location: Result<Path>| {
            let shared = shared.clone();
            async move {
                let location = location?;
                let one = stream::once(std::future::ready(Ok(location.clone()))).boxed();
                let deleted = async { shared.below.delete_stream(one).try_for_each(|_| std::future::ready(Ok(()))).await };
                shared.run(Operation::Delete, &location, deleted).await?;
                Ok(location)
            }
        };
        locations.then(delete).boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix, self.0.below.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.0.list(prefix, self.0.below.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.0.run(Operation::List, &prefix.cloned().unwrap_or_default(), self.0.below.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.0.run(Operation::Copy, to, self.0.below.copy_opts(from, to, options)).await
    }
}

impl fmt::Display for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultStore({})", self.0.below)
    }
}

fn exists(path: &Path) -> Error {
    Error::AlreadyExists { path: path.to_string(), source: "the store says so".into() }
}

fn lost(operation: Operation, path: &Path) -> Error {
    Error::Generic { store: "fault", source: format!("the connection was lost: {operation:?} {path}").into() }
}

fn refused(operation: Operation, path: &Path) -> Error {
    Error::Generic { store: "fault", source: format!("503 Slow Down: {operation:?} {path}").into() }
}

#[cfg(test)]
mod tests;
