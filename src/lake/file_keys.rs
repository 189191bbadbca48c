//! Looking files up in a list of a million: by hash, so that texts are compared only where they are likely the same.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;

/// Fixed, because hashes are kept in the lists.
const HASHER: FixedState = FixedState::with_seed(0x6c61_6b65);
/// So many hashes are compared before it is asked which of them it was.
const BLOCK: usize = 1024;
/// Up to so many keys comparing each is faster than asking a set.
const FEW_KEYS: usize = 8;

/// What tells a file from others: its path and, if it has one, its deletion vector.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileKey {
    pub path: String,
    pub vector: Option<String>,
}

/// Some files to be looked up.
#[derive(Debug, Default)]
pub struct FileKeys {
    keys: HashSet<FileKey>,
    hashes: HashSet<u64, FixedState>,
}

/// What a file is found by.
pub fn hash(path: &str, vector: Option<&str>) -> u64 {
    HASHER.hash_one((path, vector))
}

impl FileKeys {
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn contains(&self, key: &FileKey) -> bool {
        self.keys.contains(key)
    }

    /// The places of the hashes that some key has: nearly always, but not surely, those of the files themselves.
    pub fn suspects(&self, hashes: &[u64]) -> Vec<usize> {
        if self.keys.is_empty() {
            return Vec::new();
        }
        let few: Option<Vec<u64>> = (self.hashes.len() <= FEW_KEYS).then(|| self.hashes.iter().copied().collect());
        let mut suspects = Vec::new();
        for (nth, block) in hashes.chunks(BLOCK).enumerate() {
            if few.as_ref().is_some_and(|few| !few.iter().any(|hash| block.contains(hash))) {
                continue;
            }
            let hits = block.iter().enumerate().filter(|(_, hash)| self.hashes.contains(hash));
            suspects.extend(hits.map(|(at, _)| nth * BLOCK + at));
        }
        suspects
    }
}

impl FromIterator<FileKey> for FileKeys {
    fn from_iter<T: IntoIterator<Item = FileKey>>(keys: T) -> FileKeys {
        let keys: HashSet<FileKey> = keys.into_iter().collect();
        let hashes = keys.iter().map(|key| hash(&key.path, key.vector.as_deref())).collect();
        FileKeys { keys, hashes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_keys_find_the_same() {
        let key = |n: usize| FileKey { path: format!("f{n}"), vector: n.is_multiple_of(3).then(|| "v".to_string()) };
        let hashes: Vec<u64> = (0..5000).map(|n| hash(&key(n).path, key(n).vector.as_deref())).collect();
        for count in [0, 1, FEW_KEYS, FEW_KEYS + 1, 100] {
            let wanted: Vec<usize> = (0..count).map(|n| n * 47).collect();
            let keys: FileKeys = wanted.iter().map(|n| key(*n)).collect();
            assert_eq!((keys.len(), keys.suspects(&hashes)), (count, wanted));
        }
    }

    #[test]
    fn a_deletion_vector_makes_another_file() {
        let keys: FileKeys = [FileKey { path: "f".into(), vector: None }].into_iter().collect();
        assert_eq!(keys.suspects(&[hash("f", Some("v")), hash("f", None)]), [1]);
    }
}
