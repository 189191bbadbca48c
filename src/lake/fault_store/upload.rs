//! An upload in parts to a store that fails.

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload, PutResult, Result, UploadPart};

use super::{Operation, Shared};

#[derive(Debug)]
pub struct FaultUpload {
    pub shared: Arc<Shared>,
    pub path: Path,
    pub upload: Box<dyn MultipartUpload>,
}

#[async_trait]
impl MultipartUpload for FaultUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let part = self.upload.put_part(data);
        let (shared, path) = (self.shared.clone(), self.path.clone());
        async move { shared.run(Operation::Part, &path, part).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let (shared, path) = (self.shared.clone(), self.path.clone());
        let complete = async {
            let result = self.upload.complete().await?;
            shared.remember(&path);
            Ok(result)
        };
        shared.run(Operation::CompleteUpload, &path, complete).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.shared.run(Operation::Delete, &self.path, self.upload.abort()).await
    }
}
