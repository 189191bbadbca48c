//! The folder that a local lake is in, known again by its device and inode as long as the server runs. When its disk goes, the empty mount
//! point must not be taken for an empty lake, nor a new lake begin in it.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Error;

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct RootFolder(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    identity: Identity,
    /// Kept open, so that no folder that is made later gets the same inode.
    _folder: File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl RootFolder {
    /// Remembers the folder that is there now.
    pub fn open(path: PathBuf) -> io::Result<RootFolder> {
        let folder = File::open(&path)?;
        let identity = Identity::of(&folder.metadata()?);
        Ok(RootFolder(Arc::new(Opened { path, identity, _folder: folder })))
    }

    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Errors, which carry one of ours: another folder is there now, or none.
    pub async fn check(&self) -> object_store::Result<()> {
        let opened = self.0.clone();
        let checked = tokio::task::spawn_blocking(move || opened.check()).await?;
        checked.map_err(|error| object_store::Error::Generic { store: "local folder", source: Box::new(error) })
    }
}

impl Opened {
    fn check(&self) -> Result<(), Error> {
        match std::fs::metadata(&self.path) {
            Ok(found) if Identity::of(&found) == self.identity => Ok(()),
            Ok(_) => Err(self.changed("is another folder")),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.changed("is not there")),
            Err(error) => Err(self.changed("cannot be looked at").with_cause(error)),
        }
    }

    fn changed(&self, how: &str) -> Error {
        Error::unavailable(format!("the lake's folder is not what it was when the server began: {} {how}", self.path.display()))
            .with_hint("mount the disk or move the folder back, and all goes on; if the right folder is there, start the server anew")
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Identity {
        Identity { device: metadata.dev(), inode: metadata.ino() }
    }
}
