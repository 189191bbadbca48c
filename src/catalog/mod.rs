//! Definitions: what exists, and how it was declared. SQL text and plain structs, never plans; the progress of jobs is not here
//! but in the bucket.
//!
//! Reading is from a `Snapshot`, which lies in memory and never changes. Writing is by one at a time among all nodes that share a
//! store: a write locks the store's generation, looks whether its own snapshot is still the newest and reads again if not, judges
//! its changes against it, and commits; then everybody sees the new snapshot. So nothing is decided on stale definitions, and no
//! update is lost.

mod address;
mod change;
mod connections;
pub mod definition;
mod hex;
mod object;
mod secret_key;
mod seen;
mod snapshot;
mod store;

use std::sync::Arc;

use chrono::SubsecRound;
use parking_lot::RwLock;
use tokio::sync::{Mutex, OwnedMutexGuard};

pub use change::Change;
pub use definition::{
    Definition, DesiredState, Emit, Expectation, Format, IndexDef, JobSettings, OnViolation, PipelineDef, Reference, SourceDef,
    TableColumn, TableDef, ViewColumn, ViewDef, ViewInput, WatermarkDef,
};
pub use object::{Namespace, Object, ObjectKind};
pub use secret_key::{SecretDef, SecretKey};
pub use seen::{Seen, Sight};
pub use snapshot::{Generation, Snapshot};

use crate::clock::Clock;
use crate::error::Result;
use crate::model::{Name, ObjectId, SecretText};
use store::{Store, Write};

/// How finely the store keeps times: microseconds.
const SUBSECOND_DIGITS: u16 = 6;

/// The one door to definitions. Cheap to clone.
#[derive(Clone)]
pub struct Catalog(Arc<Shared>);

struct Shared {
    store: Store,
    key: SecretKey,
    clock: Clock,
    current: RwLock<Arc<Snapshot>>,
    /// Held while the store is read or written for `current`, so that an older snapshot never replaces a newer one.
    turn: Arc<Mutex<()>>,
}

impl Catalog {
    /// `url` is `sqlite:<file>`, which is made if it is not there, or `postgres://…`. Brings the store's tables up to date.
    pub async fn open(url: &str, key: SecretKey, clock: Clock) -> Result<Catalog> {
        Catalog::of(Store::open(&url.parse()?).await?, key, clock).await
    }

    async fn of(store: Store, key: SecretKey, clock: Clock) -> Result<Catalog> {
        let current = RwLock::new(Arc::new(store.load().await?));
        Ok(Catalog(Arc::new(Shared { store, key, clock, current, turn: Arc::default() })))
    }

    /// The definitions as this node knows them now: all of its own commits, and those of other nodes as of the last refresh.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.current.read().clone()
    }

    /// All the changes or none. They are durable before this returns, and visible in `snapshot`. Errors: a name that is taken, an
    /// object that is gone, a reference that would dangle. If the caller goes away meanwhile, they are still all made or none.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<Arc<Snapshot>> {
        self.change(|_| Ok(changes)).await
    }

    /// The same, if `allow` has nothing against it. It sees the definitions that the changes are made to, whoever changed them last, and
    /// is called once, with the store locked: it must be quick.
    pub async fn commit_if(&self, changes: Vec<Change>, allow: impl FnOnce(&Snapshot) -> Result<()> + Send) -> Result<Arc<Snapshot>> {
        self.change(|base| allow(base).map(|()| changes)).await
    }

    /// Changes that follow from the definitions as they are now, whoever changed them last. `plan` is called once, with the store locked: it must
    /// be quick.
    pub async fn change(&self, plan: impl FnOnce(&Snapshot) -> Result<Vec<Change>>) -> Result<Arc<Snapshot>> {
        let turn = self.turn().await?;
        let mut write = self.0.store.begin(self.0.clock.now_micros()).await?;
        let base = self.base_of(&mut write).await?;
        let planned = plan(&base).and_then(|mut changes| {
            changes.iter_mut().for_each(cut_time);
            let next = base.apply(&changes, write.stamp.generation)?;
            Ok((changes, next))
        });
        match planned {
            Ok((changes, _)) if changes.is_empty() => write.abandon().await.map(|()| base),
            // A task of its own: a caller that goes away must not leave a commit that is stored and not shown.
            Ok((changes, next)) => tokio::spawn(self.0.clone().store(turn, write, changes, next)).await?,
            Err(error) => {
                write.abandon().await?;
                Err(error)
            }
        }
    }

    /// Changes one object as it is now, whoever changed it before. `change` is called once, with the store locked: it must be quick.
    /// If it changes nothing, nothing is written.
    pub async fn update(&self, id: ObjectId, change: impl FnOnce(&mut Object) -> Result<()> + Send) -> Result<Arc<Snapshot>> {
        self.change(|base| {
            let former = base.get(id).ok_or_else(snapshot::gone)?;
            let mut object = Object::clone(former);
            change(&mut object)?;
            Ok(if object == **former { Vec::new() } else { vec![Change::Replace(object)] })
        })
        .await
    }

    /// Takes up what other nodes committed.
    pub async fn refresh(&self) -> Result<Arc<Snapshot>> {
        let _turn = self.turn().await?;
        let current = self.snapshot();
        match self.0.store.generation().await? == current.generation() {
            true => Ok(current),
            false => Ok(self.0.show(self.0.store.load().await?)),
        }
    }

    /// The text of a secret.
    pub fn secret(&self, name: &Name) -> Result<SecretText> {
        let undefined = || ObjectKind::Secret.undefined(name);
        let snapshot = self.snapshot();
        let object = snapshot.find(ObjectKind::Secret, name).ok_or_else(undefined)?;
        match &object.definition {
            Definition::Secret(sealed) => self.0.key.open(object.id, name, sealed),
            _ => Err(undefined()),
        }
    }

    /// Encrypts a secret for the object of this id, and for no other.
    pub fn seal_secret(&self, id: ObjectId, text: &SecretText) -> Result<SecretDef> {
        self.0.key.seal(id, text)
    }

    /// Whoever waits while the one before hears nothing from the store is told the same then: were each to find out by itself, the last of
    /// many would wait for all of them.
    async fn turn(&self) -> Result<OwnedMutexGuard<()>> {
        let connections = &self.0.store.connections;
        let silences = connections.silences();
        let turn = self.0.turn.clone().lock_owned().await;
        connections.check_heard_since(silences).map(|()| turn)
    }

    /// The snapshot that a write builds on, read again if another node was there since.
    async fn base_of(&self, write: &mut Write) -> Result<Arc<Snapshot>> {
        let current = self.snapshot();
        match current.generation() == write.base() {
            true => Ok(current),
            false => Ok(self.0.show(write.load_base().await?)),
        }
    }
}

impl Shared {
    async fn store(
        self: Arc<Shared>,
        turn: OwnedMutexGuard<()>,
        mut write: Write,
        changes: Vec<Change>,
        next: Snapshot,
    ) -> Result<Arc<Snapshot>> {
        write.apply(&changes).await?;
        self.store.commit(write).await?;
        let shown = self.show(next);
        drop(turn);
        Ok(shown)
    }

    fn show(&self, snapshot: Snapshot) -> Arc<Snapshot> {
        let snapshot = Arc::new(snapshot);
        *self.current.write() = snapshot.clone();
        snapshot
    }
}

fn cut_time(change: &mut Change) {
    if let Change::Create(object) | Change::Replace(object) = change {
        object.created_at = object.created_at.trunc_subsecs(SUBSECOND_DIGITS);
    }
}

#[cfg(test)]
mod tests;
