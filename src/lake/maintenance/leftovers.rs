//! What interrupted writes leave behind in the lake's own folder: files that a local folder had staged, and probes.

use chrono::TimeDelta;
use futures::TryStreamExt;
use object_store::{ObjectMeta, ObjectStore};

use super::removal::remove_all;
use crate::error::Result;
use crate::lake::root::Lake;

/// No write takes as long.
const KEPT: TimeDelta = TimeDelta::days(7);

impl Lake {
    /// Removes leftovers from `_lakewire`. Those in the folder of a table go with its vacuum. Gives how many.
    pub async fn remove_leftovers(&self) -> Result<usize> {
        let folder = self.root_path().clone().join("_lakewire");
        let probes = folder.clone().join("probe");
        let older_than = self.clock().now() - KEPT;
        let is_left_over = move |object: &ObjectMeta| {
            let is_staged = object.location.filename().is_some_and(is_staged);
            object.last_modified < older_than && (is_staged || object.location.prefix_matches(&probes))
        };
        let found = self.store().list(Some(&folder)).try_filter(move |object| std::future::ready(is_left_over(object)));
        let doomed: Vec<_> = found.map_ok(|object| object.location).try_collect().await?;
        let count = doomed.len();
        remove_all(self.store(), doomed).await?;
        Ok(count)
    }
}

/// Whether `durable_folder` gave an object this name until it was complete.
pub fn is_staged(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}
