//! `CREATE OR REPLACE` of a view that is there: another is built beside it, and so is one beside each view that reads it. When all of them have caught
//! up with what they read, they take the places of the former ones in one commit of the catalog. Until then nothing changes for whoever reads these.
//!
//! 1. `plan` finds out what is to be built, and whether what depends on the view can be what it was over the new one.
//! 2. `build` defines it under names of its own, each saying what it `replaces`, starts the jobs, and waits for them.
//! 3. `switch` gives the names and the indexes to what was built, and drops the former views.
//! 4. `take_over` has the jobs speak under their new names, and ends the former ones.
//!
//! If anything fails up to the switch, or the client gives up, what was built is removed (`clear_away`). If the server dies before it, the next one
//! does that when it starts (`remove_leftovers`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::{OwnedMutexGuard, oneshot};

use super::ended_jobs::{bury, end_jobs};
use super::run::to_the_end;
use super::view_query::{self, Input, check_is_lasting};
use super::{Notice, Services, Session};
use crate::catalog::{Catalog, Change, Definition, DesiredState, IndexDef, Object, ObjectKind, Snapshot, ViewColumn, ViewDef};
use crate::clock::Clock;
use crate::error::{Error, Result, SqlState};
use crate::flow::engine::Delivery;
use crate::lake::Lake;
use crate::model::{JobId, Name, ObjectId};
use crate::query::view::{can_be_looked_up, schema_of};
use crate::sql;

/// Of a name that is made up, before what makes it another one.
const NAME_BYTES_MAX: usize = 100;

/// What is built, and for whom.
struct Replacement {
    /// The view that the statement names first; then those that read it, each after what it reads.
    parts: Vec<Part>,
    /// Whatever depends on that view, as it was planned with.
    dependents: BTreeSet<ObjectId>,
}

struct Part {
    former: Arc<Object>,
    /// Under the former's name. While it is built it has another.
    built: Arc<Object>,
}

/// Has `view` take the place of `former`, which is in `catalog`. Returns when it has, and is as far as what it reads.
pub async fn replace(session: &Session, former: &Arc<Object>, view: Object, catalog: &Snapshot) -> Result<()> {
    let replacement = plan(session, former, view, catalog).await?;
    let services = session.services.clone();
    // When the statement is cancelled, this future is dropped and the asker with it.
    let (_asker, given_up) = oneshot::channel::<()>();
    let left = to_the_end(async move { carry_out(&services, &replacement, given_up).await }).await?;
    left.into_iter().for_each(|warning| session.notice(warning));
    Ok(())
}

async fn plan(session: &Session, former: &Arc<Object>, view: Object, catalog: &Snapshot) -> Result<Replacement> {
    check_is_lasting(former)?;
    let dependents: Vec<Arc<Object>> = catalog.dependents_of(former.id).into_iter().cloned().collect();
    if dependents.iter().any(|object| object.definition.replaces().is_some()) {
        return Err(overtaken(former));
    }
    let views: Vec<Arc<Object>> = dependents.iter().filter(|object| object.kind() == ObjectKind::View).cloned().collect();
    refuse_circle(&view, former, &views)?;
    if let Some(pipeline) = dependents.iter().find(|object| object.kind() == ObjectKind::Pipeline) {
        return Err(refused(former, pipeline, "what a pipeline has written cannot be computed anew"));
    }
    let mut parts = vec![Part { former: former.clone(), built: Arc::new(replacing(former.id, view)) }];
    for dependent in in_reading_order(views) {
        let anew = made_anew(session, &dependent, &parts).await;
        // What does not answer now is no reason against it.
        let explained = |error: Error| if error.kind().is_retryable() { error } else { refused(former, &dependent, &error.one_line()) };
        let built = replacing(dependent.id, anew.map_err(explained)?);
        parts.push(Part { former: dependent, built: Arc::new(built) });
    }
    for object in &dependents {
        if let Definition::Index(index) = &object.definition {
            check_index(index, &parts).map_err(|error| refused(former, object, error.message()))?;
        }
    }
    Ok(Replacement { parts, dependents: dependents.iter().map(|object| object.id).collect() })
}

