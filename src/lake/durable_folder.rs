//! A local folder that keeps its word when the power fails: before a write is answered, the bytes are on the disk, and the name too. When
//! the folder itself is gone, nothing is answered (`root_folder`).

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};
use parking_lot::Mutex;

use super::root_folder::RootFolder;
use crate::model::id::unique_token;

/// Makes the folder that a lake is in, if it is not there, and gives its full path.
pub fn make(folder: &FilePath) -> io::Result<PathBuf> {
    let missing = folder.ancestors().take_while(|above| !above.as_os_str().is_empty() && !above.exists()).count();
    std::fs::create_dir_all(folder)?;
    let folder = std::fs::canonicalize(folder)?;
    folder.ancestors().skip(1).take(missing).try_for_each(sync_folder)?;
    Ok(folder)
}

/// `LocalFileSystem` from the file system's root on, with syncs. A write looks first whether the lake's folder is there, for it would be
/// made anew; what was read is believed if it is there afterwards.
#[derive(Debug)]
pub struct DurableFolder {
    files: LocalFileSystem,
    disk: Arc<Disk>,
}

impl DurableFolder {
    /// `root` is the folder that all objects are in. It exists, and is remembered.
    pub fn open(root: PathBuf) -> io::Result<DurableFolder> {
        let root = RootFolder::open(root)?;
        Ok(DurableFolder { files: LocalFileSystem::new(), disk: Arc::new(Disk { root, named: Mutex::default() }) })
    }

    /// Gives a staged file its name. Its bytes are on the disk by then: a power failure leaves no name with half of a file behind it. A
    /// file that was staged in another folder gets none.
    async fn place(&self, staged: &Path, location: &Path, mode: PutMode) -> Result<()> {
        let staged_file = self.files.path_to_filesystem(staged)?;
        blocking(move || File::open(staged_file)?.sync_all()).await?;
        self.disk.root.check().await?;
        match mode {
            PutMode::Create => self.files.copy_opts(staged, location, CopyOptions::new().with_mode(CopyMode::Create)).await?,
            PutMode::Overwrite | PutMode::Update(_) => self.files.rename(staged, location).await?,
        }
        self.disk.keep_name(self.files.path_to_filesystem(location)?).await
    }

    /// What was read, if the lake's folder is there: without it, "not found" would not be true.
    async fn believed<T: Send>(&self, read: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let outcome = read.await;
        self.disk.root.check().await?;
        outcome
    }

    /// The same for a list, which ends with an error if it cannot be believed.
    fn believed_list(&self, listed: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
        let root = self.disk.root.clone();
        let checked = stream::once(async move { root.check().await });
        listed.chain(checked.try_filter_map(|()| std::future::ready(Ok(None)))).boxed()
    }
}

