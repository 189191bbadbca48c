//! All that a job reads: the partitions of its sources, and how far each has been worked on.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join_all;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::super::compile::Input;
use super::super::feed::{Cursor, FeedBatch, Feeds, Look, SourceFeed};
use super::InputStatus;
use super::view::Backlog;
use crate::catalog::Object;
use crate::error::Result;
use crate::model::options::Start;
use crate::model::{Name, ObjectId, PartitionId, PartitionState, Positions};
use crate::sources::Partition;

pub struct Inputs {
    sources: Vec<InputSource>,
    wake: Arc<Notify>,
    has_advanced: bool,
    /// Whose turn it is: partitions are looked at one after another, so that a full one does not starve the rest.
    turn: usize,
    /// The listing that is under way, if one is.
    listing: JoinSet<Result<Listing>>,
}

/// The partitions of each source, in the order of the sources.
pub type Listing = Vec<Vec<Partition>>;

struct InputSource {
    id: ObjectId,
    name: Name,
    feed: Arc<SourceFeed>,
    start: Start,
    positions: Positions,
    cursors: Vec<(PartitionId, Cursor)>,
}

/// What a look around found. `source` counts the job's sources from 0.
pub enum Found {
    Batch { source: usize, batch: Arc<FeedBatch> },
    PartitionEnded { source: usize, partition: PartitionId },
    Nothing,
}

impl Inputs {
    /// Connects to the sources and goes on from `positions`.
    pub async fn open(of: &[(Arc<Object>, Start)], feeds: &Feeds, mut positions: BTreeMap<ObjectId, Positions>) -> Result<Inputs> {
        let mut sources = Vec::with_capacity(of.len());
        for (object, start) in of {
            sources.push(InputSource {
                id: object.id,
                name: object.name.clone(),
                feed: feeds.get(object).await?,
                start: *start,
                positions: positions.remove(&object.id).unwrap_or_default(),
                cursors: vec![],
            });
        }
        let mut inputs = Inputs { sources, wake: Arc::new(Notify::new()), has_advanced: false, turn: 0, listing: JoinSet::new() };
        inputs.list_partitions().await?;
        Ok(inputs)
    }

    /// Asks the sources for their partitions and begins to read those that have come. Returns the ones that were begun for the first time.
    pub async fn list_partitions(&mut self) -> Result<Vec<(usize, PartitionId)>> {
        let listing = self.ask().await?;
        self.admit(listing).await
    }

    /// Asks while the job goes on: a service may take its time. `next_listing` has the answer.
    pub fn begin_listing(&mut self) {
        if self.listing.is_empty() {
            self.listing.spawn(self.ask());
        }
    }

    /// Waits for the answer to `begin_listing`, for ever if it was not called. May be dropped and called again.
    pub async fn next_listing(&mut self) -> Result<Listing> {
        match self.listing.join_next().await {
            Some(answer) => answer?,
            None => std::future::pending().await,
        }
    }

    fn ask(&self) -> impl Future<Output = Result<Listing>> + use<> {
        let asked: Vec<_> = self.sources.iter().map(|source| (source.feed.clone(), source.positions.clone())).collect();
        try_join_all(asked.into_iter().map(|(feed, known)| async move { feed.partitions(&known).await }))
    }

    /// Begins to read the partitions that have come. Returns those that were begun for the first time.
    pub async fn admit(&mut self, listing: Listing) -> Result<Vec<(usize, PartitionId)>> {
        let mut begun = vec![];
        for (index, (source, partitions)) in self.sources.iter_mut().zip(listing).enumerate() {
            for partition in source.admit(partitions, &self.wake).await? {
                self.has_advanced = true;
                begun.push((index, partition));
            }
        }
        Ok(begun)
    }

    /// The next batch of any partition. Never waits; `wake` fires when it is worth another look.
    pub fn look(&mut self) -> Result<Found> {
        let count: usize = self.sources.iter().map(|source| source.cursors.len()).sum();
        for _ in 0..count {
            self.turn = (self.turn + 1) % count;
            let (source, cursor) = self.at(self.turn);
            match self.sources[source].cursors[cursor].1.look() {
                Look::Batch(batch) => return Ok(Found::Batch { source, batch }),
                Look::Finished => return Ok(self.end(source, cursor)),
                Look::Failed(error) => return Err(error),
                Look::Nothing | Look::FellOff => {}
            }
        }
        Ok(Found::Nothing)
    }

    fn at(&self, mut nth: usize) -> (usize, usize) {
        for (index, source) in self.sources.iter().enumerate() {
            if nth < source.cursors.len() {
                return (index, nth);
            }
            nth -= source.cursors.len();
        }
        unreachable!("a turn is less than the number of cursors")
    }

