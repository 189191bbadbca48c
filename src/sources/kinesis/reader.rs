//! Reads one shard: asks within the service's limits, bears what passes, and never blocks for much longer than one request.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::operation::get_records::GetRecordsOutput;
use aws_sdk_kinesis::primitives::DateTime;
use aws_sdk_kinesis::types::{Record, ShardIteratorType};
use tokio::time::{Instant, sleep, sleep_until};

use super::failure::{Failure, Meaning};
use super::pace::{Outlook, Pace, Portion};
use super::patience::Patience;
use super::place::{Place, SequenceNumber};
use super::shards::partition_id;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::model::{PartitionId, Position};
use crate::sources::{Batch, Behind, PartitionReader, RecordsBuilder};

/// After this the caller gets an empty batch and may look around.
const WAIT_MAX: Duration = Duration::from_secs(1);
/// Failures in a row for so long are no longer borne here.
const READ_PATIENCE: Duration = Duration::from_secs(30);
/// How far our clock may be ahead of the service's. AWS accepts no signature that is further off.
const CLOCK_SKEW_MILLIS_MAX: i64 = 5 * 60 * 1000;

pub struct ShardReader {
    client: Client,
    clock: Clock,
    pace: Pace,
    patience: Patience,
    portion: Portion,
    stream: String,
    shard: String,
    /// All before this was handed out.
    next: Position,
    /// The service's handle for `next`. Forgotten when it is no longer accepted.
    iterator: Option<String>,
    /// When the shard may be asked again.
    due: Instant,
    behind: Behind,
    ended: bool,
}

impl ShardReader {
    pub fn new(client: Client, clock: Clock, pace: Pace, stream: &str, shard: &str, from: Position) -> ShardReader {
        ShardReader {
            client,
            clock,
            pace,
            patience: Patience::new(READ_PATIENCE),
            portion: Portion::whole(),
            stream: stream.to_string(),
            shard: shard.to_string(),
            next: from,
            iterator: None,
            due: Instant::now(),
            behind: Behind::default(),
            ended: false,
        }
    }

    /// Waits until the shard may be asked, or as long as the caller likes to wait.
    async fn wait(&self) -> Turn {
        if self.due > Instant::now() + WAIT_MAX {
            sleep(WAIT_MAX).await;
            return Turn::NotYet;
        }
        sleep_until(self.due).await;
        Turn::Ours
    }