#[async_trait]
impl ObjectStore for DurableFolder {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        if let PutMode::Update(_) = opts.mode {
            // Refused there: files have no versions.
            return self.files.put_opts(location, payload, opts).await;
        }
        self.disk.root.check().await?;
        let staged = staged_beside(location);
        let mode = opts.mode.clone();
        let result = self.files.put_opts(&staged, payload, PutOptions { mode: PutMode::Overwrite, ..opts }).await?;
        let placed = self.place(&staged, location, mode).await;
        match self.files.delete(&staged).await {
            Ok(()) | Err(Error::NotFound { .. }) => {}
            // It is hidden and in nobody's way.
            Err(error) => tracing::warn!(%error, "a staged file is left behind"),
        }
        placed.map(|()| result)
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.disk.root.check().await?;
        let path = self.files.path_to_filesystem(location)?;
        let upload = self.files.put_multipart_opts(location, opts).await?;
        Ok(Box::new(DurableUpload { upload, path, disk: self.disk.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.believed(self.files.get_opts(location, options)).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.believed(self.files.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let root = self.disk.root.clone();
        let checked = locations.and_then(move |location| {
            let root = root.clone();
            async move { root.check().await.map(|()| location) }
        });
        self.files.delete_stream(checked.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.believed_list(self.files.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        self.believed_list(self.files.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.believed(self.files.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.disk.root.check().await?;
        self.files.copy_opts(from, to, options).await?;
        self.disk.keep(self.files.path_to_filesystem(to)?).await
    }
}

impl fmt::Display for DurableFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DurableFolder({})", self.disk.root.path().display())
    }
}

/// An upload of many parts. Nobody knows its object before it is complete, so that a sync at the end will do.
#[derive(Debug)]
struct DurableUpload {
    upload: Box<dyn MultipartUpload>,
    path: PathBuf,
    disk: Arc<Disk>,
}

#[async_trait]
impl MultipartUpload for DurableUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.upload.put_part(data)
    }

    async fn complete(&mut self) -> Result<PutResult> {
        self.disk.root.check().await?;
        let result = self.upload.complete().await?;
        self.disk.keep(self.path.clone()).await?;
        Ok(result)
    }

    async fn abort(&mut self) -> Result<()> {
        self.upload.abort().await
    }
}

/// What of the folder is known to outlive a power failure.
#[derive(Debug)]
struct Disk {
    root: RootFolder,
    /// Folders below the root whose own names are on the disk. They are not synced again for each file in them.
    named: Mutex<HashSet<PathBuf>>,
}

impl Disk {
    /// Brings a file's bytes and its name to the disk.
    async fn keep(self: &Arc<Disk>, path: PathBuf) -> Result<()> {
        let file = path.clone();
        blocking(move || File::open(file)?.sync_all()).await?;
        self.keep_name(path).await
    }

    /// Brings the name of a file to the disk, with the names of the folders that were made for it.
    async fn keep_name(self: &Arc<Disk>, path: PathBuf) -> Result<()> {
        let disk = self.clone();
        blocking(move || disk.sync_folders_of(&path)).await
    }

    fn sync_folders_of(&self, path: &FilePath) -> io::Result<()> {
        let mut newly_named = Vec::new();
        for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(self.root.path())) {
            sync_folder(folder)?;
            if folder == self.root.path() || self.named.lock().contains(folder) {
                break;
            }
            newly_named.push(folder.to_path_buf());
        }
        // Only now: another write into the same folder must not count on what is still on its way.
        self.named.lock().extend(newly_named);
        Ok(())
    }
}

fn sync_folder(folder: &FilePath) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some network file systems know no sync of a folder; their server keeps the names.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        synced => synced,
    }
}

/// Hidden, so that nothing that lists the folder takes it for an object that it knows.
fn staged_beside(location: &Path) -> Path {
    let mut parts: Vec<_> = location.parts().map(|part| part.as_ref().to_string()).collect();
    let name = parts.pop().unwrap_or_default();
    parts.push(format!(".{name}.{}.tmp", unique_token()));
    Path::parse(parts.join("/")).expect("a path stays one when its last part has a longer name")
}