fn refuse_circle(view: &Object, former: &Object, dependents: &[Arc<Object>]) -> Result<()> {
    let replaced: BTreeSet<ObjectId> = dependents.iter().map(|object| object.id).chain([former.id]).collect();
    match view.definition.reads(&replaced) {
        false => Ok(()),
        true => Err(Error::invalid(format!("{former} cannot be replaced by a query that reads it, or what depends on it"))
            .with_state(SqlState::INVALID_TABLE_DEFINITION)
            .with_hint("make another view that reads it, then ALTER MATERIALIZED VIEW … SWAP WITH")),
    }
}

fn refused(former: &Object, dependent: &Object, why: &str) -> Error {
    Error::state(format!("cannot replace {former} because {dependent} depends on it"))
        .with_state(SqlState::DEPENDENT_OBJECTS_STILL_EXIST)
        .with_detail(why)
        .with_hint(format!("DROP {} {}, and make it anew afterwards", dependent.kind().as_str().to_uppercase(), dependent.name.quoted()))
}

fn replacing(former: ObjectId, mut view: Object) -> Object {
    if let Definition::View(definition) = &mut view.definition {
        definition.replaces = Some(former);
    }
    view
}

/// Each after those that it reads.
fn in_reading_order(mut left: Vec<Arc<Object>>) -> Vec<Arc<Object>> {
    let mut ordered = vec![];
    while !left.is_empty() {
        let ids: BTreeSet<ObjectId> = left.iter().map(|view| view.id).collect();
        // Definitions cannot form a circle, for each names only what was there before it.
        let (later, now): (Vec<_>, Vec<_>) = left.into_iter().partition(|view| view.definition.reads(&ids));
        ordered.extend(now);
        left = later;
    }
    ordered
}

/// The same view over what was built already. It is no newer than the former: that decides where `start = 'latest'` is.
async fn made_anew(session: &Session, former: &Object, built: &[Part]) -> Result<Object> {
    let Definition::View(definition) = &former.definition else { return Err(Error::internal(format!("{former} is not a view"))) };
    let replaced: BTreeMap<ObjectId, Arc<Object>> = built.iter().map(|part| (part.former.id, part.built.clone())).collect();
    let inputs = view_query::inputs_anew(session, definition, &replaced).await?;
    let query = sql::parse_query(&definition.query)?;
    let dataflow = view_query::plan(&query, &inputs, definition.emit, Delivery::Kept, &definition.query).await?;
    let columns = view_query::columns(dataflow.schema())?;
    if columns != definition.columns {
        let (before, now) = (listed(&definition.columns), listed(&columns));
        return Err(Error::state(format!("its columns would be ({now}) and are ({before})")));
    }
    let anew = ViewDef {
        job: JobId::new(),
        inputs: inputs.iter().map(Input::to_saved).collect(),
        unique: dataflow.unique().map(<[usize]>::to_vec),
        // It must run to take over, whether or not the former does.
        state: DesiredState::Running,
        ..definition.clone()
    };
    Ok(Object { id: ObjectId::new(), definition: Definition::View(anew), ..former.clone() })
}

fn listed(columns: &[ViewColumn]) -> String {
    columns.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect::<Vec<_>>().join(", ")
}

fn check_index(index: &IndexDef, parts: &[Part]) -> Result<()> {
    let part = parts.iter().find(|part| part.former.id == index.view);
    let Some(Definition::View(view)) = part.map(|part| &part.built.definition) else {
        return Err(Error::internal("an index is of a view that is not replaced"));
    };
    let schema = schema_of(view);
    for column in &index.columns {
        match schema.field_with_name(column) {
            Ok(field) if can_be_looked_up(field.data_type()) => {}
            Ok(_) => return Err(Error::state(format!("rows could not be looked up by column \"{column}\" of its new type"))),
            Err(_) => return Err(Error::state(format!("column \"{column}\" would not exist any more"))),
        }
    }
    Ok(())
}

