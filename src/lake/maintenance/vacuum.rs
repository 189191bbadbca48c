//! Removing data files that nobody needs: left behind by a stop before they were committed, or taken out of the table long ago.
//!
//! A file stays if the newest version has it, if it was removed from the table not long ago or after a version from which somebody follows the
//! table, if a job has prepared to commit it, or if it is young: whoever writes it may be about to commit it. Files that are no plain data files,
//! or stand in hidden folders, belong to whoever made them.

use std::collections::HashSet;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type};
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore};

use super::leftovers::is_staged;
use super::removal::remove_all;
use super::retention;
use crate::error::{Error, Result, SqlState};
use crate::lake::file_columns::typed;
use crate::lake::file_keys;
use crate::lake::following::COMMITS_IN_FLIGHT;
use crate::lake::log::CommitFile;
use crate::lake::log::action::data_path;
use crate::lake::log::checkpoint::CheckpointBody;
use crate::lake::snapshot::Snapshot;
use crate::lake::table::Table;

/// What must stay although the table's log does not say so.
#[derive(Debug, Clone, Default)]
pub struct Spared {
    /// Files of this table that a job has prepared to commit, spelled as in the log. Those that it prepares after `as_of` are young.
    pub prepared: Vec<String>,
    /// The oldest version from which somebody follows the table.
    pub followed_from: Option<i64>,
    /// When that was asked for, if it was not now: what is newer than the retention at that time stays.
    pub as_of: Option<DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vacuumed {
    pub files: u64,
    pub bytes: u64,
}

/// Files by what they are found by: two of one hash are both kept, which costs space and harms nobody.
type Hashes = HashSet<u64>;

impl Table {
    /// Removes what nobody needs. A table that does not exist, or that we may not write, is left alone.
    ///
    /// Errors: `Data` if the folder does not show a file that the table has. Then nothing is removed, for what it shows cannot be judged.
    pub async fn vacuum(&self, spared: &Spared) -> Result<Vacuumed> {
        let snapshot = self.refresh().await?;
        let retention = snapshot.metadata().and_then(retention::of_removed_files);
        let as_of = spared.as_of.unwrap_or_else(|| self.place.clock().now());
        let older_than = retention.and_then(|retention| as_of.checked_sub_signed(retention));
        let (Some(older_than), Some(version), Ok(())) = (older_than, snapshot.version(), snapshot.check_appendable()) else {
            return Ok(Vacuumed::default());
        };
        let mut kept = self.removed_lately(version, spared.followed_from, older_than.timestamp_millis()).await?;
        for path in &spared.prepared {
            kept.insert(hash_of_spelled(path)?);
        }
        let doomed = self.find_unneeded(&snapshot, &kept, older_than).await?;
        let vacuumed = Vacuumed { files: doomed.len() as u64, bytes: doomed.iter().map(|object| object.size).sum() };
        remove_all(self.place.store(), doomed.into_iter().map(|object| object.location).collect()).await?;
        Ok(vacuumed)
    }

    /// Files that were in a version which can still be read, and are not in the newest.
    async fn removed_lately(&self, version: i64, followed_from: Option<i64>, expired_millis: i64) -> Result<Hashes> {
        let mut removed = Hashes::new();
        let listing = self.log.list_up_to(version).await?;
        if let Some(checkpoint) = &listing.checkpoint {
            let bodies = self.log.fetch(checkpoint).await?.bodies;
            removed = tokio::task::spawn_blocking(move || tombstones(&bodies, expired_millis)).await??;
        }
        let summed_up = listing.checkpoint.map_or(-1, |checkpoint| checkpoint.version);
        let first = followed_from.map_or(summed_up, |from| from.min(summed_up)) + 1;
        let commits = futures::stream::iter(first..=version).map(|commit| self.log.read(commit)).buffered(COMMITS_IN_FLIGHT);
        let mut commits = std::pin::pin!(commits);
        while let Some(commit) = commits.try_next().await? {
            // One that is gone already cannot be followed any more.
            let Some(commit) = commit else { continue };
            self.log.within(commit.version, || take_removed(&commit, &mut removed))?;
        }
        Ok(removed)
    }

