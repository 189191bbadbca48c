//! Where the tables and views that a view reads go next, so that what it computes is of one moment.
//!
//! Of the views it reads, versions are chosen that agree with each other (`published::cut`), and a table that they were computed from is read up to
//! the version that they saw. While nothing newer agrees there is no next place: the answer is late, and never of two moments.
//!
//! An epoch has to end with versions of other views that are committed, and agree. So the views are asked to commit where they meet: at the
//! newest version of each table that several of them are computed from. Each comes by there, for none goes past what it is asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::FlowServices;
use super::super::super::published::{Choice, Cut, Meeting, Seen, newest_agreed};
use super::inputs::{From, ViewInputs};
use super::table_input::TableInput;
use crate::catalog::Definition;
use crate::error::Result;
use crate::model::{Epoch, ObjectId};

/// What is gone to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Towards {
    Newest,
    /// What the views that are read have committed.
    Boundaries,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// On the way.
    Underway,
    /// There is nothing further on.
    There,
    /// What the views that are read have does not agree.
    Nowhere,
}

impl ViewInputs {
    /// Chooses where to go next. Tables are not read past `limit`.
    pub fn set_out(&mut self, towards: Towards, limit: &Meeting) -> Course {
        let Some(cut) = self.choose(towards, limit) else { return Course::Nowhere };
        let mut is_underway = false;
        for reading in &mut self.kept.0 {
            is_underway |= match &mut reading.from {
                From::Source { .. } => false,
                From::View(upstream) => cut.get(&upstream.id).is_some_and(|version| upstream.aim(version.clone())),
                From::Table(table) => {
                    let seen = cut.values().find_map(|version| version.seen.table(reading.id));
                    let next = seen.or_else(|| next_stop(table, limit.get(&reading.id)).filter(|_| towards == Towards::Newest));
                    next.is_some_and(|next| table.aim(next))
                }
            };
        }
        if is_underway { Course::Underway } else { Course::There }
    }

    /// Whether a table or a view has not come to where it was set out for.
    pub fn are_underway(&self) -> bool {
        self.kept.0.iter().any(|reading| match &reading.from {
            From::Source { .. } => false,
            From::Table(table) => !table.is_there(),
            From::View(upstream) => !upstream.is_there(),
        })
    }

    /// Whether a table has more, and may be read on.
    pub fn has_more(&self, limit: &Meeting) -> bool {
        self.kept.0.iter().any(|reading| match &reading.from {
            From::Table(table) => next_stop(table, limit.get(&reading.id)) > table.position(),
            From::Source { .. } | From::View(_) => false,
        })
    }

    fn choose(&self, towards: Towards, limit: &Meeting) -> Option<Cut> {
        let mut choice = Choice::new();
        for upstream in self.upstreams() {
            let mut versions = match towards {
                Towards::Newest => upstream.versions_ahead(),
                Towards::Boundaries => upstream.boundaries_ahead(),
            };
            versions.retain(|version| self.can_follow(&version.seen, limit));
            choice.insert(upstream.id, versions);
        }
        newest_agreed(&choice)
    }

    /// A table that is read cannot be read back.
    fn can_follow(&self, seen: &Seen, limit: &Meeting) -> bool {
        let is_behind = |(table, version): (ObjectId, i64)| self.position_in(table).is_some_and(|position| version < position);
        let is_beyond = |(table, version): (ObjectId, i64)| limit.get(&table).is_some_and(|limit| version > *limit);
        !seen.tables().any(|table| is_behind(table) || is_beyond(table))
    }

    fn position_in(&self, table: ObjectId) -> Option<i64> {
        self.kept.0.iter().filter(|reading| reading.id == table).find_map(|reading| match &reading.from {
            From::Table(table) => table.position(),
            From::Source { .. } | From::View(_) => None,
        })
    }

    /// The epochs of the views that are read which ended with what was seen of them; `None` unless each has one.
    pub fn boundaries(&self) -> Option<BTreeMap<ObjectId, Epoch>> {
        self.upstreams().map(|upstream| Some((upstream.id, upstream.boundary()?))).collect()
    }

    /// An epoch that goes on from these epochs is committed.
    pub fn go_on_from(&mut self, boundaries: &BTreeMap<ObjectId, Epoch>) {
        for upstream in self.upstreams_mut() {
            if let Some(epoch) = boundaries.get(&upstream.id) {
                upstream.committed(*epoch);
            }
        }
    }

