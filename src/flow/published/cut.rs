//! Versions of several views that agree with each other.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Published, Version};
use crate::model::ObjectId;

/// A version of each view. Where one was computed from another, directly or not, the other is as the one saw it. Where two saw a third as it
/// was at different times, older versions that agree are looked for; if none are kept, the views are as new as they can be.
///
/// `None` if one of them has not published anything.
pub fn cut(views: &[(ObjectId, Arc<Published>)]) -> Option<BTreeMap<ObjectId, Arc<Version>>> {
    let kept: BTreeMap<ObjectId, Vec<Arc<Version>>> = views.iter().map(|(id, view)| (*id, view.versions())).collect();
    let newest: BTreeMap<ObjectId, Arc<Version>> =
        kept.iter().map(|(id, versions)| Some((*id, versions.last()?.clone()))).collect::<Option<_>>()?;
    agreed(&kept, newest.clone()).or_else(|| Some(as_seen(newest)))
}

/// Goes back, view by view, until all agree.
fn agreed(
    kept: &BTreeMap<ObjectId, Vec<Arc<Version>>>,
    mut chosen: BTreeMap<ObjectId, Arc<Version>>,
) -> Option<BTreeMap<ObjectId, Arc<Version>>> {
    loop {
        let oldest = seen_by(&chosen);
        let late = chosen.iter().find_map(|(id, version)| {
            let is_late = saw(version).iter().any(|(upstream, seen)| seen.stamp > oldest[upstream].stamp);
            is_late.then_some((*id, version.stamp))
        });
        let Some((view, stamp)) = late else {
            for (id, version) in &mut chosen {
                if let Some(seen) = oldest.get(id) {
                    *version = seen.clone();
                }
            }
            return Some(chosen);
        };
        let earlier = kept[&view].iter().rev().find(|version| version.stamp < stamp)?;
        chosen.insert(view, earlier.clone());
    }
}

/// The newest of all, but what was seen by others as the one with the oldest view saw it.
fn as_seen(mut chosen: BTreeMap<ObjectId, Arc<Version>>) -> BTreeMap<ObjectId, Arc<Version>> {
    let oldest = seen_by(&chosen);
    for (id, version) in &mut chosen {
        if let Some(seen) = oldest.get(id) {
            *version = seen.clone();
        }
    }
    chosen
}

/// Of every view that some of these were computed from, the oldest version that was seen.
fn seen_by(chosen: &BTreeMap<ObjectId, Arc<Version>>) -> BTreeMap<ObjectId, Arc<Version>> {
    let mut oldest: BTreeMap<ObjectId, Arc<Version>> = BTreeMap::new();
    for (id, seen) in chosen.values().flat_map(|version| saw(version)) {
        let known = oldest.entry(id).or_insert_with(|| seen.clone());
        if seen.stamp < known.stamp {
            *known = seen;
        }
    }
    oldest
}

/// All that a version was computed from, directly or not.
fn saw(version: &Version) -> Vec<(ObjectId, Arc<Version>)> {
    let mut all = vec![];
    for (id, seen) in &version.includes {
        all.push((*id, seen.clone()));
        all.extend(saw(seen));
    }
    all
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field, Schema};

    use super::super::{Answer, Stamp, VERSIONS_KEPT};
    use super::*;

    fn version(tick: u64, includes: &[(ObjectId, &Arc<Version>)]) -> Arc<Version> {
        let schema = Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)]));
        let includes = includes.iter().map(|(id, version)| (*id, (*version).clone())).collect();
        Arc::new(Version::new(Stamp { run: 1, tick }, &Answer::new(schema).unwrap(), includes))
    }

    fn published(versions: &[&Arc<Version>]) -> Arc<Published> {
        let published = Arc::new(Published::default());
        versions.iter().for_each(|version| published.publish((*version).clone()));
        published
    }

    #[test]
    fn a_view_is_read_as_the_view_above_it_saw_it() {
        let [a, b, c] = std::array::from_fn(|_| ObjectId::new());
        let (a1, a2, a3) = (version(1, &[]), version(2, &[]), version(3, &[]));
        let (b1, b2) = (version(1, &[(a, &a1)]), version(2, &[(a, &a2)]));
        let c1 = version(1, &[(b, &b1)]);
        let views = [(a, published(&[&a1, &a2, &a3])), (b, published(&[&b1, &b2])), (c, published(&[&c1]))];
        let ticks =
            |views: &[(ObjectId, Arc<Published>)]| cut(views).unwrap().values().map(|version| version.stamp.tick).collect::<Vec<_>>();
        assert_eq!(ticks(&views), [1, 1, 1]);
        assert_eq!(ticks(&views[..2]), [2, 2]);
        assert_eq!(ticks(&views[..1]), [3]);
        assert_eq!(ticks(&[views[0].clone(), views[2].clone()]), [1, 1]);
        assert!(cut(&[(a, Arc::default())]).is_none());
    }

    #[test]
    fn two_views_of_one_are_read_as_of_one_version_of_it() {
        let [a, b, c] = std::array::from_fn(|_| ObjectId::new());
        let (a1, a2, a3) = (version(1, &[]), version(2, &[]), version(3, &[]));
        let b_ticks = [version(1, &[(a, &a1)]), version(2, &[(a, &a2)]), version(3, &[(a, &a3)])];
        let c_ticks = [version(1, &[(a, &a1)]), version(2, &[(a, &a2)])];
        let views = [(a, published(&[&a3])), (b, published(&b_ticks.each_ref())), (c, published(&c_ticks.each_ref()))];
        let ticks: Vec<u64> = cut(&views).unwrap().values().map(|version| version.stamp.tick).collect();
        assert_eq!(ticks, [2, 2, 2]);
    }

    #[test]
    fn only_the_last_versions_are_kept() {
        let published = Published::default();
        (0..100).for_each(|tick| published.publish(version(tick, &[])));
        assert_eq!(published.versions().len(), VERSIONS_KEPT);
        assert_eq!(published.newest().unwrap().stamp.tick, 99);
    }
}
