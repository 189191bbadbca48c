//! A change to the catalog.

use super::Object;
use crate::model::ObjectId;

/// Changes of one commit are made in the order given, so a name that one of them frees can be used by a later one.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    Create(Object),
    /// The object with the same id becomes this one. Its name may change, its kind may not.
    Replace(Object),
    Drop(ObjectId),
}
