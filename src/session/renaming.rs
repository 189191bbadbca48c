//! New names for what has a job. Whatever reads it goes on reading it: definitions know each other by id, and what a query calls something else by
//! now is kept with what it reads.

use std::collections::BTreeSet;

use super::run::to_the_end;
use super::view_query::check_is_lasting;
use super::{Services, Session};
use crate::catalog::{Change, Namespace, Object, Snapshot};
use crate::error::{Error, Result};
use crate::model::{Name, ObjectId};
use crate::sql::{PlacedName, Renames, renamed};

/// An object's new name.
type Renaming = (ObjectId, Name);

/// `RENAME TO`
pub async fn rename(session: &Session, object: &Object, to: &PlacedName) -> Result<()> {
    check_is_lasting(object)?;
    if object.name == to.name {
        return Err(object.kind().namespace().duplicate(&to.name).at(to.position));
    }
    let (services, renaming) = (session.services.clone(), vec![(object.id, to.name.clone())]);
    to_the_end(async move { give(&services, renaming).await }).await.map_err(|error| error.at(to.position))
}

/// `SWAP WITH`: in one step, so that at no time one of the names means nothing.
pub async fn swap(session: &Session, one: &Object, with: &PlacedName) -> Result<()> {
    let catalog = session.services.flow.catalog.snapshot();
    let other = catalog.expect_kind(one.kind(), &with.name).map_err(|error| error.at(with.position))?;
    check_is_lasting(one)?;
    check_is_lasting(other)?;
    if one.id == other.id {
        return Err(Error::invalid(format!("{one} cannot be swapped with itself")).at(with.position));
    }
    let (services, renamings) = (session.services.clone(), vec![(one.id, other.name.clone()), (other.id, one.name.clone())]);
    to_the_end(async move { give(&services, renamings).await }).await
}

async fn give(services: &Services, renamings: Vec<Renaming>) -> Result<()> {
    let ids: BTreeSet<ObjectId> = renamings.iter().map(|(id, _)| *id).collect();
    let _turns = services.supervisor.turns(&ids).await;
    services.flow.catalog.change(|base| changes(base, &renamings)).await?;
    let mut started = Ok(());
    for id in ids {
        // Its job tells its name wherever it speaks.
        services.supervisor.stop(id).await;
        // As it is now: somebody may have renamed what it reads meanwhile, or dropped it.
        if let Some(object) = services.flow.catalog.snapshot().get(id) {
            started = started.and(services.supervisor.start(object));
        }
    }
    started
}

fn changes(base: &Snapshot, renamings: &[Renaming]) -> Result<Vec<Change>> {
    let object = |id: ObjectId| base.get(id).ok_or_else(|| Error::undefined("the object was dropped meanwhile"));
    let objects = renamings.iter().map(|(id, _)| object(*id)).collect::<Result<Vec<_>>>()?;
    let renamed = objects.iter().zip(renamings).filter(|(object, _)| object.kind().namespace() == Namespace::Relation);
    let relations: Renames = renamed.map(|(object, (_, new))| (object.name.clone(), new.clone())).collect();
    let ids: BTreeSet<ObjectId> = objects.iter().map(|object| object.id).collect();
    // Of two that change places, one must be out of the way first.
    let aside = objects.iter().skip(1).map(|object| Ok(Object { name: Name::new(object.id.to_string())?, ..Object::clone(object) }));
    let mut changed = aside.collect::<Result<Vec<_>>>()?;
    let mut seen = BTreeSet::new();
    for object in objects.iter().copied().chain(objects.iter().flat_map(|object| base.dependents_of(object.id))) {
        let names_one = ids.contains(&object.id) || object.definition.reads(&ids);
        if names_one && seen.insert(object.id) {
            changed.push(under_new_names(object, base, renamings, &relations));
        }
    }
    Ok(changed.into_iter().map(Change::Replace).collect())
}

fn under_new_names(object: &Object, base: &Snapshot, renamings: &[Renaming], relations: &Renames) -> Object {
    let mut object = object.clone();
    let made = renamings.iter().find(|(id, _)| *id == object.id).map(|(_, new)| new);
    object.name = made.unwrap_or(&object.name).clone();
    for input in object.definition.inputs_mut().iter_mut().filter(|input| renamings.iter().any(|(id, _)| *id == input.relation)) {
        let former = base.get(input.relation).map(|read| read.name.clone());
        input.called = input.called.take().or(former);
    }
    // What cannot be read any more is shown as it was.
    if let Ok(text) = renamed(&object.sql, made, relations) {
        object.sql = text;
    }
    object
}