    async fn ask(&mut self) -> Result<GetRecordsOutput, Failure> {
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => self.new_iterator().await?,
        };
        self.iterator = Some(iterator.clone());
        let answer = self.client.get_records().shard_iterator(iterator).limit(self.portion.records()).send().await?;
        match answer.records.iter().all(|record| SequenceNumber::from_text(&record.sequence_number).is_some()) {
            true => Ok(answer),
            false => Err(Failure::odd_answer("the service gave a record without a sequence number")),
        }
    }

    async fn new_iterator(&self) -> Result<String, Failure> {
        let request = self.client.get_shard_iterator().stream_name(&self.stream).shard_id(&self.shard);
        let request = match self.place() {
            Place::TrimHorizon => request.shard_iterator_type(ShardIteratorType::TrimHorizon),
            Place::AtTimestamp(millis) => {
                request.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(DateTime::from_millis(millis))
            }
            Place::After(number) => {
                request.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(number.as_str())
            }
        };
        let answer = request.send().await?;
        answer.shard_iterator.ok_or_else(|| Failure::odd_answer("the service gave no shard iterator"))
    }

    /// The service may give a record again, also within one answer, and it may go back: what was handed out is passed over. In a shard, the
    /// numbers grow from record to record.
    fn take_in(&mut self, answer: GetRecordsOutput) -> Batch {
        self.patience.succeeded();
        self.portion.succeeded();
        let fetched_bytes = answer.records.iter().map(|record| record.data.as_ref().len()).sum();
        let is_quiet = answer.records.is_empty();
        let mut records = RecordsBuilder::default();
        for record in answer.records {
            if SequenceNumber::from_text(&record.sequence_number).is_some_and(|number| Place::After(number) > self.place()) {
                self.next = self.push(&mut records, record);
            }
        }
        self.ended = answer.next_shard_iterator.is_none();
        self.iterator = answer.next_shard_iterator;
        self.behind.milliseconds = answer.millis_behind_latest.and_then(|millis| u64::try_from(millis).ok());
        let outlook = match self.behind.milliseconds {
            Some(0) => Outlook::CaughtUp,
            None if is_quiet => Outlook::CaughtUp,
            _ => Outlook::MoreWaiting,
        };
        self.due = Instant::now() + self.pace.gap(fetched_bytes, outlook);
        self.batch(records)
    }

    fn push(&self, records: &mut RecordsBuilder, record: Record) -> Position {
        let offset = Position::new(record.sequence_number);
        let arrival = record.approximate_arrival_timestamp.as_ref().map_or_else(|| self.clock.now_micros(), micros);
        records.push(record.data.as_ref(), &offset, arrival, record.partition_key.as_deref().map(str::as_bytes));
        offset
    }

    /// Waits out what passes, and turns what does not into an error.
    fn bear(&mut self, failure: Failure) -> Result<Batch> {
        match failure.meaning {
            Meaning::Argument if self.iterator.is_some() => self.try_again(failure, Keep::Nothing),
            Meaning::Argument if self.begins_after(self.clock.now().timestamp_millis() - CLOCK_SKEW_MILLIS_MAX) => Ok(self.not_yet()),
            Meaning::Argument => Err(records_expired(&self.partition(), &self.next).with_cause(failure.into_error("refused"))),
            Meaning::Expired => self.try_again(failure, Keep::Nothing),
            Meaning::Passing => {
                self.portion.failed();
                self.try_again(failure, Keep::Iterator)
            }
            Meaning::Missing => Err(failure.into_error(format!("shard \"{}\" does not exist any more", self.partition()))),
            Meaning::Refused | Meaning::NoCredentials | Meaning::Unexpected => Err(failure.into_error(self.complaint())),
        }
    }

    fn try_again(&mut self, failure: Failure, keep: Keep) -> Result<Batch> {
        if let Keep::Nothing = keep {
            self.iterator = None;
        }
        match self.patience.failed() {
            None => Err(failure.into_error(self.complaint())),
            Some(delay) => {
                tracing::debug!(shard = %self.partition(), ?delay, ?failure, "the shard is asked again later");
                self.due = Instant::now() + delay;
                Ok(self.unasked())
            }
        }
    }

    /// The service refuses a time that has not come by its own clock, which may be behind ours.
    fn begins_after(&self, millis: i64) -> bool {
        self.iterator.is_none() && matches!(self.place(), Place::AtTimestamp(time) if time > millis)
    }

    fn not_yet(&mut self) -> Batch {
        self.due = Instant::now() + self.pace.poll_interval;
        self.unasked()
    }

    /// Nothing, because the service was not asked or did not say: that the end is reached cannot be known from it.
    fn unasked(&self) -> Batch {
        let millis = self.behind.milliseconds.unwrap_or_default().max(1);
        let behind = Behind { milliseconds: Some(millis), ..self.behind };
        Batch { behind, ..self.batch(RecordsBuilder::default()) }
    }

    fn batch(&self, records: RecordsBuilder) -> Batch {
        Batch { records: records.finish(), next: self.next.clone(), behind: self.behind, ended: self.ended }
    }

    fn place(&self) -> Place<'_> {
        Place::parse(&self.next).expect("a reader is opened at a position, and the service numbers its records")
    }

    fn partition(&self) -> PartitionId {
        partition_id(&self.stream, &self.shard)
    }

    fn complaint(&self) -> String {
        format!("cannot read shard \"{}\"", self.partition())
    }
}

enum Turn {
    Ours,
    NotYet,
}

/// What is still good after a failure.
enum Keep {
    Iterator,
    Nothing,
}

#[async_trait]
impl PartitionReader for ShardReader {
    async fn next(&mut self) -> Result<Batch> {
        if self.ended {
            return Ok(self.batch(RecordsBuilder::default()));
        }
        if let Turn::NotYet = self.wait().await {
            return Ok(self.unasked());
        }
        if self.begins_after(self.clock.now().timestamp_millis()) {
            return Ok(self.not_yet());
        }
        match self.ask().await {
            Ok(answer) => Ok(self.take_in(answer)),
            Err(failure) => self.bear(failure),
        }
    }
}

/// What comes after `position` is no longer kept.
pub fn records_expired(partition: &PartitionId, position: &Position) -> Error {
    Error::data(format!("records after position {position} of \"{partition}\" have expired"))
        .with_detail("the stream does not keep them any longer, so going on would leave a gap")
        .with_hint("begin anew, with start = 'earliest', to go on without them; and lengthen the stream's retention period")
}

fn micros(time: &DateTime) -> i64 {
    time.secs() * 1_000_000 + i64::from(time.subsec_nanos() / 1_000)
}

#[cfg(test)]
mod tests {
    use super::super::client::connect;
    use super::super::fake::FakeKinesis;
    use super::super::options::KinesisOptions;
    use super::*;
    use crate::error::Kind;

    #[tokio::test]
    async fn what_does_not_pass_in_time_is_handed_up() {
        let fake = FakeKinesis::start().await;
        fake.refuse("GetShardIterator", 503, "ServiceUnavailable");
        let options = KinesisOptions::take(&mut fake.options()).unwrap();
        let client = connect(&options).await.unwrap();
        let pace = Pace::of_service(options.poll_interval);
        let mut reader = ShardReader::new(client, Clock::wall(), pace, "s", "shardId-0", Position::new("1"));
        reader.patience = Patience::new(Duration::ZERO);
        let error = reader.next().await.err().unwrap();
        assert_eq!((error.kind(), error.message()), (Kind::Unavailable, "cannot read shard \"s/shardId-0\""), "{error:?}");
    }
}
