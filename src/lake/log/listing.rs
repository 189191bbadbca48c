//! Finding one's way in a log that is not known yet: the newest complete checkpoint and the commits after it.

use std::collections::BTreeMap;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};
use serde::{Deserialize, Serialize};

use super::Log;
use crate::error::Result;

const VERSION_DIGITS: usize = 20;

/// Where to begin reading.
#[derive(Debug, Default, PartialEq)]
pub struct Listing {
    pub checkpoint: Option<Checkpoint>,
    /// The versions after the checkpoint whose commits exist, ascending.
    pub commits: Vec<i64>,
    /// How large these commits are together.
    pub commit_bytes: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    pub version: i64,
    pub files: Vec<Path>,
    pub bytes: u64,
    /// When the last of its files was written.
    pub written: DateTime<Utc>,
}

/// `_last_checkpoint`: a hint only, for it may be old or torn.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastCheckpoint {
    pub version: i64,
    /// Actions.
    #[serde(default)]
    pub size: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_in_bytes: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_of_add_files: Option<i64>,
}

/// What the name of an object in the log says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Entry {
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
        let mut objects = self.objects_from(0).await?;
        objects.retain(|object| entry_of(&object.location).is_some_and(|entry| entry.version() <= version));
        Ok(arrange(objects))
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

    /// The version that `_last_checkpoint` names.
    pub async fn last_checkpoint(&self) -> Result<Option<i64>> {
        let body = self.get(&self.hint_path()).await?;
        Ok(body.and_then(|body| serde_json::from_slice::<LastCheckpoint>(&body).ok()).map(|hint| hint.version))
    }

    /// Lets readers begin with this checkpoint. Whoever names an older one later costs them a longer list, no more.
    pub async fn point_to(&self, checkpoint: &LastCheckpoint) -> Result<()> {
        if self.last_checkpoint().await? < Some(checkpoint.version) {
            self.store.put(&self.hint_path(), serde_json::to_vec(checkpoint)?.into()).await?;
        }
        Ok(())
    }

    /// All objects of the log, in no order.
    pub async fn objects(&self) -> Result<Vec<ObjectMeta>> {
        let mut objects: Vec<_> = self.store.list(Some(&self.folder)).try_collect().await?;
        objects.retain(|object| self.is_part(&object.location));
        Ok(objects)
    }

    async fn list_from(&self, version: i64) -> Result<Listing> {
        Ok(arrange(self.objects_from(version).await?))
    }

    async fn objects_from(&self, version: i64) -> Result<Vec<ObjectMeta>> {
        // `<version>` without an ending sorts before all names of that version.
        let before = self.folder.clone().join(format!("{version:020}"));
        let mut objects: Vec<_> = match self.store.list_with_offset(Some(&self.folder), &before).try_collect().await {
            Ok(objects) => objects,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        objects.retain(|object| self.is_part(&object.location));
        Ok(objects)
    }

    /// Whether an object stands in the log's folder itself. What is in folders within it is no part of the log, whatever it is called.
    fn is_part(&self, path: &Path) -> bool {
        path.prefix_match(&self.folder).is_some_and(|below| below.count() == 1)
    }

    fn hint_path(&self) -> Path {
        self.folder.clone().join("_last_checkpoint")
    }
}

impl Entry {
    pub fn version(&self) -> i64 {
        match self {
            Entry::Commit(version) | Entry::Checkpoint { version, .. } => *version,
        }
    }
}

/// What an object in the log's folder is, if it is a commit or a part of a checkpoint.
pub fn entry_of(path: &Path) -> Option<Entry> {
    path.filename().and_then(parse_name)
}

/// All complete checkpoints among the objects, the oldest first.
pub fn checkpoints(objects: &[ObjectMeta]) -> Vec<Checkpoint> {
    let mut found: BTreeMap<(i64, usize), Vec<&ObjectMeta>> = BTreeMap::new();
    for object in objects {
        match entry_of(&object.location) {
            // A version may have been checkpointed twice; files of one part each are complete by themselves.
            Some(Entry::Checkpoint { version, parts: 1 }) => drop(found.insert((version, 1), vec![object])),
            Some(Entry::Checkpoint { version, parts }) => found.entry((version, parts)).or_default().push(object),
            Some(Entry::Commit(_)) | None => {}
        }
    }
    let complete = found.into_iter().filter(|((_, parts), files)| files.len() == *parts);
    complete.filter_map(|((version, _), files)| Checkpoint::of(version, &files)).collect()
}

