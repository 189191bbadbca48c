//! Operator state in the bucket: `_lakewire/jobs/<job>/state/<epoch, 20 digits>-<token>.arrows`.
//!
//! An object holds, one after another, Arrow IPC streams of changes: of each state what changed in an epoch, or all of it (a base). The manifest
//! of an epoch names the objects, and the parts of them, that together are the state after it; nothing else does, so an object that no
//! manifest names was left behind by a stop and means nothing. A state gets a new base when what changed since the last outgrows it.
//! Objects that are not needed any more are removed some time later, in the background: by their job, or by a sweep (`maintenance`).

use std::collections::BTreeSet;
use std::io::Cursor;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::engine::State;
use super::manifest::SavedState;
use super::published::Answer;
use crate::error::{Error, Result, SqlState};
use crate::lake::Lake;
use crate::model::id::unique_token;
use crate::model::{Changes, Epoch, JobId};

/// The state that is the answer of a view.
pub const ANSWER: &str = "answer";

/// An object is closed when it has so many bytes; a part is never cut.
const OBJECT_BYTES_MAX: usize = 64 << 20;
/// Rows of one part, and roughly its bytes.
const PART_ROWS_MAX: usize = 1 << 20;
const PART_BYTES_MAX: usize = 32 << 20;
/// A base is not worth its PUT for less.
const BASE_ROWS_MIN: u64 = 1024;
/// With more parts since its base a state gets a new one, so that manifests stay small.
const PARTS_MAX: usize = 128;
/// How long an object that no newer manifest names is kept for those that may still read it by an older one.
const KEPT: Duration = Duration::from_secs(3600);
/// Objects that were never named are looked for once in so many epochs.
const LISTING_EPOCHS: u64 = 64;
/// And by the daily sweep of any server, which has read an older manifest: it spares what is younger than `SWEPT_AFTER`, and no epoch commits
/// state that is older than this.
const UNNAMED_MAX: Duration = Duration::from_secs(24 * 3600);
pub const SWEPT_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

/// An object and what is in it that is still needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateObject {
    /// Within the job's folder `state`.
    pub name: String,
    pub parts: Vec<StatePart>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatePart {
    pub state: String,
    pub kind: PartKind,
    pub rows: u64,
    pub offset: u64,
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    Base,
    Changes,
}

/// An object that the newest manifest does not name any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retired {
    pub name: String,
    pub at_micros: i64,
    /// The last epoch that named it.
    pub epoch: Epoch,
}

/// The state objects of one job.
pub struct StateStore {
    lake: Lake,
    job: JobId,
    /// The oldest first.
    objects: Vec<StateObject>,
    retired: Vec<Retired>,
    /// Written since the last epoch was committed.
    unnamed: Vec<String>,
    cleaning: JoinSet<()>,
}

impl StateStore {
    pub fn new(lake: Lake, job: JobId, objects: Vec<StateObject>, retired: Vec<Retired>) -> StateStore {
        StateStore { lake, job, objects, retired, unnamed: vec![], cleaning: JoinSet::new() }
    }

    pub fn objects(&self) -> &[StateObject] {
        &self.objects
    }

    pub fn retired(&self) -> &[Retired] {
        &self.retired
    }

    /// Writes what changed since the last time, object by object. Nothing is saved before a manifest names it.
    pub async fn write(&mut self, epoch: Epoch, states: Vec<(String, &mut dyn State)>, now_micros: i64) -> Result<()> {
        let mut open = OpenObject::new(epoch);
        let mut written = vec![];
        for (name, state) in states {
            let Some((kind, changes)) = self.to_save(&name, state)? else { continue };
            if kind == PartKind::Base {
                self.forget(&name, epoch, now_micros);
            }
            for part in slices(&changes, kind) {
                open.add(&name, kind, &part)?;
                if open.bytes.len() >= OBJECT_BYTES_MAX {
                    let full = std::mem::replace(&mut open, OpenObject::new(epoch));
                    written.push(self.put(full).await?);
                }
            }
        }
        if !open.object.parts.is_empty() {
            written.push(self.put(open).await?);
        }
        self.objects.append(&mut written);
        Ok(())
    }

