//! A store that notes what is made in it, so that it can be taken away again.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::*;
use parking_lot::Mutex;

/// Everything else is done by the store below.
#[derive(Debug, Clone)]
pub struct NotingStore {
    below: Arc<dyn ObjectStore>,
    made: Arc<Mutex<Vec<Path>>>,
}

impl NotingStore {
    pub fn new(below: Arc<dyn ObjectStore>) -> NotingStore {
        NotingStore { below, made: Arc::default() }
    }

    /// Deletes what was made, or may have been: a write that failed can have left its object. What cannot be deleted stays as an orphan.
    pub async fn take_away(&self) {
        let made = std::mem::take(&mut *self.made.lock());
        for path in made {
            match self.below.delete(&path).await {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => tracing::debug!(%error, %path, "a file that was given up could not be deleted"),
            }
        }
    }

    fn note(&self, location: &Path) {
        self.made.lock().push(location.clone());
    }
}

impl fmt::Display for NotingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NotingStore({})", self.below)
    }
}

#[async_trait]
impl ObjectStore for NotingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.note(location);
        self.below.put_opts(location, payload, opts).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.note(location);
        self.below.put_multipart_opts(location, opts).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.below.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.below.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.below.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.below.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.note(to);
        self.below.copy_opts(from, to, options).await
    }
}
