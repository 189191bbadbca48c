//! Versions of several views that agree with each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::seen::{Alike, Seen};
use super::{Published, Version};
use crate::model::ObjectId;

/// Views over one source stop at the same place by chance. One such place that is long past is no reason to be late.
const LATELY: usize = 10;

/// A version of each view.
pub type Cut = BTreeMap<ObjectId, Arc<Version>>;

/// Versions to choose from, by view, the newest last.
pub type Choice = BTreeMap<ObjectId, Vec<Arc<Version>>>;

/// The newest versions that agree: what two of the views were computed from, directly or not, both saw as it was at one moment. A view from
/// which another of them was computed is as that one saw it. Views over one source agree where they stopped at the same place in it.
///
/// `None` if a view has not published anything, or nothing agrees that is still kept.
pub fn cut(views: &[(ObjectId, Arc<Published>)]) -> Option<Cut> {
    newest_agreed(&views.iter().map(|(id, view)| (*id, view.versions())).collect())
}

/// The same of versions at hand.
pub fn newest_agreed(choice: &Choice) -> Option<Cut> {
    let lately = choice.iter().map(|(id, versions)| (*id, versions[versions.len().saturating_sub(LATELY)..].to_vec())).collect();
    agreed(&lately, Alike::All).or_else(|| agreed(choice, Alike::KeptOnly))
}

/// The newest of all, for want of a cut; but what was seen by others as one of them saw it. `None` if one has published nothing.
pub fn newest(views: &[(ObjectId, Arc<Published>)]) -> Option<Cut> {
    let newest: Cut = views.iter().map(|(id, view)| Some((*id, view.newest()?))).collect::<Option<_>>()?;
    Some(as_seen(newest))
}

/// Goes back, view by view, until all agree. A view only ever moves on in what it sees: what one has not seen up to now is no part of a cut with
/// what came later.
fn agreed(choice: &Choice, alike: Alike) -> Option<Cut> {
    let tops = tops(choice.iter().filter_map(|(id, versions)| Some((id, versions.last()?))));
    let mut at: BTreeMap<ObjectId, usize> = tops.iter().map(|top| (*top, choice[top].len() - 1)).collect();
    let seen = |at: &BTreeMap<ObjectId, usize>, view: ObjectId| -> &Seen { &choice[&view][at[&view]].seen };
    while let Some((one, other, relation)) = disagreement(&tops, |view| seen(&at, view), alike) {
        let sight = seen(&at, one).sight(relation);
        let met = choice[&other][..at[&other]].iter().rposition(|version| version.seen.sight(relation) == sight);
        match met {
            Some(place) => at.insert(other, place),
            None => at.insert(one, at[&one].checked_sub(1)?),
        };
    }
    let chosen: Cut = at.iter().map(|(top, place)| (*top, choice[top][*place].clone())).collect();
    let of = |view: &ObjectId| chosen.get(view).or_else(|| chosen.values().find_map(|version| version.seen.views.get(view))).cloned();
    choice.keys().map(|view| Some((*view, of(view)?))).collect()
}

/// Two views that saw a third relation differently.
fn disagreement<'a>(views: &[ObjectId], seen: impl Fn(ObjectId) -> &'a Seen, alike: Alike) -> Option<(ObjectId, ObjectId, ObjectId)> {
    let pairs = views.iter().enumerate().flat_map(|(nth, one)| views[nth + 1..].iter().map(move |other| (*one, *other)));
    pairs.into_iter().find_map(|(one, other)| {
        let (left, right) = (seen(one), seen(other));
        let differs = |relation: &ObjectId| right.sight(*relation).is_some_and(|sight| left.sight(*relation) != Some(sight));
        let relation = left.relations(alike).find(differs)?;
        Some((one, other, relation))
    })
}

/// The views from which no other was computed.
fn tops<'a>(versions: impl Iterator<Item = (&'a ObjectId, &'a Arc<Version>)> + Clone) -> Vec<ObjectId> {
    let below: BTreeSet<ObjectId> = versions.clone().flat_map(|(_, version)| version.seen.views.keys().copied()).collect();
    versions.map(|(id, _)| *id).filter(|id| !below.contains(id)).collect()
}