    async fn put(&mut self, OpenObject { object, bytes }: OpenObject) -> Result<StateObject> {
        let path = self.path(&object.name);
        self.unnamed.push(object.name.clone());
        self.lake.store().put(&path, PutPayload::from(bytes)).await.map_err(|error| refused("write", self.job, error))?;
        Ok(object)
    }

    /// Hands on the saved changes of the states, part by part: of each state the oldest first.
    pub async fn read(&self, take: impl FnMut(&str, &Changes) -> Result<()>) -> Result<()> {
        read(&self.lake, self.job, &self.objects, |_| true, take).await
    }

    /// Objects that the next manifest will not name.
    pub fn retire(&mut self, objects: Vec<StateObject>, epoch: Epoch, now_micros: i64) {
        self.retired.extend(objects.into_iter().map(|object| retire(object, epoch, now_micros)));
    }

    /// Removes what no manifest names nor will: the epoch it was written for was given up before it was tried to decide it.
    pub async fn discard_unnamed(&mut self) {
        for name in std::mem::take(&mut self.unnamed) {
            let path = self.path(&name);
            match self.lake.store().delete(&path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => tracing::debug!(%error, %path, "a state object that was given up could not be removed"),
            }
        }
    }

    /// After an epoch was committed: now and then removes objects that nobody needs. `needed_from` is the oldest epoch that another job goes
    /// on from, `shown` names objects that the manifests name beside the state. `begun` is when the writing of the epoch began: should this job
    /// have slept since and another server have taken it over, what that one has written is younger.
    pub fn clean(&mut self, epoch: Epoch, needed_from: Option<Epoch>, shown: Vec<String>, begun: DateTime<Utc>) {
        self.unnamed.clear();
        while self.cleaning.try_join_next().is_some() {}
        let is_over = |retired: &Retired| {
            let is_old = retired.at_micros < (begun - KEPT).timestamp_micros();
            is_old && needed_from.is_none_or(|needed| retired.epoch < needed)
        };
        let (over, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut self.retired).into_iter().partition(is_over);
        self.retired = kept;
        for retired in over {
            let (store, path) = (self.lake.store().clone(), self.path(&retired.name));
            self.cleaning.spawn(async move {
                if let Err(error) = store.delete(&path).await {
                    tracing::debug!(%error, %path, "an old state object could not be removed");
                }
            });
        }
        if epoch.0.is_multiple_of(LISTING_EPOCHS) {
            self.remove_orphans(shown, begun - KEPT);
        }
    }

    /// Removes what no manifest names. Whatever is young may be named by one that is about to be written.
    fn remove_orphans(&mut self, shown: Vec<String>, older_than: DateTime<Utc>) {
        let objects = self.objects.iter().map(|object| object.name.clone());
        let retired = self.retired.iter().map(|retired| retired.name.clone());
        let named: BTreeSet<String> = objects.chain(retired).chain(shown).collect();
        let (lake, job) = (self.lake.clone(), self.job);
        self.cleaning.spawn(async move {
            if let Err(error) = remove_unnamed(&lake, job, &named, older_than).await {
                tracing::debug!(%error, %job, "state objects that nobody needs could not be removed");
            }
        });
    }