/// Returns what is to be said of what could not be removed.
async fn carry_out(services: &Services, replacement: &Replacement, given_up: oneshot::Receiver<()>) -> Result<Vec<Notice>> {
    let switched = match build(services, replacement, given_up).await {
        Ok(()) => switch(services, replacement).await,
        Err(error) => Err(error),
    };
    match switched {
        Ok(_turns) => take_over(services, replacement).await,
        Err(error) => {
            clear_away(services, replacement).await;
            Err(error)
        }
    }
}

async fn build(services: &Services, replacement: &Replacement, given_up: oneshot::Receiver<()>) -> Result<()> {
    let catalog = services.flow.catalog.change(|base| definitions(base, replacement)).await?;
    let defined: Vec<_> = replacement.parts.iter().filter_map(|part| catalog.get(part.built.id)).collect();
    for object in &defined {
        services.supervisor.start(object)?;
    }
    let catch_up = async {
        for object in defined {
            services.supervisor.caught_up(object.id, &object.name).await?;
        }
        Ok(())
    };
    tokio::select! {
        biased;
        _ = given_up => Err(Error::cancelled("the statement was cancelled")),
        caught_up = catch_up => caught_up.map_err(|error| not_replaced(&replacement.parts[0].former, &error)),
    }
}

fn definitions(base: &Snapshot, replacement: &Replacement) -> Result<Vec<Change>> {
    let mut chosen = BTreeSet::new();
    let mut changes = vec![];
    for part in &replacement.parts {
        let name = free_name(base, &part.former.name, &chosen)?;
        chosen.insert(name.clone());
        changes.push(Change::Create(Object { name, ..Object::clone(&part.built) }));
    }
    Ok(changes)
}

/// `view__replacement`, and a number where that is taken.
fn free_name(base: &Snapshot, former: &Name, chosen: &BTreeSet<Name>) -> Result<Name> {
    let stem = &former.as_str()[..former.as_str().floor_char_boundary(NAME_BYTES_MAX)];
    let names = std::iter::once(format!("{stem}__replacement")).chain((2..).map(|number| format!("{stem}__replacement{number}")));
    for name in names {
        let name = Name::new(&name)?;
        if !base.is_taken(ObjectKind::View, &name) && !chosen.contains(&name) {
            return Ok(name);
        }
    }
    unreachable!("there is a number for each name")
}

fn not_replaced(former: &Object, error: &Error) -> Error {
    let refused = Error::state(format!("{former} was not replaced")).with_detail(error.one_line());
    match error.hint() {
        Some(hint) => refused.with_hint(hint),
        None => refused,
    }
}

/// What was built takes the places of the former views. The turns are those of all of them: what follows is part of it.
async fn switch(services: &Services, replacement: &Replacement) -> Result<Vec<OwnedMutexGuard<()>>> {
    let all = replacement.parts.iter().flat_map(|part| [part.former.id, part.built.id]).collect();
    let turns = services.supervisor.turns(&all).await;
    services.flow.catalog.change(|base| switched(base, replacement)).await?;
    Ok(turns)
}

fn switched(base: &Snapshot, replacement: &Replacement) -> Result<Vec<Change>> {
    let dependents: BTreeSet<ObjectId> = base.dependents_of(replacement.parts[0].former.id).iter().map(|object| object.id).collect();
    let placed: Option<Vec<Object>> = replacement.parts.iter().enumerate().map(|(nth, part)| in_its_place(base, part, nth > 0)).collect();
    let Some(placed) = placed.filter(|_| dependents == replacement.dependents) else {
        return Err(overtaken(&replacement.parts[0].former));
    };
    let indexes = base.iter_kind(ObjectKind::Index).filter_map(|index| with_its_view(index, &replacement.parts));
    let dropped = replacement.parts.iter().map(|part| Change::Drop(part.former.id));
    Ok(dropped.chain(placed.into_iter().chain(indexes).map(Change::Replace)).collect())
}

