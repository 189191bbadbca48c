//! Ids and epoch numbers. New ids come from here and nowhere else.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A catalog object, for its whole life: renaming does not change it, dropping and making it again does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ObjectId(Uuid);

/// The running side of a pipeline or view. It is the `appId` of the job's Delta transactions and names its folder in the bucket,
/// so it is unique among all catalogs that ever share a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(Uuid);

/// One committed step of a job: 1, 2, 3 … for ever. 0 means that nothing is committed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Epoch(pub u64);

macro_rules! uuid_id {
    ($name:ident) => {
        impl $name {
            /// A new id; ids made later sort later.
            #[allow(clippy::disallowed_methods)]
            #[allow(clippy::new_without_default)]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            pub fn parse(text: &str) -> Option<Self> {
                Uuid::parse_str(text).ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }
    };
}

uuid_id!(ObjectId);
uuid_id!(JobId);

impl Epoch {
    pub fn next(self) -> Epoch {
        Epoch(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A token nobody else has: it tells our own write from another's when an answer was lost.
#[allow(clippy::disallowed_methods)]
pub fn unique_token() -> String {
    Uuid::new_v4().simple().to_string()
}
