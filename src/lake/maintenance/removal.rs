//! Removing objects that somebody else may be removing too.

use std::sync::Arc;

use futures::StreamExt;
use object_store::path::Path;
use object_store::{Error, ObjectStore};

use crate::error::Result;

/// In this order, as far as the store keeps one. What is gone already is gone.
pub async fn remove_all(store: &Arc<dyn ObjectStore>, doomed: Vec<Path>) -> Result<()> {
    let mut removed = store.delete_stream(futures::stream::iter(doomed.into_iter().map(Ok)).boxed());
    while let Some(outcome) = removed.next().await {
        match outcome {
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
