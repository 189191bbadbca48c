//! A store that fails chosen requests, in the order in which they come.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::*;
use parking_lot::Mutex;
use tokio::sync::watch;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// It is carried out, and the answer is lost.
    LoseAnswer,
    /// It waits until the store is told to wake up. Then it is carried out, and the answer is lost.
    Sleep,
    /// It waits until the store is told to wake up. Then it is carried out and answered.
    Wait,
    /// The connection breaks before it is carried out.
    Refuse,
    /// It is not carried out, and the answer is that the object exists.
    FalseConflict,
    /// It is carried out and answered.
    Nothing,
    /// A list shows nothing of what is there.
    EmptyList,
}

#[derive(Debug)]
pub struct ShakyStore {
    below: Arc<dyn ObjectStore>,
    /// Which requests, by a part of the object's path.
    troubles: Mutex<VecDeque<(String, Trouble)>>,
    /// How many requests sleep.
    asleep: watch::Sender<usize>,
    wakings: watch::Sender<usize>,
}

impl ShakyStore {
    pub fn new(below: Arc<dyn ObjectStore>) -> Arc<ShakyStore> {
        Arc::new(ShakyStore { below, troubles: Mutex::default(), asleep: watch::Sender::new(0), wakings: watch::Sender::new(0) })
    }

    /// What becomes of the next requests for objects with `part` in their path.
    pub fn play(&self, part: &str, troubles: &[Trouble]) {
        self.troubles.lock().extend(troubles.iter().map(|trouble| (part.to_string(), *trouble)));
    }

    /// Nothing more fails.
    pub fn calm(&self) {
        self.troubles.lock().clear();
    }

    /// Waits until a request sleeps.
    pub async fn falls_asleep(&self) {
        self.asleep.subscribe().wait_for(|asleep| *asleep > 0).await.unwrap();
    }

    pub fn wake(&self) {
        self.asleep.send_replace(0);
        self.wakings.send_modify(|wakings| *wakings += 1);
    }

    /// Whether all that was to be played was played.
    pub fn is_through(&self) -> bool {
        self.troubles.lock().is_empty()
    }

    fn next(&self, location: &Path) -> Option<Trouble> {
        let mut troubles = self.troubles.lock();
        let nth = troubles.iter().position(|(part, _)| location.as_ref().contains(part))?;
        troubles.remove(nth).map(|(_, trouble)| trouble)
    }

    async fn carry_out<T>(&self, location: &Path, request: impl Future<Output = Result<T>>) -> Result<T> {
        let trouble = self.next(location);
        match trouble {
            None | Some(Trouble::Nothing | Trouble::EmptyList) => return request.await,
            Some(Trouble::Refuse) => return Err(lost()),
            Some(Trouble::FalseConflict) => {
                return Err(Error::AlreadyExists { path: location.to_string(), source: "told so".into() });
            }
            Some(Trouble::LoseAnswer) => {}
            Some(Trouble::Sleep) => self.sleep().await,
            Some(Trouble::Wait) => {
                self.sleep().await;
                return request.await;
            }
        }
        request.await.and(Err(lost()))
    }

    async fn sleep(&self) {
        let mut wakings = self.wakings.subscribe();
        self.asleep.send_modify(|asleep| *asleep += 1);
        wakings.changed().await.unwrap();
    }
}

fn lost() -> Error {
    Error::Generic { store: "shaky", source: "the connection was lost".into() }
}

impl fmt::Display for ShakyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShakyStore({})", self.below)
    }
}

#[async_trait]
impl ObjectStore for ShakyStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.carry_out(location, self.below.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(&self, location: &Path, opts: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.carry_out(location, self.below.put_multipart_opts(location, opts)).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.carry_out(location, self.below.get_opts(location, options)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.below.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match prefix.and_then(|prefix| self.next(prefix)) {
            None | Some(Trouble::Nothing) => self.below.list(prefix),
            Some(Trouble::EmptyList) => futures::stream::empty().boxed(),
            Some(_) => futures::stream::once(async { Err(lost()) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.below.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.below.copy_opts(from, to, options).await
    }
}
