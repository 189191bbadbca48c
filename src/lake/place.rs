//! Where the lake is: its store, the folder in it, and the clock by which it goes. Tables have it of the lake, and not the lake itself, which has them.

use std::sync::Arc;

use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::ObjectStore;
use object_store::path::Path;
use url::Url;

use super::location;
use crate::clock::Clock;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Place(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Reaches from the bucket's (or the file system's) root, so that a plan that names objects means the same on every node.
    store: Arc<dyn ObjectStore>,
    root: Url,
    root_path: Path,
    clock: Clock,
}

impl Place {
    /// `store` has the paths of the URL: `memory:///lake` is its folder `lake`.
    pub fn new(store: Arc<dyn ObjectStore>, root: Url, clock: Clock) -> Place {
        let root_path = location::path_of(&root);
        Place(Arc::new(Shared { store, root, root_path, clock }))
    }

    /// Its paths begin at the bucket: put `root_path` before them.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.0.store
    }

    pub fn root(&self) -> &Url {
        &self.0.root
    }

    pub fn root_path(&self) -> &Path {
        &self.0.root_path
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// A location as other programs would open it: a path of the file system, or a URL.
    pub fn url_of(&self, location: &str) -> String {
        let location = location::parse(location, &self.0.root).map_or_else(|_| location.to_string(), String::from);
        match self.0.root.to_file_path() {
            Ok(folder) => folder.join(location).display().to_string(),
            Err(()) => format!("{}/{location}", self.0.root.as_str().trim_end_matches('/')),
        }
    }

    /// Lets the queries of this environment read the lake's files.
    pub fn register(&self, env: &RuntimeEnv) {
        env.register_object_store(self.store_url().as_ref(), self.0.store.clone());
    }

    /// The URL under which scans name the store.
    pub fn store_url(&self) -> ObjectStoreUrl {
        ObjectStoreUrl::parse(&self.0.root[..url::Position::BeforePath]).expect("a URL up to its path names a store")
    }

    /// The URL of a folder in the store.
    pub fn folder_url(&self, path: &Path) -> Url {
        let mut url = self.0.root.clone();
        url.path_segments_mut()
            .expect("a lake's root can have a path")
            .clear()
            .extend(path.parts().map(|part| part.as_ref().to_string()))
            .push("");
        url
    }
}
