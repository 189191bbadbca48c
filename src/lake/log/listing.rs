//! Finding one's way in a log that is not known yet: the newest complete checkpoint and the commits after it.

use std::collections::BTreeMap;

use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::path::Path;
use serde::Deserialize;

use super::Log;
use crate::error::Result;

/// Where to begin reading.
#[derive(Debug, Default, PartialEq)]
pub struct Listing {
    pub checkpoint: Option<Checkpoint>,
    /// The versions after the checkpoint whose commits exist, ascending.
    pub commits: Vec<i64>,
}

#[derive(Debug, PartialEq)]
pub struct Checkpoint {
    pub version: i64,
    pub files: Vec<Path>,
}

/// `_last_checkpoint`: a hint only, for it may be old or torn.
#[derive(Deserialize)]
struct LastCheckpoint {
    version: i64,
}

/// What the name of an object in the log says.
#[derive(Debug, PartialEq)]
enum Entry {
    Commit(i64),
    /// One of `parts` files of a checkpoint.
    Checkpoint {
        version: i64,
        parts: usize,
    },
}

impl Log {
    /// Where to begin for a version that may be long past.
    pub async fn list_up_to(&self, version: i64) -> Result<Listing> {
        let mut paths = self.paths_from(0).await?;
        paths.retain(|path| path.filename().and_then(parse_name).is_some_and(|entry| entry.version() <= version));
        Ok(arrange(paths))
    }

    pub async fn list(&self) -> Result<Listing> {
        if let Some(hint) = self.last_checkpoint().await? {
            let listing = self.list_from(hint).await?;
            if listing.checkpoint.is_some() {
                return Ok(listing);
            }
        }
        self.list_from(0).await
    }

    async fn last_checkpoint(&self) -> Result<Option<i64>> {
        let body = self.get(&self.folder.clone().join("_last_checkpoint")).await?;
        Ok(body.and_then(|body| serde_json::from_slice::<LastCheckpoint>(&body).ok()).map(|hint| hint.version))
    }

    async fn list_from(&self, version: i64) -> Result<Listing> {
        Ok(arrange(self.paths_from(version).await?))
    }

    async fn paths_from(&self, version: i64) -> Result<Vec<Path>> {
        // `<version>` without an ending sorts before all names of that version.
        let before = self.folder.clone().join(format!("{version:020}"));
        let objects: Vec<_> = match self.store.list_with_offset(Some(&self.folder), &before).try_collect().await {
            Ok(objects) => objects,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(objects.into_iter().map(|object| object.location).filter(|path| path.prefix_matches(&self.folder)).collect())
    }
}

impl Entry {
    fn version(&self) -> i64 {
        match self {
            Entry::Commit(version) | Entry::Checkpoint { version, .. } => *version,
        }
    }
}

fn arrange(mut paths: Vec<Path>) -> Listing {
    paths.sort();
    let mut commits = Vec::new();
    let mut checkpoints: BTreeMap<(i64, usize), Vec<Path>> = BTreeMap::new();
    for path in paths {
        match path.filename().and_then(parse_name) {
            Some(Entry::Commit(version)) => commits.push(version),
            // A version may have been checkpointed twice; files of one part each are complete by themselves.
            Some(Entry::Checkpoint { version, parts: 1 }) => drop(checkpoints.insert((version, 1), vec![path])),
            Some(Entry::Checkpoint { version, parts }) => checkpoints.entry((version, parts)).or_default().push(path),
            None => {}
        }
    }
    let newest = checkpoints.into_iter().rev().find(|((_, parts), files)| files.len() == *parts);
    let checkpoint = newest.map(|((version, _), files)| Checkpoint { version, files });
    let after = checkpoint.as_ref().map_or(-1, |checkpoint| checkpoint.version);
    commits.retain(|version| *version > after);
    commits.sort_unstable();
    Listing { checkpoint, commits }
}

/// `<v>.json`, `<v>.checkpoint.parquet`, `<v>.checkpoint.<part>.<parts>.parquet`, `<v>.checkpoint.<uuid>.parquet|json`.
fn parse_name(name: &str) -> Option<Entry> {
    let (version, rest) = name.split_once('.')?;
    if version.len() != 20 {
        return None;
    }
    let version = version.parse().ok()?;
    let words: Vec<_> = rest.split('.').collect();
    match words.as_slice() {
        ["json"] => Some(Entry::Commit(version)),
        ["checkpoint", "parquet"] | ["checkpoint", _, "parquet" | "json"] => Some(Entry::Checkpoint { version, parts: 1 }),
        ["checkpoint", _, parts, "parquet"] => Some(Entry::Checkpoint { version, parts: parts.parse().ok()? }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(names: &[&str]) -> Listing {
        arrange(names.iter().map(|name| Path::from(format!("t/_delta_log/{name}"))).collect())
    }

    #[test]
    fn the_newest_complete_checkpoint_is_chosen() {
        let found = listing(&[
            "00000000000000000002.json",
            "00000000000000000002.checkpoint.parquet",
            "00000000000000000004.checkpoint.0000000001.0000000002.parquet",
            "00000000000000000003.json",
            "00000000000000000004.json",
            "00000000000000000004.crc",
            "_last_checkpoint",
        ]);
        assert_eq!(found.checkpoint.as_ref().map(|c| c.version), Some(2));
        assert_eq!(found.commits, [3, 4]);
    }

    #[test]
    fn a_checkpoint_in_parts_has_all_its_files() {
        let found = listing(&[
            "00000000000000000004.checkpoint.0000000001.0000000002.parquet",
            "00000000000000000004.checkpoint.0000000002.0000000002.parquet",
            "00000000000000000005.json",
        ]);
        assert_eq!(found.checkpoint.map(|c| (c.version, c.files.len())), Some((4, 2)));
        assert_eq!(found.commits, [5]);
    }
}
