//! All definitions at one moment. Immutable: whoever holds one sees no later change.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::definition::Reference;
use super::{Change, Definition, IndexDef, Namespace, Object, ObjectKind};
use crate::error::{Error, Result, SqlState};
use crate::model::{Name, ObjectId};

/// Counts the commits of a catalog store. Equal generations have equal objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Generation(pub i64);

#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    generation: Generation,
    objects: BTreeMap<ObjectId, Arc<Object>>,
    names: BTreeMap<Namespace, BTreeMap<Name, ObjectId>>,
}

impl Snapshot {
    pub fn generation(&self) -> Generation {
        self.generation
    }

    pub fn get(&self, id: ObjectId) -> Option<&Arc<Object>> {
        self.objects.get(&id)
    }

    /// What stands in `FROM` under this name.
    pub fn relation(&self, name: &Name) -> Option<&Arc<Object>> {
        self.named(Namespace::Relation, name).filter(|object| object.kind() != ObjectKind::Index)
    }

    /// Whether something of this kind cannot have the name, for something else has it.
    pub fn is_taken(&self, kind: ObjectKind, name: &Name) -> bool {
        self.named(kind.namespace(), name).is_some()
    }

    /// The object of this kind and name. Another kind under the same name is not found.
    pub fn find(&self, kind: ObjectKind, name: &Name) -> Option<&Arc<Object>> {
        self.named(kind.namespace(), name).filter(|object| object.kind() == kind)
    }

    /// The same, or why there is none: nothing has the name, or something else has it.
    pub fn expect_kind(&self, kind: ObjectKind, name: &Name) -> Result<&Arc<Object>> {
        match self.named(kind.namespace(), name) {
            None => Err(kind.undefined(name)),
            Some(object) if object.kind() == kind => Ok(object),
            Some(other) => Err(Error::invalid(format!("\"{name}\" is not {}", kind.with_article()))
                .with_state(SqlState::WRONG_OBJECT_TYPE)
                .with_hint(format!("use DROP {} to remove {}", other.kind().as_str().to_uppercase(), other.kind().with_article()))),
        }
    }

    /// All objects of a kind, in the order of their names.
    pub fn iter_kind(&self, kind: ObjectKind) -> impl Iterator<Item = &Arc<Object>> {
        let names = self.names.get(&kind.namespace()).into_iter().flat_map(BTreeMap::values);
        names.filter_map(|id| self.get(*id)).filter(move |object| object.kind() == kind)
    }

    /// By which columns rows of a view are looked up, beside its key.
    pub fn indexes_of(&self, view: ObjectId) -> impl Iterator<Item = &IndexDef> {
        self.iter_kind(ObjectKind::Index).filter_map(move |object| match &object.definition {
            Definition::Index(index) if index.view == view => Some(index),
            _ => None,
        })
    }

    /// Everything that cannot exist without this object, each once, the nearest first: what `DROP … CASCADE` drops with it.
    pub fn dependents_of(&self, id: ObjectId) -> Vec<&Arc<Object>> {
        let mut found: Vec<&Arc<Object>> = Vec::new();
        let mut seen = BTreeSet::from([id]);
        let mut next = Some(id);
        let mut followed = 0;
        while let Some(id) = next {
            let nearer = self.objects.values().filter(|object| self.references(object, id));
            found.extend(nearer.filter(|object| seen.insert(object.id)));
            next = found.get(followed).map(|object| object.id);
            followed += 1;
        }
        found
    }

    fn references(&self, object: &Object, id: ObjectId) -> bool {
        object.definition.references().iter().any(|reference| self.resolve(reference).is_some_and(|other| other.id == id))
    }

    fn named(&self, namespace: Namespace, name: &Name) -> Option<&Arc<Object>> {
        self.names.get(&namespace)?.get(name).and_then(|id| self.get(*id))
    }

    fn resolve(&self, reference: &Reference<'_>) -> Option<&Arc<Object>> {
        match reference {
            Reference::Id(id) => self.get(*id),
            Reference::Secret(name) => self.find(ObjectKind::Secret, name),
        }
    }
}

