//! A Kinesis server: `kinesis-local`, an npm package. Of all emulators it reshards most faithfully: a split shard's parent is closed, can be
//! read to its end, and then names its children. What a call costs it grows with the records in the shard: some thousands are enough.

use std::process::Command;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, Shard, StreamStatus};
use tempfile::TempDir;

use super::free_port::free_port;
use super::ministack::{ACCESS_KEY, REGION};
use super::wait::{DEADLINE, wait_until};
use super::{Process, http, install};

const PACKAGE: &str = "kinesis-local";
const REQUIREMENT: &str = "kinesis-local@0.6.2";
const INSTALLED_AS: &str = "kinesis-local-0.6.2";

/// The service's own limit.
const RECORDS_PER_CALL_MAX: usize = 500;

pub struct KinesisLocal {
    process: Process,
    endpoint: String,
    client: Client,
    _folder: TempDir,
}

impl KinesisLocal {
    /// Starts one with these streams, e.g. `pops-eu:2,pops-us:2`.
    pub async fn start(streams: &str) -> KinesisLocal {
        // It reads its certificate from the folder it is started in.
        let package = install::npm(INSTALLED_AS, REQUIREMENT.to_string()).await.join("node_modules").join(PACKAGE);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let (plain, tls) = (free_port(), free_port());
        let mut command = Command::new("node");
        command.arg("main.js").current_dir(package);
        command.env("KINESIS_MOCK_PLAIN_PORT", plain.to_string()).env("KINESIS_MOCK_TLS_PORT", tls.to_string());
        command.env("INITIALIZE_STREAMS", streams).env("AWS_REGION", REGION).env("SHARD_LIMIT", "200").env("LOG_LEVEL", "WARN");
        let process = Process::spawn("kinesis-local", command, folder.path());
        let endpoint = format!("http://127.0.0.1:{plain}");
        let client = connect(&endpoint);
        let mut started = KinesisLocal { process, endpoint, client, _folder: folder };
        started.wait_until_it_answers(&format!("127.0.0.1:{plain}")).await;
        for stream in streams.split(',') {
            started.wait_until_active(stream.split(':').next().unwrap_or(stream)).await;
        }
        started
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Puts records of one key, in their order.
    pub async fn put(&self, stream: &str, key: &str, records: impl IntoIterator<Item = impl Into<Vec<u8>>>) {
        let entry = |record: Vec<u8>| PutRecordsRequestEntry::builder().data(Blob::new(record)).partition_key(key).build();
        let entries: Result<Vec<_>, _> = records.into_iter().map(|record| entry(record.into())).collect();
        for call in entries.expect("a record with data and key").chunks(RECORDS_PER_CALL_MAX) {
            let put = self.client.put_records().stream_name(stream).set_records(Some(call.to_vec()));
            let answer = put.send().await.expect("kinesis-local takes records");
            assert!(answer.records().iter().all(|result| result.error_code().is_none()), "kinesis-local refused a record: {answer:?}");
        }
    }

    /// All shards, the closed ones too.
    pub async fn shards(&self, stream: &str) -> Vec<Shard> {
        let answer = self.client.list_shards().stream_name(stream).send().await.expect("kinesis-local lists shards");
        answer.shards.unwrap_or_default()
    }

    /// Splits an open shard in the middle, and returns its id when the stream has its children.
    pub async fn split_a_shard(&self, stream: &str) -> String {
        let shards = self.shards(stream).await;
        let open = shards.iter().find(|shard| is_open(shard)).expect("a stream has an open shard");
        let range = open.hash_key_range.as_ref().expect("a shard has a range");
        let (start, end) = (hash(&range.starting_hash_key), hash(&range.ending_hash_key));
        let middle = (start + (end - start) / 2).to_string();
        let split = self.client.split_shard().stream_name(stream).shard_to_split(&open.shard_id).new_starting_hash_key(middle);
        split.send().await.expect("kinesis-local splits a shard");
        let children = async || {
            let shards = self.shards(stream).await;
            let children = shards.iter().filter(|shard| shard.parent_shard_id() == Some(&open.shard_id)).count();
            (children == 2).then_some(())
        };
        wait_until("the shard has two children", DEADLINE, children).await;
        self.wait_until_active(stream).await;
        open.shard_id.clone()
    }

    async fn wait_until_it_answers(&mut self, address: &str) {
        wait_until("kinesis-local answers", DEADLINE, async || {
            self.process.assert_alive();
            http::get(address, "/healthcheck").await.filter(|answer| answer.status == 200)
        })
        .await;
    }

    async fn wait_until_active(&self, stream: &str) {
        wait_until("the stream is active", DEADLINE, async || {
            let answer = self.client.describe_stream_summary().stream_name(stream).send().await.ok()?;
            (answer.stream_description_summary?.stream_status == StreamStatus::Active).then_some(())
        })
        .await;
    }
}

fn connect(endpoint: &str) -> Client {
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(ACCESS_KEY, ACCESS_KEY, None, None, "tests"));
    Client::from_conf(config.build())
}

fn is_open(shard: &Shard) -> bool {
    shard.sequence_number_range.as_ref().is_some_and(|range| range.ending_sequence_number.is_none())
}

fn hash(key: &str) -> u128 {
    key.parse().expect("a hash key is a number of 128 bits")
}

#[cfg(test)]
mod tests {
    use aws_sdk_kinesis::types::ShardIteratorType;

    use super::*;

    impl KinesisLocal {
        /// Reads a shard from its beginning to where nothing more comes, and says whether it ended.
        async fn read(&self, stream: &str, shard: &str) -> (Vec<String>, bool) {
            let begin = self.client.get_shard_iterator().stream_name(stream).shard_id(shard);
            let mut iterator = begin.shard_iterator_type(ShardIteratorType::TrimHorizon).send().await.unwrap().shard_iterator;
            let mut read = Vec::new();
            while let Some(at) = iterator {
                let answer = self.client.get_records().shard_iterator(at).send().await.unwrap();
                if answer.records.is_empty() && answer.next_shard_iterator.is_some() {
                    return (read, false);
                }
                read.extend(answer.records.iter().map(|record| String::from_utf8(record.data.as_ref().to_vec()).unwrap()));
                iterator = answer.next_shard_iterator;
            }
            (read, true)
        }
    }

    #[tokio::test]
    async fn a_split_shard_can_be_read_to_its_end() {
        let server = KinesisLocal::start("one:1,two:2").await;
        assert_eq!(server.shards("two").await.len(), 2);
        server.put("one", "a", ["before"]).await;
        let parent = server.split_a_shard("one").await;
        server.put("one", "a", ["after"]).await;
        assert_eq!(server.read("one", &parent).await, (vec!["before".to_string()], true));
        let mut after = Vec::new();
        for shard in server.shards("one").await.iter().filter(|shard| is_open(shard)) {
            after.extend(server.read("one", &shard.shard_id).await.0);
        }
        assert_eq!(after, ["after"]);
    }
}
