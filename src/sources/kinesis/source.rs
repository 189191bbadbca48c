//! The streams of one `CREATE SOURCE`, open.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::describe_stream_summary::DescribeStreamSummaryOutput;
use aws_sdk_kinesis::types::StreamStatus;
use parking_lot::Mutex;

use super::client;
use super::failure::{Failure, Meaning};
use super::options::KinesisOptions;
use super::pace::Pace;
use super::patience::patiently;
use super::place::{self, Place};
use super::reader::{ShardReader, records_expired};
use super::shards::{Shard, listable, split_partition_id, vanished};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::options::Start;
use crate::model::{PartitionId, Position, Positions};
use crate::sources::{Partition, PartitionReader, Source};

/// A user waits for the answer to `CREATE SOURCE`; a throttled call deserves another try, a dead endpoint does not deserve many.
const OPEN_PATIENCE: Duration = Duration::from_secs(2);
const LIST_PATIENCE: Duration = Duration::from_secs(10);
/// What a look at a source shows: the records of the last ten minutes.
const RECENT_MILLIS: i64 = 10 * 60 * 1000;

pub struct KinesisSource {
    client: Client,
    clock: Clock,
    pace: Pace,
    streams: Vec<String>,
    /// Each shard's parents, as last listed.
    parents: Mutex<BTreeMap<PartitionId, Vec<PartitionId>>>,
}

impl KinesisSource {
    /// Connects, and asks for each stream whether it is there.
    pub async fn open(options: KinesisOptions, clock: Clock) -> Result<KinesisSource> {
        let client = client::connect(&options).await?;
        for stream in &options.streams {
            check_stream(&client, stream, options.endpoint.as_deref()).await?;
        }
        Ok(KinesisSource {
            client,
            clock,
            pace: Pace::of_service(options.poll_interval),
            streams: options.streams,
            parents: Mutex::default(),
        })
    }

    /// All shards that the service lists for a stream, open and closed, in the order of their ids.
    async fn list(&self, stream: &str) -> Result<Vec<Shard>> {
        let mut shards = patiently(LIST_PATIENCE, || list_shards(&self.client, stream))
            .await
            .map_err(|failure| failure.into_error(format!("cannot list the shards of stream \"{stream}\"")))?;
        shards.sort_by(|left, right| left.id.cmp(&right.id));
        self.parents.lock().extend(shards.iter().map(|shard| (shard.id.clone(), shard.parents.clone())));
        Ok(shards)
    }

    async fn parents(&self, partition: &PartitionId) -> Result<Vec<PartitionId>> {
        let (stream, _) = self.split(partition)?;
        let known = self.parents.lock().get(partition).cloned();
        if let Some(parents) = known {
            return Ok(parents);
        }
        let shards = self.list(stream).await?;
        shards
            .into_iter()
            .find(|shard| shard.id == *partition)
            .map(|shard| shard.parents)
            .ok_or_else(|| Error::undefined(format!("shard \"{partition}\" does not exist")))
    }

    async fn has_known_parent(&self, partition: &PartitionId, known: &Positions) -> Result<bool> {
        Ok(self.parents(partition).await?.iter().any(|parent| known.contains_key(parent)))
    }

    fn split<'a>(&self, partition: &'a PartitionId) -> Result<(&'a str, &'a str)> {
        split_partition_id(partition)
            .filter(|(stream, _)| self.streams.iter().any(|ours| ours == stream))
            .ok_or_else(|| Error::internal(format!("\"{partition}\" is not a shard of this source")))
    }

    fn now_millis(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }
}

#[async_trait]
impl Source for KinesisSource {
    async fn partitions(&self, known: &Positions) -> Result<Vec<Partition>> {
        let mut partitions = Vec::new();
        for stream in &self.streams {
            let shards = self.list(stream).await?;
            if let Some((gone, position)) = vanished(stream, &shards, known) {
                return Err(records_expired(gone, position));
            }
            partitions.extend(listable(&shards, known).into_iter().map(|shard| Partition { id: shard.id.clone() }));
        }
        Ok(partitions)
    }

    async fn start(&self, partition: &PartitionId, start: Start, known: &Positions) -> Result<Position> {
        let place = match start {
            Start::Earliest => Place::TrimHorizon,
            // In a child too, whatever came before that time is not wanted. This is what makes a start exact on a stream that was resharded
            // not long ago: its closed shards end at once, and their children do not bring back the hours before.
            Start::At(time) => Place::AtTimestamp(time.timestamp_millis()),
            Start::Latest if self.has_known_parent(partition, known).await? => Place::TrimHorizon,
            Start::Latest => Place::AtTimestamp(self.now_millis()),
        };
        Ok(place.to_position())
    }

    async fn read(&self, partition: &PartitionId, from: &Position) -> Result<Box<dyn PartitionReader>> {
        let (stream, shard) = self.split(partition)?;
        Place::parse(from)?;
        Ok(Box::new(ShardReader::new(self.client.clone(), self.clock.clone(), self.pace, stream, shard, from.clone())))
    }

    fn compare(&self, left: &Position, right: &Position) -> Ordering {
        place::compare(left, right)
    }

    async fn recent(&self, _partition: &PartitionId) -> Result<Position> {
        Ok(Place::AtTimestamp(self.now_millis() - RECENT_MILLIS).to_position())
    }
}

async fn check_stream(client: &Client, stream: &str, endpoint: Option<&str>) -> Result<()> {
    let region = client.config().region().map(|region| region.as_ref()).unwrap_or_default();
    let place = match endpoint {
        Some(endpoint) => format!("region {region} at {endpoint}"),
        None => format!("region {region}"),
    };
    let answer = patiently(OPEN_PATIENCE, || describe(client, stream));
    let answer = answer.await.map_err(|failure| {
        let message = match failure.meaning {
            Meaning::Missing => format!("stream \"{stream}\" does not exist in {place}"),
            Meaning::Refused => format!("access to stream \"{stream}\" in {place} is refused"),
            _ => format!("cannot reach stream \"{stream}\" in {place}"),
        };
        failure.into_error(message)
    })?;
    match answer.stream_description_summary().map(|summary| summary.stream_status()) {
        Some(StreamStatus::Creating) => Err(Error::unavailable(format!("stream \"{stream}\" in {place} is still being created"))),
        Some(StreamStatus::Deleting) => Err(Error::undefined(format!("stream \"{stream}\" in {place} is being deleted"))),
        _ => Ok(()),
    }
}

async fn describe(client: &Client, stream: &str) -> Result<DescribeStreamSummaryOutput, Failure> {
    Ok(client.describe_stream_summary().stream_name(stream).send().await?)
}

async fn list_shards(client: &Client, stream: &str) -> Result<Vec<Shard>, Failure> {
    let mut shards = Vec::new();
    let mut token: Option<String> = None;
    loop {
        // A call names the stream or a place in its listing, never both.
        let request = match token.take() {
            None => client.list_shards().stream_name(stream),
            Some(token) => client.list_shards().next_token(token),
        };
        let page = request.send().await?;
        shards.extend(page.shards().iter().map(|shard| Shard::new(stream, shard)));
        match page.next_token {
            Some(next) => token = Some(next),
            None => return Ok(shards),
        }
    }
}