impl Snapshot {
    pub(super) fn of(generation: Generation, objects: Vec<Object>) -> Snapshot {
        let mut snapshot = Snapshot { generation, ..Snapshot::default() };
        objects.into_iter().for_each(|object| snapshot.insert(object));
        snapshot
    }

    /// The snapshot that follows when all the changes are made, in their order. References are judged when all are made.
    pub(super) fn apply(&self, changes: &[Change], generation: Generation) -> Result<Snapshot> {
        let mut next = Snapshot { generation, ..self.clone() };
        for change in changes {
            match change {
                Change::Create(object) => next.create(object)?,
                Change::Replace(object) => next.replace(object)?,
                Change::Drop(id) => next.remove(*id).map(|_| ()).ok_or_else(gone)?,
            }
        }
        next.check_references(self)?;
        Ok(next)
    }

    fn create(&mut self, object: &Object) -> Result<()> {
        if self.objects.contains_key(&object.id) {
            return Err(Error::internal(format!("the id {} is used twice", object.id)));
        }
        self.check_name_is_free(object)?;
        self.insert(object.clone());
        Ok(())
    }

    fn replace(&mut self, object: &Object) -> Result<()> {
        let former = self.remove(object.id).ok_or_else(|| object.kind().undefined(&object.name))?;
        if former.kind() != object.kind() {
            return Err(Error::internal(format!("{former} cannot be replaced by a {}", object.kind())));
        }
        self.check_name_is_free(object)?;
        self.insert(object.clone());
        Ok(())
    }

    fn check_name_is_free(&self, object: &Object) -> Result<()> {
        let namespace = object.kind().namespace();
        match self.named(namespace, &object.name) {
            None => Ok(()),
            Some(_) => Err(namespace.duplicate(&object.name)),
        }
    }

    fn insert(&mut self, object: Object) {
        self.names.entry(object.kind().namespace()).or_default().insert(object.name.clone(), object.id);
        self.objects.insert(object.id, Arc::new(object));
    }

    fn remove(&mut self, id: ObjectId) -> Option<Arc<Object>> {
        let object = self.objects.remove(&id)?;
        if let Some(names) = self.names.get_mut(&object.kind().namespace()) {
            names.remove(&object.name);
        }
        Some(object)
    }

    /// `former` is the snapshot before the changes: it tells what was dropped from what never was.
    fn check_references(&self, former: &Snapshot) -> Result<()> {
        for object in self.objects.values() {
            for reference in object.definition.references() {
                if self.resolve(&reference).is_none() {
                    return Err(match former.resolve(&reference) {
                        Some(lost) => self.still_needed(lost, former),
                        None => dangling(object, &reference),
                    });
                }
            }
        }
        Ok(())
    }

    fn still_needed(&self, lost: &Object, former: &Snapshot) -> Error {
        let left = former.dependents_of(lost.id).into_iter().filter(|object| self.objects.contains_key(&object.id));
        let detail: Vec<_> = left.map(|object| format!("{object} depends on it")).collect();
        let renamed = self.get(lost.id).is_some();
        let verb = if renamed { "rename" } else { "drop" };
        let error = Error::state(format!("cannot {verb} {lost} because other objects depend on it"))
            .with_state(SqlState::DEPENDENT_OBJECTS_STILL_EXIST)
            .with_detail(detail.join("\n"));
        match renamed {
            true => error,
            false => error.with_hint("use DROP … CASCADE to drop them too"),
        }
    }
}

/// An id whose object is no more: another statement dropped it after this one had looked it up.
pub(super) fn gone() -> Error {
    Error::undefined("the object does not exist any more").with_detail("another statement dropped it")
}

fn dangling(object: &Object, reference: &Reference<'_>) -> Error {
    match reference {
        Reference::Secret(name) => ObjectKind::Secret.undefined(name),
        Reference::Id(_) => Error::undefined(format!("a relation that {object} uses does not exist any more"))
            .with_state(SqlState::UNDEFINED_TABLE)
            .with_detail("another statement dropped it"),
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
