//! Which folders of the lake belong to which tables. No two tables share one, and none is inside of another's.

use std::sync::Arc;

use object_store::path::Path;

use crate::catalog::{Definition, Object, ObjectKind, Snapshot};
use crate::error::{Error, Result};
use crate::lake::Lake;

/// Whether a new table may be at a location.
pub fn check_free(catalog: &Snapshot, lake: &Lake, location: &str) -> Result<()> {
    match overlapping(catalog, lake, location, &[])? {
        None => Ok(()),
        Some(owner) => Err(Error::invalid(format!("location '{location}' overlaps table \"{}\"", owner.name))
            .with_hint("give each table a folder of its own")),
    }
}

/// Whether all that is at a location may be erased, when `doomed` are or will be gone.
pub fn check_purge(catalog: &Snapshot, lake: &Lake, location: &str, doomed: &[Arc<Object>]) -> Result<()> {
    match overlapping(catalog, lake, location, doomed)? {
        None => Ok(()),
        Some(owner) => Err(Error::state(format!("location '{location}' cannot be purged because it overlaps table \"{}\"", owner.name))
            .with_hint("leave out PURGE: the files stay then")),
    }
}

/// The table, other than those left out, whose folder is at, above or below a location.
fn overlapping<'a>(catalog: &'a Snapshot, lake: &Lake, location: &str, left_out: &[Arc<Object>]) -> Result<Option<&'a Arc<Object>>> {
    let folder = lake.folder(location)?;
    let mut tables = catalog.iter_kind(ObjectKind::Table).filter(|table| !left_out.iter().any(|other| other.id == table.id));
    Ok(tables.find(|table| match &table.definition {
        // What is not below this root is not near it.
        Definition::Table(definition) => lake.folder(&definition.location).is_ok_and(|other| overlap(&folder, &other)),
        _ => false,
    }))
}

fn overlap(one: &Path, other: &Path) -> bool {
    one.prefix_matches(other) || other.prefix_matches(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_overlap_by_whole_names() {
        let overlap = |one: &str, other: &str| overlap(&Path::from(one), &Path::from(other));
        assert!(overlap("a", "a") && overlap("a", "a/b") && overlap("a/b/c", "a"));
        assert!(!overlap("a", "ab") && !overlap("a/b", "a/c") && !overlap("a-2", "a"));
    }
}
