//! The shared reader: every source is read and decoded once for all the jobs that stand near each other.
//!
//! `Feeds` has one `SourceFeed` per source, a feed has one or more `Lane`s per partition, and a job holds a `Cursor` in a lane of each partition.
//! A job remembers nothing here: its positions are its own, and a cursor is made from a position.

mod batch;
mod budget;
mod columns;
mod cursor;
mod lane;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OnceCell};

use crate::catalog::{Catalog, Definition, Object};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::flow::events::EventLog;
use crate::formats::json::JsonDecoder;
use crate::model::options::Start;
use crate::model::{Name, ObjectId, PartitionId, Position, Positions, SchemaMode};
use crate::sources::{self, Batch, Partition, Source};

pub use batch::{FeedBatch, Rejected};
pub use budget::ReaderBudget;
pub use columns::Columns;
pub use cursor::Cursor;
pub use lane::Look;

use columns::Growth;
use lane::{Lane, Room};
use tally::Tally;

/// The feeds of all sources that some job reads.
pub struct Feeds {
    catalog: Catalog,
    events: EventLog,
    clock: Clock,
    network: Handle,
    compute: Handle,
    budget: Arc<ReaderBudget>,
    open: Mutex<HashMap<ObjectId, Arc<OnceCell<Arc<SourceFeed>>>>>,
}

impl Feeds {
    pub fn new(catalog: Catalog, events: EventLog, clock: Clock, network: Handle, compute: Handle, memory_limit_bytes: u64) -> Feeds {
        let budget = ReaderBudget::of_memory_limit(memory_limit_bytes);
        Feeds { catalog, events, clock, network, compute, budget, open: Mutex::default() }
    }

    /// What the batches of all sources take together.
    pub fn budget(&self) -> &ReaderBudget {
        &self.budget
    }

    /// The feed of a source, connected on first use.
    pub async fn get(&self, source: &Object) -> Result<Arc<SourceFeed>> {
        let cell = self.open.lock().entry(source.id).or_default().clone();
        cell.get_or_try_init(|| self.connect(source)).await.cloned()
    }

    /// The columns of a source as its readers know them now, if it is being read.
    pub fn columns(&self, source: ObjectId) -> Option<Arc<Columns>> {
        self.open.lock().get(&source).and_then(|cell| cell.get()).map(|feed| feed.columns.clone())
    }

    /// Has the store know all that was counted of a source so far.
    pub async fn keep_tally(&self, source: ObjectId) -> Result<()> {
        let feed = self.open.lock().get(&source).and_then(|cell| cell.get()).cloned();
        match feed {
            Some(feed) => feed.tally.keep().await,
            None => Ok(()),
        }
    }

    /// The same for all sources, before the server goes down.
    pub async fn keep_tallies(&self) {
        let sources: Vec<_> = self.open.lock().keys().copied().collect();
        for source in sources {
            if let Err(error) = self.keep_tally(source).await {
                tracing::warn!(?error, "what was counted of a source in the last minute is not kept");
            }
        }
    }

    /// After a source was dropped.
    pub fn forget(&self, source: ObjectId) {
        self.open.lock().remove(&source);
    }

    async fn connect(&self, object: &Object) -> Result<Arc<SourceFeed>> {
        let Definition::Source(source) = &object.definition else {
            return Err(Error::internal(format!("\"{}\" is not a source", object.name)));
        };
        let options = source.options.reveal(|secret| self.catalog.secret(secret))?;
        let opened = sources::connector(&source.connector)?.open(options, self.clock.clone()).await?;
        let columns = Columns::new(object.id, object.name.clone(), source.columns.clone(), self.catalog.clone(), self.events.clone());
        Ok(Arc::new(SourceFeed {
            name: object.name.clone(),
            source: opened.into(),
            columns: Arc::new(columns),
            tally: Arc::new(Tally::new(object.id, self.catalog.clone(), self.clock.clone())),
            clock: self.clock.clone(),
            mode: source.mode,
            flatten: source.flatten,
            network: self.network.clone(),
            compute: self.compute.clone(),
            budget: self.budget.clone(),
            lanes: Mutex::default(),
        }))
    }
}

/// One open source and the lanes in which it is being read.
pub struct SourceFeed {
    pub name: Name,
    pub columns: Arc<Columns>,
    tally: Arc<Tally>,
    clock: Clock,
    source: Arc<dyn Source>,
    mode: SchemaMode,
    flatten: bool,
    network: Handle,
    compute: Handle,
    budget: Arc<ReaderBudget>,
    lanes: Mutex<HashMap<PartitionId, Vec<Arc<Lane>>>>,
}

impl SourceFeed {
    /// The partitions to read now, given what a job has done.
    pub async fn partitions(&self, known: &Positions) -> Result<Vec<Partition>> {
        self.source.partitions(known).await
    }

    pub async fn start(&self, partition: &PartitionId, start: Start, known: &Positions) -> Result<Position> {
        self.source.start(partition, start, known).await
    }

    /// A cursor that goes on from `position`. `wake` fires whenever there may be more.
    pub fn attach(self: &Arc<Self>, partition: &PartitionId, position: &Position, wake: &Arc<Notify>) -> Cursor {
        let (lane, listener, next) = self.find_or_begin(partition, position, wake);
        Cursor::new(self.clone(), partition.clone(), position.clone(), wake.clone(), lane, listener, next)
    }