    fn to_save(&self, name: &str, state: &mut dyn State) -> Result<Option<(PartKind, Changes)>> {
        let changes = state.take_changes()?;
        if changes.is_empty() {
            return Ok(None);
        }
        let parts = || self.objects.iter().flat_map(|object| &object.parts).filter(|part| part.state == name);
        let rows = |kind| parts().filter(|part| part.kind == kind).map(|part| part.rows).sum::<u64>();
        let outgrown = rows(PartKind::Changes) + changes.len() as u64 > rows(PartKind::Base).max(BASE_ROWS_MIN);
        let has_any = parts().next().is_some();
        let changed = parts().filter(|part| part.kind == PartKind::Changes).count();
        match has_any && (outgrown || changed >= PARTS_MAX) {
            true => Ok(Some((PartKind::Base, state.everything()?))),
            false => Ok(Some((if has_any { PartKind::Changes } else { PartKind::Base }, changes))),
        }
    }

    /// The parts of a state are not needed any more.
    fn forget(&mut self, name: &str, epoch: Epoch, now_micros: i64) {
        for object in &mut self.objects {
            object.parts.retain(|part| part.state != name);
        }
        let (empty, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.objects).into_iter().partition(|object| object.parts.is_empty());
        self.objects = left;
        self.retired.extend(empty.into_iter().map(|object| retire(object, epoch, now_micros)));
    }

    fn path(&self, name: &str) -> Path {
        folder(&self.lake, self.job).join(name)
    }
}

/// Objects that the next manifest will not name.
pub fn retire(object: StateObject, epoch: Epoch, now_micros: i64) -> Retired {
    Retired { name: object.name, at_micros: now_micros, epoch }
}

/// Objects with the parts of one state only, and those that have none of it.
pub fn only(state: &str, objects: Vec<StateObject>) -> (Vec<StateObject>, Vec<StateObject>) {
    let is_of = |object: &StateObject| object.parts.iter().any(|part| part.state == state);
    let (mut of, others): (Vec<_>, Vec<_>) = objects.into_iter().partition(is_of);
    of.iter_mut().for_each(|object| object.parts.retain(|part| part.state == state));
    (of, others)
}

/// Takes in what readers are shown of a view at an epoch.
pub async fn read_answer(lake: &Lake, job: JobId, saved: &SavedState, answer: &mut Answer) -> Result<()> {
    read(lake, job, saved.shown_objects(), |name| name == ANSWER, |_, changes| answer.restore(changes)).await
}

/// Whether state that was written then may be named now. To be asked before a manifest names it for the first time.
///
/// Errors: `Unavailable` if it lay about for so long that a sweep may take it, or has taken it, for an orphan.
pub fn check_young(written_micros: i64, now_micros: i64) -> Result<()> {
    match now_micros - written_micros > UNNAMED_MAX.as_micros() as i64 {
        false => Ok(()),
        true => Err(Error::unavailable("what was saved is too old to be committed").with_hint("nothing was changed: begin it anew")),
    }
}

/// Removes older state objects of a job that are not among these. Gives how many. May be done by several at once.
pub async fn remove_unnamed(lake: &Lake, job: JobId, named: &BTreeSet<String>, older_than: DateTime<Utc>) -> Result<usize> {
    let listed = lake.store().list(Some(&folder(lake, job))).try_collect().await;
    let mut orphans: Vec<ObjectMeta> = listed.map_err(|error| refused("list", job, error))?;
    let is_named = |object: &ObjectMeta| object.location.filename().is_some_and(|name| named.contains(name));
    orphans.retain(|object| object.last_modified < older_than && !is_named(object));
    let count = orphans.len();
    let orphans = futures::stream::iter(orphans.into_iter().map(|object| Ok(object.location)));
    let mut removed = lake.store().delete_stream(orphans.boxed());
    while let Some(outcome) = removed.next().await {
        match outcome {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => return Err(refused("remove", job, error)),
        }
    }
    Ok(count)
}

/// Removes all state of a job that was dropped.
pub async fn purge(lake: &Lake, job: JobId) -> Result<()> {
    let objects = lake.store().list(Some(&folder(lake, job))).map_ok(|object| object.location).boxed();
    let removed = lake.store().delete_stream(objects).try_for_each(|_| std::future::ready(Ok(()))).await;
    removed.map_err(|error| refused("remove", job, error))
}

