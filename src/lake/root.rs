//! The lake: one folder or bucket prefix that holds all tables, and under `_lakewire/` what jobs keep.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use parking_lot::Mutex;
use url::Url;

use super::fault_store::FaultStore;
use super::location;
use super::place::Place;
use super::stores;
use super::table::Table;
use crate::clock::Clock;
use crate::config::S3Config;
use crate::error::{Error, Result};
use crate::fault;
use crate::model::id::unique_token;

/// Cheap to clone; clones share their tables.
#[derive(Debug, Clone)]
pub struct Lake {
    place: Place,
    tables: Arc<Mutex<HashMap<Path, Arc<Table>>>>,
}

impl Lake {
    /// `root` is a local folder, which is made if it does not exist, or `s3://bucket/prefix`.
    pub async fn open(root: &str, s3: &S3Config, clock: Clock) -> Result<Lake> {
        let (store, root) = match root.contains("://") {
            true => stores::open_url(root, s3, &clock).await?,
            false => stores::open_folder(root)?,
        };
        let store = match fault::store_faults() {
            None => store,
            Some(plan) => Arc::new(FaultStore::with_plan(store, plan.parse()?)),
        };
        Ok(Lake::with_store(store, root, clock))
    }

    /// A lake at `root` in a store that is opened already. `store` has the paths of the URL: `memory:///lake` is its folder `lake`.
    pub fn with_store(store: Arc<dyn ObjectStore>, root: Url, clock: Clock) -> Lake {
        Lake { place: Place::new(store, root, clock), tables: Arc::default() }
    }

    /// The table at a location: a path relative to the root, or a URL below it. One handle per location, shared. No I/O.
    pub fn table(&self, location: &str) -> Result<Arc<Table>> {
        let relative = location::parse(location, self.place.root())?;
        let path = location::joined(self.root_path(), &relative);
        let mut tables = self.tables.lock();
        let table = tables.entry(path.clone()).or_insert_with(|| Arc::new(Table::new(self.place.clone(), relative.to_string(), path)));
        Ok(table.clone())
    }

    /// The folder below the root that a location means, however it is written. No I/O.
    pub fn folder(&self, location: &str) -> Result<Path> {
        location::parse(location, self.place.root())
    }

    /// The store that the lake is in. Its paths begin at the bucket: put `root_path` before them.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        self.place.store()
    }

    pub fn root_path(&self) -> &Path {
        self.place.root_path()
    }

    pub fn clock(&self) -> &Clock {
        self.place.clock()
    }

    /// A location as other programs would open it: a path of the file system, or a URL.
    pub fn url_of(&self, location: &str) -> String {
        self.place.url_of(location)
    }

    /// Lets the queries of this environment read the lake's files.
    pub fn register(&self, env: &RuntimeEnv) {
        self.place.register(env);
    }

    /// Removes everything that stands at a location, the log last: while there is a log, there is a table to be purged again.
    pub async fn purge(&self, location: &str) -> Result<()> {
        let path = self.table(location)?.path.clone();
        let log = path.clone().join("_delta_log");
        let objects = self.store().list(Some(&path)).map_ok(|object| object.location).boxed();
        let found: Vec<Path> = objects.try_collect().await.map_err(|error| self.refused(error))?;
        let (log_files, data_files): (Vec<_>, Vec<_>) = found.into_iter().partition(|object| object.prefix_matches(&log));
        for file in data_files.into_iter().chain(log_files) {
            match self.store().delete(&file).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(self.refused(error)),
            }
        }
        self.tables.lock().remove(&path);
        Ok(())
    }

    /// Whether we may write here, and whether the store keeps its word that an object is made once. Everything rests on that.
    pub async fn check(&self) -> Result<()> {
        let probe = self.root_path().clone().join("_lakewire").join("probe").join(unique_token());
        let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.store().put_opts(&probe, b"probe".as_slice().into(), create()).await.map_err(|error| self.refused(error))?;
        let second = self.store().put_opts(&probe, b"again".as_slice().into(), create()).await;
        self.store().delete(&probe).await.map_err(|error| self.refused(error))?;
        match second {
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(()),
            Ok(_) => Err(Error::unsupported("the object store does not support conditional writes")
                .with_detail(format!("{} let an object be created twice", self.place.root()))
                .with_hint("use a store that honours If-None-Match on PUT: without it two writers could overwrite each other")),
            Err(error) => Err(self.refused(error)),
        }
    }

    fn refused(&self, error: object_store::Error) -> Error {
        let place = self.url_of("");
        let (message, hint) = match &error {
            object_store::Error::NotFound { .. } => {
                (format!("the lake's bucket does not exist: {place}"), "create the bucket, or correct --lake")
            }
            object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
                (format!("the lake refuses access: {place}"), "check the credentials, and that they may read, write, list and delete there")
            }
            _ => (format!("the lake cannot be written: {place}"), "check --lake, the endpoint and the network"),
        };
        Error::unavailable(message).with_cause(error).with_hint(hint)
    }
}
