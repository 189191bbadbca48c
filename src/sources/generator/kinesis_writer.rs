//! Puts records into a Kinesis stream, each exactly once or not at all: what the service says it did not take is put again, and an answer
//! that was lost is an error, for a record that is put again on suspicion might be there twice and spoil the count.

use std::collections::HashSet;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Region;
use aws_sdk_kinesis::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsOutput};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use tokio::task::JoinSet;

use super::record::Record;
use crate::error::{Error, Result};

/// The service's limits for one call.
const CALL_RECORDS_MAX: usize = 500;
const CALL_BYTES_MAX: usize = 5 << 20;

/// Enough to keep many shards busy. More would only stand in the service's queue, before those who read.
const CALLS_IN_FLIGHT_MAX: usize = 2;
const RETRY_WAIT_MIN: Duration = Duration::from_millis(100);
const RETRY_WAIT_MAX: Duration = Duration::from_secs(5);
/// Tries in a row in which the service took nothing. With the waits between them, a good minute.
const FRUITLESS_TRIES_MAX: u32 = 20;
/// Errors of a whole call that say that nothing of it was taken and that it may be tried again.
const THROTTLED_CODES: &[&str] =
    &["ProvisionedThroughputExceededException", "LimitExceededException", "ThrottlingException", "KMSThrottlingException"];

/// What order the records keep in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// None; fast.
    Any,
    /// Those of one key keep theirs: one call at a time, and no key twice in it.
    OfEachKey,
}

pub struct KinesisWriter {
    client: Client,
    stream: String,
    order: Order,
    entries: Vec<PutRecordsRequestEntry>,
    /// Of the entries and their keys.
    bytes: usize,
    keys: HashSet<Vec<u8>>,
    calls: JoinSet<Result<()>>,
}

/// A client that never repeats a call by itself. Credentials come from the AWS chain.
pub async fn connect(endpoint: Option<&str>, region: Option<&str>) -> Result<Client> {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).retry_config(RetryConfig::disabled());
    if let Some(endpoint) = endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(region) = region {
        loader = loader.region(Region::new(region.to_string()));
    }
    let config = loader.load().await;
    match config.region() {
        Some(_) => Ok(Client::new(&config)),
        None => Err(Error::invalid("no AWS region is given").with_hint("add --region, or set AWS_REGION")),
    }
}

impl KinesisWriter {
    pub fn new(client: Client, stream: &str, order: Order) -> KinesisWriter {
        KinesisWriter {
            client,
            stream: stream.to_string(),
            order,
            entries: Vec::new(),
            bytes: 0,
            keys: HashSet::new(),
            calls: JoinSet::new(),
        }
    }

    /// Adds a record, and sends what there is if it makes a call. Reports errors of earlier calls.
    pub async fn push(&mut self, record: &Record) -> Result<()> {
        let bytes = record.key.len() + record.payload.len();
        if self.bytes + bytes > CALL_BYTES_MAX || self.order == Order::OfEachKey && self.keys.contains(&record.key) {
            self.send().await?;
        }
        if self.order == Order::OfEachKey {
            self.keys.insert(record.key.clone());
        }
        self.bytes += bytes;
        let entry = PutRecordsRequestEntry::builder()
            .data(Blob::new(&record.payload[..]))
            .partition_key(String::from_utf8_lossy(&record.key))
            .build()
            .map_err(|error| Error::internal("a record without data or key").with_cause(error))?;
        self.entries.push(entry);
        match self.entries.len() {
            CALL_RECORDS_MAX => self.send().await,
            _ => Ok(()),
        }
    }

    /// Sends what was added, as soon as not too many calls are under way.
    pub async fn send(&mut self) -> Result<()> {
        if self.entries.is_empty() {
            return Ok(());
        }
        let calls_max = match self.order {
            Order::Any => CALLS_IN_FLIGHT_MAX,
            Order::OfEachKey => 1,
        };
        self.wait_for_calls(calls_max - 1).await?;
        self.keys.clear();
        self.bytes = 0;
        let entries = std::mem::take(&mut self.entries);
        self.calls.spawn(put(self.client.clone(), self.stream.clone(), entries));
        Ok(())
    }

    /// Sends what is left and waits for all answers.
    pub async fn finish(mut self) -> Result<()> {
        self.send().await?;
        self.wait_for_calls(0).await
    }

    /// Until no more than `left` are under way.
    async fn wait_for_calls(&mut self, left: usize) -> Result<()> {
        while self.calls.len() > left {
            if let Some(outcome) = self.calls.join_next().await {
                outcome??;
            }
        }
        Ok(())
    }
}

/// Puts all entries, those that are refused again and again with longer and longer waits.
async fn put(client: Client, stream: String, mut entries: Vec<PutRecordsRequestEntry>) -> Result<()> {
    let mut wait = RETRY_WAIT_MIN;
    let mut fruitless_tries = 0;
    loop {
        let before = entries.len();
        let answer = client.put_records().stream_name(&stream).set_records(Some(entries.clone())).send().await;
        let refusal = match answer {
            Ok(output) => keep_refused(&mut entries, &output)?,
            Err(error) if error.code().is_some_and(|code| THROTTLED_CODES.contains(&code)) => error.code().unwrap_or_default().to_string(),
            Err(error) => return Err(call_error(&stream, error)),
        };
        match entries.len() {
            0 => return Ok(()),
            left if left < before => (fruitless_tries, wait) = (0, RETRY_WAIT_MIN),
            _ => fruitless_tries += 1,
        }
        if fruitless_tries == FRUITLESS_TRIES_MAX {
            return Err(Error::unavailable(format!("stream \"{stream}\" keeps refusing records")).with_detail(refusal));
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(RETRY_WAIT_MAX);
    }
}

/// Leaves in `entries` those that the service did not take; returns the reason for one of them.
fn keep_refused(entries: &mut Vec<PutRecordsRequestEntry>, output: &PutRecordsOutput) -> Result<String> {
    let results = output.records();
    if results.len() != entries.len() {
        return Err(Error::unavailable(format!("the service answered {} records with {} results", entries.len(), results.len())));
    }
    let mut outcomes = results.iter().map(|result| result.error_code());
    let mut refusal = String::new();
    entries.retain(|_| match outcomes.next().flatten() {
        None => false,
        Some(code) => {
            refusal = code.to_string();
            true
        }
    });
    Ok(refusal)
}

fn call_error(stream: &str, error: SdkError<PutRecordsError>) -> Error {
    match error.as_service_error() {
        Some(PutRecordsError::ResourceNotFoundException(_)) => {
            Error::undefined(format!("stream \"{stream}\" does not exist")).with_hint("create it first, or check endpoint and region")
        }
        _ => Error::unavailable(format!("cannot put records into stream \"{stream}\""))
            .with_hint("some of the records of the last calls may be in the stream; check endpoint, region and AWS credentials")
            .with_cause(error),
    }
}