async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<()> {
    let done = tokio::task::spawn_blocking(work).await?;
    done.map_err(|error| Error::Generic { store: "local folder", source: Box::new(error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error as OurError, Kind};

    fn open() -> (tempfile::TempDir, DurableFolder, Path) {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let path = Path::from_absolute_path(&root).unwrap();
        (folder, DurableFolder::open(root).unwrap(), path)
    }

    async fn text(store: &DurableFolder, path: &Path) -> String {
        String::from_utf8(store.get(path).await.unwrap().bytes().await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_object_is_created_once_and_overwritten_at_will() {
        let (_folder, store, root) = open();
        let path = root.clone().join("new").join("folder").join("a#b");
        let create = || PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let created = store.put_opts(&path, "first".into(), create()).await.unwrap();
        assert_eq!(created.e_tag, store.head(&path).await.unwrap().e_tag);
        let second = store.put_opts(&path, "second".into(), create()).await;
        assert!(matches!(second, Err(Error::AlreadyExists { .. })), "{second:?}");
        assert_eq!(text(&store, &path).await, "first");
        store.put(&path, "third".into()).await.unwrap();
        assert_eq!(text(&store, &path).await, "third");
        let left: Vec<_> = store.list(Some(&root)).map_ok(|object| object.location).try_collect().await.unwrap();
        assert_eq!(left, [path], "nothing staged stays");
    }

    #[tokio::test]
    async fn parts_make_one_object() {
        let (_folder, store, root) = open();
        let path = root.join("new").join("parts");
        let mut upload = store.put_multipart(&path).await.unwrap();
        upload.put_part("one ".into()).await.unwrap();
        upload.put_part("two".into()).await.unwrap();
        upload.complete().await.unwrap();
        assert_eq!(text(&store, &path).await, "one two");
    }

    #[tokio::test]
    async fn every_new_folder_is_synced_up_to_the_root() {
        let (folder, store, root) = open();
        store.put(&root.clone().join("a").join("b").join("c"), "x".into()).await.unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        assert_eq!(*store.disk.named.lock(), HashSet::from([root.join("a"), root.join("a/b")]));
    }

    fn assert_gone<T: fmt::Debug>(outcome: Result<T>) {
        let error = OurError::from(outcome.unwrap_err());
        assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
        assert!(error.message().starts_with("the lake's folder is not what it was when the server began"), "{error:?}");
        assert!(error.hint().is_some());
    }

    async fn assert_nothing_is_answered(store: &DurableFolder, root: &Path) {
        let (known, new) = (root.clone().join("t").join("known"), root.clone().join("t").join("new"));
        for mode in [PutMode::Create, PutMode::Overwrite] {
            assert_gone(store.put_opts(&new, "x".into(), PutOptions { mode, ..PutOptions::default() }).await);
        }
        assert_gone(store.put_multipart(&new).await);
        assert_gone(store.get(&known).await.map(drop));
        assert_gone(store.get_ranges(&known, std::slice::from_ref(&(0..1))).await);
        assert_gone(store.head(&new).await);
        assert_gone(store.list(Some(root)).try_collect::<Vec<_>>().await);
        assert_gone(store.list_with_offset(Some(root), &known).try_collect::<Vec<_>>().await);
        assert_gone(store.list_with_delimiter(Some(root)).await);
        assert_gone(store.delete(&known).await);
        assert_gone(store.copy(&known, &new).await);
    }

    #[tokio::test]
    async fn without_its_folder_nothing_is_answered_and_nothing_made() {
        let (folder, store, root) = open();
        let known = root.clone().join("t").join("known");
        store.put(&known, "kept".into()).await.unwrap();
        let (place, away) = (folder.path(), folder.path().with_extension("away"));

        let mut upload = store.put_multipart(&root.clone().join("t").join("parts")).await.unwrap();
        upload.put_part("part".into()).await.unwrap();
        std::fs::rename(place, &away).unwrap();
        assert_gone(upload.complete().await);
        assert_nothing_is_answered(&store, &root).await;
        assert!(!place.exists(), "something was made in its place");

        // A mount point, or the folder of another lake.
        std::fs::create_dir_all(place.join("t")).unwrap();
        std::fs::write(place.join("t/known"), "another's").unwrap();
        assert_nothing_is_answered(&store, &root).await;
        assert_eq!(std::fs::read_dir(place.join("t")).unwrap().count(), 1);
        assert_eq!(std::fs::read_to_string(place.join("t/known")).unwrap(), "another's");

        std::fs::remove_dir_all(place).unwrap();
        std::fs::rename(&away, place).unwrap();
        assert_eq!(text(&store, &known).await, "kept");
        store.put(&root.clone().join("t").join("new"), "x".into()).await.unwrap();
        assert!(matches!(store.get(&root.join("t").join("none")).await, Err(Error::NotFound { .. })));
    }
}
