//! Where a job stands in its inputs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of a source whose records are in order: `pops-eu/shardId-000000000001`, `0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartitionId(String);

/// A place between two records of a partition. Opaque: only the source can compare two of them (`Source::compare`).
/// The `_offset` of a record is the position right after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(String);

/// How far a partition has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionState {
    /// All records up to here are in.
    At(Position),
    /// The partition ended and all of it is in. Remembered, for its successors may only begin then.
    Done,
}

/// A job's place in all partitions of one source. A partition that is not here has not been begun.
pub type Positions = BTreeMap<PartitionId, PartitionState>;

macro_rules! text_newtype {
    ($name:ident) => {
        impl $name {
            pub fn new(text: impl Into<String>) -> $name {
                $name(text.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_newtype!(PartitionId);
text_newtype!(Position);