impl Checkpoint {
    fn of(version: i64, objects: &[&ObjectMeta]) -> Option<Checkpoint> {
        let mut files: Vec<_> = objects.iter().map(|object| object.location.clone()).collect();
        files.sort();
        let written = objects.iter().map(|object| object.last_modified).max()?;
        Some(Checkpoint { version, files, bytes: objects.iter().map(|object| object.size).sum(), written })
    }
}

fn arrange(mut objects: Vec<ObjectMeta>) -> Listing {
    objects.sort_by(|one, other| one.location.cmp(&other.location));
    let checkpoint = checkpoints(&objects).pop();
    let after = checkpoint.as_ref().map_or(-1, |checkpoint| checkpoint.version);
    let mut listing = Listing { checkpoint, ..Listing::default() };
    for object in &objects {
        if let Some(Entry::Commit(version)) = entry_of(&object.location)
            && version > after
        {
            listing.commits.push(version);
            listing.commit_bytes += object.size;
        }
    }
    listing.commits.sort_unstable();
    listing
}

/// `<v>.json`, `<v>.checkpoint.parquet`, `<v>.checkpoint.<part>.<parts>.parquet`, `<v>.checkpoint.<uuid>.parquet|json`.
fn parse_name(name: &str) -> Option<Entry> {
    let (version, rest) = name.split_once('.')?;
    let version = version_of(version)?;
    let words: Vec<_> = rest.split('.').collect();
    match words.as_slice() {
        ["json"] => Some(Entry::Commit(version)),
        ["checkpoint", "parquet"] | ["checkpoint", _, "parquet" | "json"] => Some(Entry::Checkpoint { version, parts: 1 }),
        ["checkpoint", part, parts, "parquet"] => Some(Entry::Checkpoint { version, parts: number::<usize>(part).and(number(parts))? }),
        _ => None,
    }
}

/// A version as it stands at the beginning of a name.
pub fn version_of(digits: &str) -> Option<i64> {
    number(digits).filter(|_| digits.len() == VERSION_DIGITS)
}

/// Of digits alone: with a sign it would be another name for the same.
fn number<T: FromStr>(digits: &str) -> Option<T> {
    match digits.bytes().all(|byte| byte.is_ascii_digit()) {
        true => digits.parse().ok(),
        false => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;

    fn listing(names: &[&str]) -> Listing {
        let object = |name: &&str| ObjectMeta {
            location: Path::from(format!("t/_delta_log/{name}")),
            last_modified: DateTime::UNIX_EPOCH,
            size: 10,
            e_tag: None,
            version: None,
        };
        arrange(names.iter().map(object).collect())
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
        assert_eq!(found.commit_bytes, 20);
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

    #[test]
    fn a_number_has_no_sign() {
        let found = listing(&[
            "00000000000000000001.json",
            "+0000000000000000002.json",
            "-0000000000000000002.checkpoint.parquet",
            "000000000000000000002.json",
            "00000000000000000002.checkpoint.+000000001.0000000001.parquet",
            "00000000000000000002.checkpoint.0000000001.+000000001.parquet",
            "99999999999999999999.json",
        ]);
        assert_eq!((found.checkpoint, found.commits), (None, vec![1]));
    }

    #[tokio::test]
    async fn what_is_in_folders_within_the_log_is_no_part_of_it() {
        let store = Arc::new(InMemory::new());
        let log = Log::new(store.clone(), &Path::from("t"));
        for name in [
            "00000000000000000001.json",
            "backup/00000000000000000009.json",
            "backup/00000000000000000008.checkpoint.parquet",
            "_delta_log/00000000000000000002.json",
            "00000000000000000003.json/00000000000000000003.json",
        ] {
            store.put(&Path::from(format!("t/_delta_log/{name}")), "{}".into()).await.unwrap();
        }
        let expected = Listing { commits: vec![1], commit_bytes: 2, ..Listing::default() };
        assert_eq!(log.list().await.unwrap(), expected);
        assert_eq!(log.list_up_to(9).await.unwrap(), expected);
        assert_eq!(log.objects().await.unwrap().len(), 1);
    }
}