/// One object at a time.
async fn read(
    lake: &Lake,
    job: JobId,
    objects: &[StateObject],
    is_wanted: impl Fn(&str) -> bool,
    mut take: impl FnMut(&str, &Changes) -> Result<()>,
) -> Result<()> {
    for object in objects.iter().filter(|object| object.parts.iter().any(|part| is_wanted(&part.state))) {
        let path = folder(lake, job).join(object.name.as_str());
        let body = match lake.store().get(&path).await {
            Ok(found) => found.bytes().await.map_err(|error| refused("read", job, error))?,
            Err(object_store::Error::NotFound { .. }) => return Err(gone(job, &object.name)),
            Err(error) => return Err(refused("read", job, error)),
        };
        for part in object.parts.iter().filter(|part| is_wanted(&part.state)) {
            take(&part.state, &decode(&body, part)?)?;
        }
    }
    Ok(())
}

fn decode(body: &Bytes, part: &StatePart) -> Result<Changes> {
    let end = part.offset as usize + part.bytes as usize;
    let bytes = body
        .get(part.offset as usize..end)
        .ok_or_else(|| Error::data("a state object is too short").with_state(SqlState::DATA_CORRUPTED))?;
    let batches = StreamReader::try_new(Cursor::new(bytes), None)?;
    let schema = batches.schema();
    let batches = batches.collect::<Result<Vec<RecordBatch>, _>>()?;
    Changes::from_batch(&arrow::compute::concat_batches(&schema, &batches)?)
}

/// An object that is being put together.
struct OpenObject {
    object: StateObject,
    bytes: Vec<u8>,
}

impl OpenObject {
    fn new(epoch: Epoch) -> OpenObject {
        let name = format!("{:020}-{}.arrows", epoch.0, unique_token());
        OpenObject { object: StateObject { name, parts: vec![] }, bytes: vec![] }
    }

    fn add(&mut self, state: &str, kind: PartKind, changes: &Changes) -> Result<()> {
        let offset = self.bytes.len();
        let batch = changes.to_batch()?;
        let mut writer = StreamWriter::try_new(&mut self.bytes, &batch.schema())?;
        writer.write(&batch)?;
        writer.finish()?;
        drop(writer);
        let (state, rows) = (state.to_string(), changes.len() as u64);
        self.object.parts.push(StatePart { state, kind, rows, offset: offset as u64, bytes: (self.bytes.len() - offset) as u64 });
        Ok(())
    }
}

/// Parts of a bounded size; of a base at least one, for it also says that there is nothing.
fn slices(changes: &Changes, kind: PartKind) -> Vec<Changes> {
    let row_bytes = changes.rows().get_array_memory_size() / changes.len().max(1);
    let rows = (PART_BYTES_MAX / row_bytes.max(1)).clamp(1, PART_ROWS_MAX);
    let count = changes.len().div_ceil(rows).max(usize::from(kind == PartKind::Base));
    (0..count).map(|part| changes.slice(part * rows, rows)).collect()
}

fn folder(lake: &Lake, job: JobId) -> Path {
    lake.root_path().clone().join("_lakewire").join("jobs").join(job.to_string()).join("state")
}

fn gone(job: JobId, name: &str) -> Error {
    Error::state(format!("a state object of job {job} is gone"))
        .with_state(SqlState::DATA_CORRUPTED)
        .with_detail(format!("the bucket does not have {name}"))
}

fn refused(what: &str, job: JobId, error: object_store::Error) -> Error {
    Error::unavailable(format!("cannot {what} the state of job {job}")).with_cause(error)
}

/// The columns and names of states, as text: what is saved fits only states that look the same.
pub fn describe(states: &[(String, SchemaRef)]) -> String {
    let line = |(name, schema): &(String, SchemaRef)| {
        let columns = schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type()));
        format!("{name}({})\n", columns.collect::<Vec<_>>().join(", "))
    };
    states.iter().map(line).collect()
}