    async fn find_unneeded(&self, snapshot: &Snapshot, kept: &Hashes, older_than: DateTime<Utc>) -> Result<Vec<ObjectMeta>> {
        let active = active(snapshot);
        let mut unseen = active.clone();
        let mut doomed = Vec::new();
        let mut tables_within: HashSet<Vec<String>> = HashSet::new();
        let mut objects = self.place.store().list(Some(&self.path));
        while let Some(object) = objects.try_next().await? {
            let Some(below) = object.location.prefix_match(&self.path) else { continue };
            let below: Vec<String> = below.map(|part| part.as_ref().to_string()).collect();
            if let Some(depth) = below.iter().position(|part| part == "_delta_log") {
                tables_within.extend((depth > 0).then(|| below[..depth].to_vec()));
                continue;
            }
            let hash = hash(&below.join("/"));
            unseen.remove(&hash);
            let is_needed = active.contains(&hash) || kept.contains(&hash);
            if object.last_modified < older_than && !is_needed && is_removable(&below) {
                doomed.push((below, object));
            }
        }
        if !unseen.is_empty() {
            return Err(self.not_shown(unseen.len()));
        }
        doomed.retain(|(below, _)| !(1..below.len()).any(|depth| tables_within.contains(&below[..depth])));
        Ok(doomed.into_iter().map(|(_, object)| object).collect())
    }

    fn not_shown(&self, files: usize) -> Error {
        Error::data("the folder of the table does not show all of its files")
            .with_state(SqlState::DATA_CORRUPTED)
            .with_detail(format!("{files} files of {} are in its log and were not found; nothing was removed", self.location_url()))
            .with_hint("restore them, or remove them from the table with the engine that lost them")
    }
}

fn active(snapshot: &Snapshot) -> Hashes {
    let chunks = snapshot.files().chunks().iter();
    chunks.flat_map(|chunk| (0..chunk.len()).map(|file| hash(chunk.path(file)))).collect()
}

fn hash(path: &str) -> u64 {
    file_keys::hash(path, None)
}

fn hash_of_spelled(path: &str) -> Result<u64> {
    Ok(hash(&String::from(data_path(path)?)))
}

fn take_removed(commit: &CommitFile, removed: &mut Hashes) -> Result<()> {
    for remove in commit.actions.iter().filter_map(|action| action.remove.as_ref()) {
        removed.insert(hash_of_spelled(&remove.path)?);
    }
    Ok(())
}

/// A data file, or one that was staged in this folder. A partition's folder may begin as it likes, other hidden ones are somebody's own.
fn is_removable(below: &[String]) -> bool {
    let Some((name, folders)) = below.split_last() else { return false };
    let is_hidden = |name: &str| name.starts_with(['_', '.']);
    let is_in_sight = folders.iter().all(|folder| !is_hidden(folder) || folder.contains('='));
    is_in_sight && (is_staged(name) || (name.ends_with(".parquet") && !is_hidden(name)))
}

/// The files that a checkpoint says were removed, unless that is long ago.
fn tombstones(bodies: &[CheckpointBody], expired_millis: i64) -> Result<Hashes> {
    let mut removed = Hashes::new();
    for body in bodies {
        body.guarded(|| match body.is_json() {
            true => tombstone_lines(body, &mut removed),
            false => tombstone_rows(body, expired_millis, &mut removed),
        })?;
    }
    Ok(removed)
}

fn tombstone_lines(body: &CheckpointBody, removed: &mut Hashes) -> Result<()> {
    for remove in body.table_actions()?.iter().filter_map(|action| action.remove.as_ref()) {
        removed.insert(hash_of_spelled(&remove.path)?);
    }
    Ok(())
}

fn tombstone_rows(body: &CheckpointBody, expired_millis: i64, removed: &mut Hashes) -> Result<()> {
    for batch in body.batches(|_| Some(vec!["remove.path", "remove.deletionTimestamp"]))? {
        let batch = batch?;
        let Some(action) = batch.column_by_name("remove").and_then(|action| action.as_struct_opt()) else { continue };
        let Some(paths) = typed(action, "path", &DataType::Utf8)? else { continue };
        let times = typed(action, "deletionTimestamp", &DataType::Int64)?;
        let times = times.as_ref().map(|times| times.as_primitive::<Int64Type>());
        for row in (0..action.len()).filter(|row| action.is_valid(*row)) {
            let time = times.filter(|times| times.is_valid(row)).map_or(0, |times| times.value(row));
            if time >= expired_millis {
                removed.insert(hash_of_spelled(paths.as_string::<i32>().value(row))?);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_data_files_are_removed() {
        let removable = |path: &str| is_removable(&path.split('/').map(str::to_string).collect::<Vec<_>>());
        for ours in ["a.parquet", "_day=1/a.parquet", "x/y=2/a.snappy.parquet", ".a.parquet.123.tmp"] {
            assert!(removable(ours), "{ours}");
        }
        for theirs in ["_change_data/a.parquet", "deletion_vector_1.bin", "_a.parquet", ".hidden/a.parquet", ".a.parquet", "a.csv"] {
            assert!(!removable(theirs), "{theirs}");
        }
    }
}
