//! The shards of a stream, and which of them may be read now.
//!
//! A split or a merge closes shards and opens others in their stead. A key's records go on in a child, so a child is only read when its parents
//! have been read to their end. A parent that the service no longer lists is past its retention: nothing is left of it to wait for.

use std::collections::BTreeSet;

use aws_sdk_kinesis::types;

use crate::model::{PartitionId, PartitionState, Position, Positions};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    pub id: PartitionId,
    /// What it was split or merged from: none, one or two.
    pub parents: Vec<PartitionId>,
}

impl Shard {
    pub fn new(stream: &str, shard: &types::Shard) -> Shard {
        let parents = [&shard.parent_shard_id, &shard.adjacent_parent_shard_id];
        Shard {
            id: partition_id(stream, &shard.shard_id),
            parents: parents.into_iter().flatten().map(|parent| partition_id(stream, parent)).collect(),
        }
    }
}

pub fn partition_id(stream: &str, shard: &str) -> PartitionId {
    PartitionId::new(format!("{stream}/{shard}"))
}

/// The stream and the shard of a partition. The name of a stream has no slash.
pub fn split_partition_id(partition: &PartitionId) -> Option<(&str, &str)> {
    partition.as_str().split_once('/')
}

/// The shards that may be read now and are not finished, in the order of `shards`, which are all that the service lists.
pub fn listable<'a>(shards: &'a [Shard], known: &Positions) -> Vec<&'a Shard> {
    let listed: BTreeSet<&PartitionId> = shards.iter().map(|shard| &shard.id).collect();
    let done = |id: &PartitionId| matches!(known.get(id), Some(PartitionState::Done));
    let awaited = |id: &PartitionId| listed.contains(id) && !done(id);
    shards.iter().filter(|shard| !done(&shard.id) && !shard.parents.iter().any(awaited)).collect()
}

/// A shard of this stream that was begun, is not finished, and is listed no more: what comes after its position is lost.
pub fn vanished<'a>(stream: &str, shards: &[Shard], known: &'a Positions) -> Option<(&'a PartitionId, &'a Position)> {
    known.iter().find_map(|(id, state)| match state {
        PartitionState::Done => None,
        PartitionState::At(position) => {
            let ours = split_partition_id(id).is_some_and(|(of, _)| of == stream);
            (ours && !shards.iter().any(|shard| shard.id == *id)).then_some((id, position))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(id: &str, parents: &[&str]) -> Shard {
        Shard { id: partition_id("s", id), parents: parents.iter().map(|parent| partition_id("s", parent)).collect() }
    }

    fn known(states: &[(&str, PartitionState)]) -> Positions {
        states.iter().map(|(id, state)| (partition_id("s", id), state.clone())).collect()
    }

    fn listed(shards: &[Shard], known: &Positions) -> Vec<String> {
        listable(shards, known).iter().map(|shard| shard.id.as_str().trim_start_matches("s/").to_string()).collect()
    }

    fn at() -> PartitionState {
        PartitionState::At(Position::new("1"))
    }

    use PartitionState::Done;

    #[test]
    fn children_wait_for_their_parent() {
        let shards = [shard("0", &[]), shard("1", &["0"]), shard("2", &["0"])];
        assert_eq!(listed(&shards, &known(&[])), ["0"]);
        assert_eq!(listed(&shards, &known(&[("0", at())])), ["0"]);
        assert_eq!(listed(&shards, &known(&[("0", Done)])), ["1", "2"]);
        assert_eq!(listed(&shards, &known(&[("0", Done), ("1", Done), ("2", at())])), ["2"]);
    }

    #[test]
    fn a_merged_shard_waits_for_both() {
        let shards = [shard("0", &[]), shard("1", &[]), shard("2", &["0", "1"])];
        assert_eq!(listed(&shards, &known(&[("0", Done), ("1", at())])), ["1"]);
        assert_eq!(listed(&shards, &known(&[("0", Done), ("1", Done)])), ["2"]);
    }

    #[test]
    fn grandchildren_wait_for_the_whole_line() {
        let shards = [shard("0", &[]), shard("1", &["0"]), shard("2", &["1"])];
        assert_eq!(listed(&shards, &known(&[])), ["0"]);
        assert_eq!(listed(&shards, &known(&[("0", Done)])), ["1"]);
        assert_eq!(listed(&shards, &known(&[("0", Done), ("1", Done)])), ["2"]);
    }

    #[test]
    fn expired_parents_are_no_obstacle() {
        let shards = [shard("1", &["0"]), shard("2", &["0", "1"])];
        assert_eq!(listed(&shards, &known(&[])), ["1"]);
        assert_eq!(listed(&shards, &known(&[("1", Done)])), ["2"]);
    }

    #[test]
    fn an_unfinished_shard_that_is_gone_is_seen() {
        let shards = [shard("1", &["0"])];
        assert_eq!(vanished("s", &shards, &known(&[("0", at())])), Some((&partition_id("s", "0"), &Position::new("1"))));
        assert_eq!(vanished("s", &shards, &known(&[("0", Done), ("1", at())])), None);
        assert_eq!(vanished("other", &shards, &known(&[("0", at())])), None);
    }
}