    /// A lane other than `than` that has what comes after `position`: whoever moves there reads along with others.
    fn find_other(
        &self,
        partition: &PartitionId,
        position: &Position,
        wake: &Arc<Notify>,
        than: &Arc<Lane>,
    ) -> Option<(Arc<Lane>, u64, u64)> {
        let lanes = self.lanes.lock();
        let lanes = lanes.get(partition).filter(|lanes| lanes.len() > 1)?;
        // Lanes stand in the order they were begun, and only moves to an earlier one are made: so two jobs cannot chase each other.
        lanes.iter().take_while(|lane| !Arc::ptr_eq(lane, than)).find_map(|lane| {
            let (listener, next) = lane.attach(position, self.source.as_ref(), wake)?;
            Some((lane.clone(), listener, next))
        })
    }

    fn find_or_begin(self: &Arc<Self>, partition: &PartitionId, position: &Position, wake: &Arc<Notify>) -> (Arc<Lane>, u64, u64) {
        let mut lanes = self.lanes.lock();
        let lanes = lanes.entry(partition.clone()).or_default();
        for lane in lanes.iter() {
            if let Some((listener, next)) = lane.attach(position, self.source.as_ref(), wake) {
                return (lane.clone(), listener, next);
            }
        }
        let lane = Arc::new(Lane::new(position.clone(), self.budget.hold()));
        let (listener, next) = lane.attach(position, self.source.as_ref(), wake).expect("a new lane covers the position it begins at");
        lanes.push(lane.clone());
        self.network.spawn(read_lane(self.clone(), partition.clone(), position.clone(), lane.clone()));
        (lane, listener, next)
    }

    fn keep_tally_if_due(&self) {
        if !self.tally.is_due() {
            return;
        }
        let tally = self.tally.clone();
        self.network.spawn(async move {
            // It is tried again in a minute, with what has come since.
            if let Err(error) = tally.keep().await {
                tracing::debug!(?error, "what was counted of a source cannot be kept yet");
            }
        });
    }

    fn remove(&self, partition: &PartitionId, lane: &Arc<Lane>) {
        let mut lanes = self.lanes.lock();
        if let Some(of_partition) = lanes.get_mut(partition) {
            of_partition.retain(|other| !Arc::ptr_eq(other, lane));
            if of_partition.is_empty() {
                lanes.remove(partition);
            }
        }
    }
}

/// The task of a lane. It ends with the partition, with an error, or when nobody listens.
async fn read_lane(feed: Arc<SourceFeed>, partition: PartitionId, from: Position, lane: Arc<Lane>) {
    let reading = AssertUnwindSafe(read_on(&feed, &partition, from, &lane)).catch_unwind();
    match reading.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => lane.fail(error),
        Err(_) => lane.fail(Error::internal(format!("reading partition {partition} panicked")).with_hint("please report this")),
    }
    feed.remove(&partition, &lane);
}

async fn read_on(feed: &SourceFeed, partition: &PartitionId, mut position: Position, lane: &Lane) -> Result<()> {
    let mut reader = feed.source.read(partition, &position).await?;
    let mut decoder = JsonDecoder::new(&feed.columns.current(), feed.mode, feed.flatten);
    loop {
        match lane.room() {
            Room::Leave => return Ok(()),
            Room::Wait => lane.wanted.notified().await,
            Room::Read => {
                let asked_micros = feed.clock.now_micros();
                let fetched = Fetched { batch: reader.next().await?, asked_micros };
                let ended = fetched.batch.ended;
                match hand_out(feed, partition, &mut position, lane, fetched, decoder).await? {
                    Some(back) if !ended => decoder = back,
                    _ => return Ok(()),
                }
            }
        }
    }
}

/// What a source gave, and when it was asked.
struct Fetched {
    batch: Batch,
    asked_micros: i64,
}

/// Decodes what was fetched and puts it into the lane, in as many batches as it wants: what is unpacked can be much more than what came. Gives
/// the decoder back, or nothing if nobody listens any more.
async fn hand_out(
    feed: &SourceFeed,
    partition: &PartitionId,
    position: &mut Position,
    lane: &Lane,
    Fetched { batch: fetched, asked_micros }: Fetched,
    mut decoder: JsonDecoder,
) -> Result<Option<JsonDecoder>> {
    let mut records = fetched.records;
    loop {
        let (back, decoded) = decode(feed, decoder, &records).await?;
        decoder = back;
        let taken = records.slice(0, decoded.taken);
        records = records.slice(taken.len(), records.len() - taken.len());
        let is_last = records.is_empty();
        let next = if is_last { fetched.next.clone() } else { Position::new(taken.offset.value(taken.len() - 1)) };
        let start = std::mem::replace(position, next.clone());
        let batch = FeedBatch::new(partition.clone(), start, next, &taken, decoded)?;
        feed.tally.count(&batch);
        if is_last {
            feed.keep_tally_if_due();
            lane.push(batch, fetched.behind, fetched.ended, asked_micros);
            return Ok(Some(decoder));
        }
        lane.push_part(batch);
        if !lane.has_room().await {
            return Ok(None);
        }
    }
}

/// Decodes until all readers agree on the columns. Decoding is computing, so it runs there.
async fn decode(feed: &SourceFeed, mut decoder: JsonDecoder, records: &sources::Records) -> Result<(JsonDecoder, crate::formats::Decoded)> {
    loop {
        let columns = feed.columns.current();
        let records = records.clone();
        let (back, decoded) = feed
            .compute
            .spawn(async move {
                decoder.set_columns(&columns);
                let decoded = decoder.decode(&records);
                (decoder, decoded)
            })
            .await?;
        decoder = back;
        let decoded = decoded?;
        if decoded.found.is_empty() {
            return Ok((decoder, decoded));
        }
        if let Growth::Agreed = feed.columns.grow(decoder.columns().len(), &decoded.found).await? {
            return Ok((decoder, decoded));
        }
    }
}
