//! Removing the old end of a log: what a checkpoint stands for, when nobody may still ask for the versions before it.

use chrono::{DateTime, Utc};
use object_store::ObjectMeta;
use object_store::path::Path;

use super::leftovers::is_staged;
use super::removal::remove_all;
use super::retention;
use crate::error::Result;
use crate::lake::head::Head;
use crate::lake::log::action::Metadata;
use crate::lake::log::listing::{checkpoints, entry_of, version_of};
use crate::lake::table::Table;

impl Table {
    /// Removes commits and checkpoints before the newest checkpoint that is older than the table keeps its log. Gives how many objects.
    ///
    /// `followed_from` is the oldest version from which somebody follows the table: from there on all versions stay. What other engines
    /// put into the log beside commits and classic checkpoints is theirs.
    pub async fn clean_log(&self, followed_from: Option<i64>) -> Result<usize> {
        let head = self.refresh_head().await?;
        let Some(retention) = log_retention(&head) else { return Ok(0) };
        let Some(older_than) = self.place.clock().now().checked_sub_signed(retention) else { return Ok(0) };
        let objects = self.log.objects().await?;
        // Some readers never list: they go on from what `_last_checkpoint` names, and else from the first version.
        let named = self.log.last_checkpoint().await?;
        let boundary = checkpoints(&objects).into_iter().rfind(|checkpoint| {
            let is_followed = followed_from.is_some_and(|from| from < checkpoint.version);
            checkpoint.written < older_than && !is_followed && named >= Some(checkpoint.version)
        });
        let boundary = boundary.map_or(0, |checkpoint| checkpoint.version);
        let mut doomed: Vec<Path> =
            objects.iter().filter(|object| is_over(object, boundary, older_than)).map(|object| object.location.clone()).collect();
        // The oldest first, so that what is left is always the end of the log.
        doomed.sort();
        let count = doomed.len();
        remove_all(self.place.store(), doomed).await?;
        Ok(count)
    }
}

/// `None` where the log must stay as it is.
fn log_retention(head: &Head) -> Option<chrono::TimeDelta> {
    let metadata = head.metadata()?;
    let protects_checkpoints = head.protocol().writer_features.iter().flatten().any(|feature| feature == "checkpointProtection");
    match head.check_appendable().is_ok() && !protects_checkpoints && cleans_up(metadata) {
        true => retention::of_log(metadata),
        false => None,
    }
}

fn cleans_up(metadata: &Metadata) -> bool {
    let told = metadata.configuration.get("delta.enableExpiredLogCleanup").and_then(Option::as_deref);
    told.is_none_or(|told| told.eq_ignore_ascii_case("true"))
}

fn is_over(object: &ObjectMeta, boundary: i64, older_than: DateTime<Utc>) -> bool {
    let name = object.location.filename().unwrap_or_default();
    object.last_modified < older_than && (is_staged(name) || is_before(&object.location, name, boundary))
}

/// Checkpoints with a name of their own may have sidecars, which only their engine can tell from others'.
fn is_before(path: &Path, name: &str, boundary: i64) -> bool {
    let checksum = || name.strip_suffix(".crc").and_then(version_of);
    let words: Vec<_> = name.split('.').collect();
    match words.as_slice() {
        [_, "checkpoint", _own_name, _] => false,
        _ => entry_of(path).map(|entry| entry.version()).or_else(checksum).is_some_and(|version| version < boundary),
    }
}
