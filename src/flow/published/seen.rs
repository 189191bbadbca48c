//! What a version was computed from: other views, and in the end tables and sources.
//!
//! Versions of several views agree if each relation that two of them were computed from was seen by both as it was at one moment: then a query
//! over them has the answer that it would have had over the tables of that moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Stamp, Version};
use crate::model::{ObjectId, Positions};

/// How much of a table or a source was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// All commits up to this version.
    Table(i64),
    Source(Positions),
}

pub type Bases = BTreeMap<ObjectId, Base>;

/// Versions of tables that views are to meet at, by table.
pub type Meeting = BTreeMap<ObjectId, i64>;

/// All that a version was computed from, directly or through other views.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub views: BTreeMap<ObjectId, Arc<Version>>,
    pub bases: Bases,
}

/// Which relations have to be seen alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alike {
    All,
    /// All but sources. Views over one source stop at batches of their own, and agree when they have caught up.
    KeptOnly,
}

/// How one relation was seen.
#[derive(Debug, PartialEq, Eq)]
pub enum Sight<'a> {
    View(Stamp),
    Base(&'a Base),
}

impl Seen {
    /// What was seen of tables and sources directly, and of these views.
    pub fn of(bases: Bases, views: impl IntoIterator<Item = (ObjectId, Arc<Version>)>) -> Seen {
        let mut seen = Seen { views: BTreeMap::new(), bases };
        for (id, view) in views {
            for (below, version) in &view.seen.views {
                seen.views.entry(*below).or_insert_with(|| version.clone());
            }
            for (below, base) in &view.seen.bases {
                seen.bases.entry(*below).or_insert_with(|| base.clone());
            }
            seen.views.insert(id, view);
        }
        seen
    }

    /// The version of a table that was seen, if it was.
    pub fn table(&self, table: ObjectId) -> Option<i64> {
        match self.bases.get(&table) {
            Some(Base::Table(version)) => Some(*version),
            _ => None,
        }
    }

    /// Every table that was seen, and the version of it.
    pub fn tables(&self) -> impl Iterator<Item = (ObjectId, i64)> {
        self.bases.keys().filter_map(|id| Some((*id, self.table(*id)?)))
    }

    /// The relations that have to be seen alike.
    pub fn relations(&self, alike: Alike) -> impl Iterator<Item = ObjectId> {
        let is_asked = move |base: &Base| alike == Alike::All || matches!(base, Base::Table(_));
        let bases = self.bases.iter().filter(move |(_, base)| is_asked(base)).map(|(id, _)| *id);
        self.views.keys().copied().chain(bases)
    }

    pub fn sight(&self, relation: ObjectId) -> Option<Sight<'_>> {
        let view = self.views.get(&relation).map(|version| Sight::View(version.stamp));
        view.or_else(|| self.bases.get(&relation).map(Sight::Base))
    }
}
