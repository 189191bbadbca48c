//! New names for what has a job. Whatever reads it goes on reading it: definitions know each other by id, and what a query calls something else by
//! now is kept with what it reads.

use std::collections::BTreeSet;

use super::job_settings::{Whose, find};
use super::run::to_the_end;
use super::{Services, Session};
use crate::catalog::{Change, Namespace, Object, Snapshot};
use crate::error::{Error, Result};
use crate::model::{Name, ObjectId};
use crate::sql::{PlacedName, Renames, renamed};

/// An object's new name.
type Renaming = (ObjectId, Name);

/// `RENAME TO`
pub async fn rename(session: &Session, whose: Whose<'_>, to: &PlacedName) -> Result<()> {
    let Some(object) = find(session, &whose)? else { return Ok(()) };
    if object.name == to.name {
        return Err(object.kind().namespace().duplicate(&to.name).at(to.position));
    }
    let (services, renaming) = (session.services.clone(), vec![(object.id, to.name.clone())]);
    to_the_end(async move { give(&services, renaming).await }).await.map_err(|error| error.at(to.position))
}

/// `SWAP WITH`: in one step, so that at no time one of the names means nothing.
pub async fn swap(session: &Session, whose: Whose<'_>, with: &PlacedName) -> Result<()> {
    let kind = whose.kind;
    let Some(one) = find(session, &whose)? else { return Ok(()) };
    let other = find(session, &Whose { kind, name: &with.name, position: with.position, if_exists: false })?;
    let other = other.ok_or_else(|| kind.undefined(&with.name).at(with.position))?;
    if one.id == other.id {
        let error = Error::invalid(format!("{} cannot be swapped with itself", one.as_ref()));
        return Err(error.at(with.position));
    }
    let (services, renamings) = (session.services.clone(), vec![(one.id, other.name.clone()), (other.id, one.name.clone())]);
    to_the_end(async move { give(&services, renamings).await }).await
}

async fn give(services: &Services, renamings: Vec<Renaming>) -> Result<()> {
    // In one order, whoever else renames: nobody waits for a turn that waits for his.
    let ids: BTreeSet<ObjectId> = renamings.iter().map(|(id, _)| *id).collect();
    let mut turns = vec![];
    for id in &ids {
        turns.push(services.supervisor.turn(*id).await);
    }
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
    let mut relations = Renames::new();
    for (id, new) in renamings {
        let object = base.get(*id).ok_or_else(|| Error::undefined("the object was dropped meanwhile"))?;
        if object.kind().namespace() == Namespace::Relation {
            relations.insert(object.name.clone(), new.clone());
        }
    }
    let ids: BTreeSet<ObjectId> = renamings.iter().map(|(id, _)| *id).collect();
    let mut concerned: Vec<Object> = vec![];
    for object in renamings.iter().flat_map(|(id, _)| base.get(*id).into_iter().chain(base.dependents_of(*id))) {
        let names_one = object.definition.reads(&ids) || ids.contains(&object.id);
        if names_one && !concerned.iter().any(|known| known.id == object.id) {
            concerned.push(under_new_names(object, base, renamings, &relations));
        }
    }
    // Of two that change places, one must be out of the way first.
    let aside = renamings.iter().skip(1).map(|(id, _)| {
        let object = base.get(*id).ok_or_else(|| Error::undefined("the object was dropped meanwhile"))?;
        Ok(Change::Replace(Object { name: Name::new(format!("{id}"))?, ..Object::clone(object) }))
    });
    aside.chain(concerned.into_iter().map(|object| Ok(Change::Replace(object)))).collect()
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
