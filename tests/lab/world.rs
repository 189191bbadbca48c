//! What outlives a server: the bucket, the catalog's folder, and the time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use lakewire::catalog::{Catalog, SecretKey};
use lakewire::clock::Clock;
use lakewire::config::{Config, Settings};
use lakewire::lake::Lake;
use lakewire::lake::fault_store::{FaultStore, Plan};
use lakewire::session::Services;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tempfile::TempDir;
use tokio::runtime::{Builder, Handle};
use url::Url;

use super::hand;
use super::server::Server;

const ROOT: &str = "memory:///lake";
/// Any time would do, but the same each time.
const BEGIN: &str = "2026-03-01T00:00:00Z";
/// From the end of one life to the beginning of the next.
const PAUSE: TimeDelta = TimeDelta::seconds(3);

pub struct World {
    pub bucket: Arc<InMemory>,
    folder: TempDir,
    now: DateTime<Utc>,
}

/// The world while time goes on in it.
pub struct Life<'a> {
    world: &'a World,
    pub clock: Clock,
}

impl World {
    pub fn new() -> World {
        let begin = BEGIN.parse().expect("a time");
        World { bucket: Arc::new(InMemory::new()), folder: folder(), now: begin }
    }

    /// Does the work, then stops everything that runs at whatever it is doing.
    pub fn live<T>(&mut self, work: impl AsyncFnOnce(&Life<'_>) -> T) -> T {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime can be made");
        let life = Life { world: self, clock: Clock::mock(self.now) };
        let done = runtime.block_on(hand::drive(&life.clock, work(&life)));
        drop(runtime);
        self.now = life.clock.now() + PAUSE;
        done
    }
}

impl Life<'_> {
    /// Starts a server over the bucket, which fails for it as the plan says.
    pub async fn server(&self, plan: Plan) -> Server {
        let store = FaultStore::with_plan(self.world.bucket.clone(), plan);
        let config = config(self.world.folder.path());
        let key = SecretKey::load_or_create(&config.data_dir.join("secret.key")).expect("a key can be made");
        let catalog = Catalog::open(&config.catalog, key, self.clock.clone()).await.expect("the catalog opens");
        let lake = open_lake(Arc::new(store.clone()), self.clock.clone());
        let handle = Handle::current();
        let services = Services::start_on(config, catalog, lake, self.clock.clone(), handle.clone(), handle).expect("the server starts");
        Server::new(services, store)
    }
}

fn open_lake(store: Arc<dyn ObjectStore>, clock: Clock) -> Lake {
    Lake::with_store(store, Url::parse(ROOT).expect("a URL"), clock)
}

fn config(folder: &Path) -> Config {
    let settings = Settings { data_dir: Some(folder.to_path_buf()), worker_threads: Some(1), ..Settings::default() };
    settings.resolve().expect("the settings are good")
}

/// In memory where that can be had: the catalog waits for the disk at each commit.
fn folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder can be made")
}
