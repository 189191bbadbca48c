//! A store that counts, and that lies about chosen conditional PUTs as real stores do.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::*;
use parking_lot::Mutex;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trick {
    /// The object is made and the answer lost.
    LoseAnswer,
    /// The object is made, and the client's own repeat of the request is told that it exists.
    OwnConflict,
    /// Nothing is made, and the answer is that it exists (S3's 409).
    FalseConflict,
    /// Nothing is made, and the store says so.
    Fail,
}

#[derive(Debug)]
pub struct TrickStore {
    below: Arc<dyn ObjectStore>,
    tricks: Mutex<Vec<Trick>>,
    operations: AtomicUsize,
}

impl TrickStore {
    pub fn new(below: Arc<dyn ObjectStore>) -> Arc<TrickStore> {
        Arc::new(TrickStore { below, tricks: Mutex::default(), operations: AtomicUsize::new(0) })
    }

    /// What happens to the next conditional PUTs, in order.
    pub fn play(&self, tricks: &[Trick]) {
        self.tricks.lock().extend(tricks.iter().rev());
    }

    pub fn operations(&self) -> usize {
        self.operations.load(Ordering::SeqCst)
    }

    fn count(&self) {
        self.operations.fetch_add(1, Ordering::SeqCst);
    }
}

impl fmt::Display for TrickStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrickStore({})", self.below)
    }
}

#[async_trait]
impl ObjectStore for TrickStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.count();
        let trick = if opts.mode == PutMode::Create { self.tricks.lock().pop() } else { None };
        let exists = || Error::AlreadyExists { path: location.to_string(), source: "told so".into() };
        let lost = || Error::Generic { store: "trick", source: "the connection was lost".into() };
        match trick {
            Some(Trick::FalseConflict) => Err(exists()),
            Some(Trick::Fail) => Err(lost()),
            Some(Trick::LoseAnswer) => self.below.put_opts(location, payload, opts).await.and(Err(lost())),
            Some(Trick::OwnConflict) => self.below.put_opts(location, payload, opts).await.and(Err(exists())),
            None => self.below.put_opts(location, payload, opts).await,
        }
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.count();
        self.below.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.count();
        self.below.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.count();
        self.below.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count();
        self.below.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.count();
        self.below.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.count();
        self.below.copy_opts(from, to, options).await
    }
}