/// What the views on top saw of another is what is read of it.
fn as_seen(chosen: Cut) -> Cut {
    let tops = tops(chosen.iter());
    let by_others = |id: &ObjectId| tops.iter().find_map(|top| chosen[top].seen.views.get(id)).cloned();
    chosen.iter().map(|(id, version)| (*id, by_others(id).unwrap_or_else(|| version.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    use super::super::{Answer, Base, Stamp};
    use super::*;
    use crate::model::{PartitionId, PartitionState, Position, Positions};

    fn version_of(tick: u64, seen: Seen) -> Arc<Version> {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        Arc::new(Version::new(Stamp { run: 1, tick }, &Answer::new(schema).unwrap(), seen))
    }

    fn version(tick: u64, includes: &[(ObjectId, &Arc<Version>)]) -> Arc<Version> {
        version_of(tick, Seen::of(BTreeMap::new(), includes.iter().map(|(id, version)| (*id, (*version).clone()))))
    }

    /// Computed from tables.
    fn over(tick: u64, tables: &[(ObjectId, i64)]) -> Arc<Version> {
        let bases = tables.iter().map(|(table, version)| (*table, Base::Table(*version))).collect();
        version_of(tick, Seen::of(bases, []))
    }

    fn published<'a>(versions: impl IntoIterator<Item = &'a Arc<Version>>) -> Arc<Published> {
        let published = Arc::new(Published::default());
        versions.into_iter().for_each(|version| published.publish(version.clone()));
        published
    }

    fn ticks(views: &[(ObjectId, Arc<Published>)]) -> Option<Vec<u64>> {
        let cut = cut(views)?;
        Some(views.iter().map(|(id, _)| cut[id].stamp.tick).collect())
    }

    #[test]
    fn a_view_is_read_as_the_view_above_it_saw_it() {
        let [a, b, c] = std::array::from_fn(|_| ObjectId::new());
        let (a1, a2, a3) = (version(1, &[]), version(2, &[]), version(3, &[]));
        let (b1, b2) = (version(1, &[(a, &a1)]), version(2, &[(a, &a2)]));
        let c1 = version(1, &[(b, &b1)]);
        let views = [(a, published([&a1, &a2, &a3])), (b, published([&b1, &b2])), (c, published([&c1]))];
        assert_eq!(ticks(&views).unwrap(), [1, 1, 1]);
        assert_eq!(ticks(&views[..2]).unwrap(), [2, 2]);
        assert_eq!(ticks(&views[..1]).unwrap(), [3]);
        assert_eq!(ticks(&[views[0].clone(), views[2].clone()]).unwrap(), [1, 1]);
        assert!(cut(&[(a, Arc::default())]).is_none());
    }

    #[test]
    fn two_views_of_one_are_read_as_of_one_version_of_it() {
        let [a, b, c] = std::array::from_fn(|_| ObjectId::new());
        let (a1, a2, a3) = (version(1, &[]), version(2, &[]), version(3, &[]));
        let b_ticks = [version(1, &[(a, &a1)]), version(2, &[(a, &a2)]), version(3, &[(a, &a3)])];
        let c_ticks = [version(1, &[(a, &a1)]), version(2, &[(a, &a2)])];
        let views = [(a, published([&a3])), (b, published(&b_ticks)), (c, published(&c_ticks))];
        assert_eq!(ticks(&views).unwrap(), [2, 2, 2]);
    }

    #[test]
    fn two_views_of_a_table_are_read_as_of_one_version_of_it() {
        let [a, b, t, u] = std::array::from_fn(|_| ObjectId::new());
        let a_ticks = [over(1, &[(t, 5)]), over(2, &[(t, 6)]), over(3, &[(t, 8)]), over(4, &[(t, 9)])];
        let b_ticks = [over(1, &[(t, 4)]), over(2, &[(t, 6)]), over(3, &[(t, 7)])];
        assert_eq!(ticks(&[(a, published(&a_ticks)), (b, published(&b_ticks))]).unwrap(), [2, 2]);
        assert_eq!(ticks(&[(a, published(&a_ticks[2..])), (b, published(&b_ticks))]), None);
        // Of two tables both must be the same.
        let a_ticks = [over(1, &[(t, 1), (u, 1)]), over(2, &[(t, 2), (u, 1)]), over(3, &[(t, 3), (u, 2)])];
        let b_ticks = [over(1, &[(t, 1), (u, 1)]), over(2, &[(t, 2), (u, 2)]), over(3, &[(t, 3), (u, 2)]), over(4, &[(t, 3), (u, 3)])];
        assert_eq!(ticks(&[(a, published(&a_ticks)), (b, published(&b_ticks))]).unwrap(), [3, 3]);
        assert_eq!(ticks(&[(a, published(&a_ticks[..2])), (b, published(&b_ticks))]).unwrap(), [1, 1]);
    }

    #[test]
    fn views_of_a_source_agree_where_they_stopped_at_one_place() {
        let [a, b, s] = std::array::from_fn(|_| ObjectId::new());
        let at = |tick: u64, position: &str| {
            let positions = Positions::from([(PartitionId::new("p"), PartitionState::At(Position::new(position)))]);
            version_of(tick, Seen::of([(s, Base::Source(positions))].into(), []))
        };
        let a_ticks = [at(1, "x"), at(2, "y"), at(3, "z")];
        let b_ticks = [at(1, "y"), at(2, "yy")];
        assert_eq!(ticks(&[(a, published(&a_ticks)), (b, published(&b_ticks))]).unwrap(), [2, 1]);
        // Where they did not, each is as new as it can be.
        assert_eq!(ticks(&[(a, published(&a_ticks[..1])), (b, published(&b_ticks))]).unwrap(), [1, 2]);
    }
}