    /// Has the views commit at these versions of the tables they were computed from, those that have not done so. All below them are asked at
    /// once: if each only handed it on, some would have gone past in the meantime.
    pub fn ask_for_boundaries(&self, asker: ObjectId, at: &Meeting, services: &FlowServices) {
        let has_met = |seen: &Seen| at.iter().all(|(table, at)| seen.table(*table).is_none_or(|seen| seen == *at));
        for below in self.below() {
            let published = services.views.get(below);
            if !published.boundaries().iter().any(|boundary| has_met(&boundary.version.seen)) {
                published.ask_for_boundary(asker, at.clone());
            }
        }
        for upstream in self.upstreams() {
            if !upstream.boundaries_ahead().iter().any(|version| has_met(&version.seen)) {
                upstream.published.ask_for_boundary(asker, at.clone());
            }
        }
    }

    /// The job ends: nobody needs to meet any more.
    pub fn forget_meetings(&self, asker: ObjectId, services: &FlowServices) {
        self.below().into_iter().for_each(|view| services.views.get(view).forget_asked(asker));
        self.upstreams().for_each(|upstream| upstream.published.forget_asked(asker));
    }

    /// The views that those are computed from which are read.
    fn below(&self) -> BTreeSet<ObjectId> {
        let newest = self.upstreams().filter_map(|upstream| upstream.published.newest());
        newest.flat_map(|version| version.seen.views.keys().copied().collect::<Vec<_>>()).collect()
    }

    /// Where those that are computed from one table are to meet: at its newest version, unless they can still do so where they were to meet before.
    pub fn meeting(&self, before: &Meeting, services: &FlowServices) -> Result<Meeting> {
        let shared = self.shared_tables();
        let is_possible = |(table, _): (&ObjectId, &i64)| before.get(table).is_some_and(|at| self.can_meet(*table, *at));
        if shared.iter().all(is_possible) {
            return Ok(before.iter().filter(|(table, _)| shared.contains_key(table)).map(|(table, at)| (*table, *at)).collect());
        }
        let catalog = services.catalog.snapshot();
        let mut meeting = Meeting::new();
        for (id, seen) in shared {
            let known = match catalog.get(id).map(|object| &object.definition) {
                Some(Definition::Table(table)) => services.lake.table(&table.location)?.head().and_then(|newest| newest.version()),
                _ => None,
            };
            meeting.insert(id, known.unwrap_or(seen).max(seen));
        }
        Ok(meeting)
    }

    /// Tables that several of the inputs are or were computed from, and the newest version that one of them has.
    fn shared_tables(&self) -> BTreeMap<ObjectId, i64> {
        let mut tables: BTreeMap<ObjectId, (usize, i64)> = BTreeMap::new();
        let of_views = self.upstreams().filter_map(|upstream| upstream.published.newest());
        let seen = of_views.flat_map(|version| version.seen.tables().collect::<Vec<_>>());
        let read = self.kept.0.iter().filter_map(|reading| Some((reading.id, self.position_in(reading.id)?)));
        for (table, version) in seen.chain(read) {
            let known = tables.entry(table).or_insert((0, version));
            *known = (known.0 + 1, known.1.max(version));
        }
        tables.into_iter().filter(|(_, (count, _))| *count > 1).map(|(table, (_, version))| (table, version)).collect()
    }

    /// Whether everybody may still come to this version of the table, or has committed there.
    pub fn can_meet(&self, table: ObjectId, at: i64) -> bool {
        let is_past = |seen: Option<i64>| seen.is_some_and(|seen| seen > at);
        let has_met = |seen: &Seen| seen.table(table).is_none_or(|seen| seen == at);
        !is_past(self.position_in(table))
            && self.upstreams().all(|upstream| {
                let newest = upstream.published.newest().and_then(|newest| newest.seen.table(table));
                !is_past(newest) || upstream.boundaries_ahead().iter().any(|version| has_met(&version.seen))
            })
    }
}

fn next_stop(table: &TableInput, limit: Option<&i64>) -> Option<i64> {
    table.next_stop().map(|next| limit.map_or(next, |limit| next.min(*limit)))
}
