//! Writing one object whose size is not known before: a small one in a single request, a large one in parts.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, WriteMultipart};

use crate::error::Result;

/// So much is held before the object is written in parts.
const SINGLE_BYTES_MAX: usize = 16 << 20;
const PART_BYTES: usize = 8 << 20;
const PARTS_IN_FLIGHT: usize = 2;

/// Nothing is there before `complete`. Whoever gives up calls `abort`.
pub struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    held: Vec<u8>,
    parts: Option<WriteMultipart>,
    bytes: u64,
}

impl Upload {
    pub fn new(store: Arc<dyn ObjectStore>, path: Path) -> Upload {
        Upload { store, path, held: Vec::new(), parts: None, bytes: 0 }
    }

    pub async fn push(&mut self, bytes: &[u8]) -> Result<()> {
        self.bytes += bytes.len() as u64;
        if let Some(parts) = &mut self.parts {
            parts.wait_for_capacity(PARTS_IN_FLIGHT).await?;
            parts.write(bytes);
            return Ok(());
        }
        self.held.extend_from_slice(bytes);
        if self.held.len() > SINGLE_BYTES_MAX {
            let mut parts = WriteMultipart::new_with_chunk_size(self.store.put_multipart(&self.path).await?, PART_BYTES);
            parts.write(&std::mem::take(&mut self.held));
            self.parts = Some(parts);
        }
        Ok(())
    }

    /// Makes the object, unless there is one of its name: somebody reads that already. Gives the size of the one that is there.
    ///
    /// Errors: `Unavailable` also where the store says that there is one, and there is none: S3 says so of two writers at once, of whom neither
    /// need have come through.
    pub async fn complete(self) -> Result<u64> {
        let Some(parts) = self.parts else {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            return match self.store.put_opts(&self.path, self.held.into(), options).await {
                Ok(_) => Ok(self.bytes),
                Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                    Ok(self.store.head(&self.path).await?.size)
                }
                Err(error) => Err(error.into()),
            };
        };
        match self.store.head(&self.path).await {
            Ok(other) => {
                parts.abort().await?;
                Ok(other.size)
            }
            Err(object_store::Error::NotFound { .. }) => {
                parts.finish().await?;
                Ok(self.bytes)
            }
            Err(error) => {
                parts.abort().await?;
                Err(error.into())
            }
        }
    }

    pub async fn abort(self) {
        if let Some(parts) = self.parts
            && let Err(error) = parts.abort().await
        {
            tracing::warn!(%error, path = %self.path, "an unfinished upload could not be given up");
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::error::Kind;
    use crate::lake::fault_store::{Fault, FaultStore};

    #[tokio::test]
    async fn small_and_large_objects_are_whole_and_written_once() {
        for size in [10, SINGLE_BYTES_MAX + 3 * PART_BYTES + 5] {
            let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            for (nth, byte) in [1u8, 2].into_iter().enumerate() {
                let mut upload = Upload::new(store.clone(), Path::from("a"));
                for chunk in vec![byte; size].chunks(1 << 20) {
                    upload.push(chunk).await.unwrap();
                }
                assert_eq!(store.head(&Path::from("a")).await.is_ok(), nth == 1);
                assert_eq!(upload.complete().await.unwrap(), size as u64);
            }
            let body = store.get(&Path::from("a")).await.unwrap().bytes().await.unwrap();
            assert!(body.len() == size && body.iter().all(|byte| *byte == 1));
        }
    }

    #[tokio::test]
    async fn what_is_said_to_be_there_is_looked_at() {
        let store = Arc::new(FaultStore::new(Arc::new(InMemory::new())));
        let upload = async |bytes: usize| {
            let mut upload = Upload::new(store.clone(), Path::from("a"));
            upload.push(&vec![1; bytes]).await.unwrap();
            upload.complete().await
        };
        store.play(&[Fault::FalseConflict]);
        assert_eq!(upload(10).await.unwrap_err().kind(), Kind::Unavailable);
        assert_eq!(upload(10).await.unwrap(), 10);
        assert_eq!(upload(7).await.unwrap(), 10, "the size of what is there");
    }
}