/// What was built, under the former's name. Whether the job runs is not the statement's to say. `None` if one of them is not what it was.
fn in_its_place(base: &Snapshot, part: &Part, is_dependent: bool) -> Option<Object> {
    let former = base.get(part.former.id).filter(|former| former.name == part.former.name)?;
    let mut object = Object { name: former.name.clone(), ..Object::clone(base.get(part.built.id)?) };
    let (Definition::View(view), Definition::View(before)) = (&mut object.definition, &former.definition) else { return None };
    view.replaces = None;
    view.state = before.state;
    if is_dependent {
        view.commit_interval_ms = before.commit_interval_ms;
    }
    Some(object)
}

fn with_its_view(index: &Object, parts: &[Part]) -> Option<Object> {
    let Definition::Index(definition) = &index.definition else { return None };
    let part = parts.iter().find(|part| part.former.id == definition.view)?;
    let definition = Definition::Index(IndexDef { view: part.built.id, ..definition.clone() });
    Some(Object { definition, ..index.clone() })
}

fn overtaken(former: &Object) -> Error {
    Error::unavailable(format!("{former} could not be replaced"))
        .with_state(SqlState::SERIALIZATION_FAILURE)
        .with_detail("another statement changed it, or what depends on it, in the meantime")
        .with_hint("try again")
}

/// The jobs go on under their new names. Those who still read the former views are given the time that this takes.
async fn take_over(services: &Services, replacement: &Replacement) -> Result<Vec<Notice>> {
    // A view commits a last time with those that it reads.
    for part in replacement.parts.iter().rev() {
        services.supervisor.stop(part.built.id).await;
    }
    let mut started = Ok(());
    for part in &replacement.parts {
        // As it is now: somebody may have renamed what it reads meanwhile, or dropped it.
        if let Some(object) = services.flow.catalog.snapshot().get(part.built.id) {
            started = started.and(services.supervisor.start(object));
        }
    }
    let former: Vec<Arc<Object>> = replacement.parts.iter().map(|part| part.former.clone()).collect();
    let left = end_jobs(services, &former, &services.flow.catalog.snapshot()).await;
    started.map(|()| left)
}

/// The definitions go first, as with `DROP`. What the statement answers is why it comes to this; what goes wrong here too is logged.
async fn clear_away(services: &Services, replacement: &Replacement) {
    let is_built = |object: &Object| replacement.parts.iter().any(|part| part.built.id == object.id);
    match drop_replacements(&services.flow.catalog, is_built).await {
        Ok(dropped) => {
            for warning in end_jobs(services, &dropped, &services.flow.catalog.snapshot()).await {
                tracing::warn!("{}", warning.message);
            }
        }
        Err(error) => {
            tracing::error!(?error, "what was built to replace a view could not be dropped; that is done when the server starts again")
        }
    }
}

/// Removes what a server that died had begun to build. No job runs yet.
pub async fn remove_leftovers(catalog: &Catalog, lake: &Lake, clock: &Clock) -> Result<()> {
    if !catalog.snapshot().iter_kind(ObjectKind::View).any(|view| view.definition.replaces().is_some()) {
        return Ok(());
    }
    for object in drop_replacements(catalog, |_| true).await? {
        tracing::info!("{object} was being built when the server died, and is removed");
        if let Some(warning) = bury(lake, clock, &object, &catalog.snapshot()).await {
            tracing::warn!("{}", warning.message);
        }
    }
    Ok(())
}

/// Drops the definitions of views that have not taken another one's place. Returns them.
async fn drop_replacements(catalog: &Catalog, are_meant: impl Fn(&Object) -> bool) -> Result<Vec<Arc<Object>>> {
    let mut dropped = vec![];
    let plan = |base: &Snapshot| {
        let built = base.iter_kind(ObjectKind::View).filter(|object| object.definition.replaces().is_some());
        dropped.extend(built.filter(|object| are_meant(object)).cloned());
        Ok(dropped.iter().map(|object| Change::Drop(object.id)).collect())
    };
    catalog.change(plan).await?;
    Ok(dropped)
}