    fn end(&mut self, source: usize, cursor: usize) -> Found {
        let (partition, _) = self.sources[source].cursors.remove(cursor);
        self.sources[source].positions.insert(partition.clone(), PartitionState::Done);
        self.has_advanced = true;
        Found::PartitionEnded { source, partition }
    }

    /// A batch was worked on.
    pub fn advance(&mut self, source: usize, batch: &FeedBatch) {
        self.sources[source].positions.insert(batch.partition.clone(), PartitionState::At(batch.end.clone()));
        self.has_advanced = true;
    }

    /// Whether there is anything that the last epoch does not have.
    pub fn has_advanced(&self) -> bool {
        self.has_advanced
    }

    pub fn committed(&mut self) {
        self.has_advanced = false;
    }

    /// Asks to be told when all that the sources hold now was worked on.
    pub async fn mark(&mut self) -> Result<()> {
        self.list_partitions().await?;
        for source in &mut self.sources {
            for (_, cursor) in &mut source.cursors {
                cursor.mark();
            }
        }
        Ok(())
    }

    pub fn have_passed_mark(&self) -> bool {
        self.sources.iter().all(|source| source.cursors.iter().all(|(_, cursor)| cursor.has_passed_mark()))
    }

    pub fn positions(&self) -> BTreeMap<ObjectId, Positions> {
        self.sources.iter().map(|source| (source.id, source.positions.clone())).collect()
    }

    /// The sources as the query is to see them, with the columns that are known now.
    pub fn compile_inputs(&self) -> Vec<Input> {
        self.sources
            .iter()
            .map(|source| Input { id: source.id, name: source.name.clone(), columns: source.feed.columns.current() })
            .collect()
    }

    /// Which partitions of a source still have records from before the job came to them, or are told to have more than was fetched.
    pub fn backlog(&self, source: usize) -> Backlog {
        let source = &self.sources[source];
        let has_ended = !source.positions.is_empty() && source.positions.values().all(|state| *state == PartitionState::Done);
        if has_ended && source.cursors.is_empty() {
            return Backlog::Ended;
        }
        let is_behind = |cursor: &Cursor| {
            let behind = cursor.behind();
            !cursor.has_passed_mark() || behind.records.unwrap_or(0) > 0 || behind.milliseconds.unwrap_or(0) > 0
        };
        Backlog::Of(source.cursors.iter().filter(|(_, cursor)| is_behind(cursor)).map(|(partition, _)| partition.clone()).collect())
    }

    /// Before which moment everything that has arrived in the sources was handed out, if it is known.
    pub fn complete_micros(&self, now_micros: i64) -> Option<i64> {
        let of_source = |source: &InputSource| match (source.cursors.is_empty(), source.positions.is_empty()) {
            (true, true) => None,
            _ => source.cursors.iter().map(|(_, cursor)| cursor.complete_micros()).try_fold(now_micros, |least, at| Some(least.min(at?))),
        };
        self.sources.iter().map(of_source).try_fold(now_micros, |least, at| Some(least.min(at?)))
    }

    pub fn id(&self, source: usize) -> ObjectId {
        self.sources[source].id
    }

    pub fn name(&self, source: usize) -> &Name {
        &self.sources[source].name
    }

    pub fn wake(&self) -> Arc<Notify> {
        self.wake.clone()
    }

    pub fn status(&self) -> Vec<InputStatus> {
        self.sources.iter().flat_map(InputSource::status).collect()
    }
}

impl InputSource {
    async fn admit(&mut self, partitions: Vec<Partition>, wake: &Arc<Notify>) -> Result<Vec<PartitionId>> {
        let mut begun = vec![];
        for Partition { id } in partitions {
            if self.cursors.iter().any(|(open, _)| *open == id) {
                continue;
            }
            let position = match self.positions.get(&id) {
                Some(PartitionState::Done) => continue,
                Some(PartitionState::At(position)) => position.clone(),
                None => {
                    let position = self.feed.start(&id, self.start, &self.positions).await?;
                    self.positions.insert(id.clone(), PartitionState::At(position.clone()));
                    begun.push(id.clone());
                    position
                }
            };
            let cursor = self.feed.attach(&id, &position, wake);
            self.cursors.push((id, cursor));
        }
        Ok(begun)
    }

    fn status(&self) -> Vec<InputStatus> {
        let of = |(partition, state): (&PartitionId, &PartitionState)| {
            let cursor = self.cursors.iter().find(|(open, _)| open == partition).map(|(_, cursor)| cursor);
            InputStatus {
                source: self.name.clone(),
                partition: partition.clone(),
                state: state.clone(),
                behind: cursor.map(Cursor::behind).unwrap_or_default(),
            }
        };
        self.positions.iter().map(of).collect()
    }
}
