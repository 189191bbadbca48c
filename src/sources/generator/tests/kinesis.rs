//! `lakewire generate --kinesis-stream`, against a service that refuses a lot.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use base64::prelude::{BASE64_STANDARD, Engine};
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::super::Stream;
use super::super::kinesis_writer::{KinesisWriter, Order};
use super::super::record::Record;
use super::recipe;
use crate::error::Kind;

/// What the service got: key and base64 data, in order.
#[derive(Default)]
struct Service {
    calls: u64,
    records: Vec<(String, String)>,
}

/// Throttles every fifth call, refuses every third record of the others, and knows one stream.
async fn put_records(State(service): State<Arc<Mutex<Service>>>, body: String) -> (StatusCode, Json<Value>) {
    let request: Value = serde_json::from_str(&body).unwrap();
    if request["StreamName"] != "s" {
        return (StatusCode::BAD_REQUEST, Json(json!({"__type": "ResourceNotFoundException", "message": "no such stream"})));
    }
    let mut service = service.lock();
    service.calls += 1;
    if service.calls.is_multiple_of(5) {
        return (StatusCode::BAD_REQUEST, Json(json!({"__type": "ProvisionedThroughputExceededException", "message": "slow down"})));
    }
    let entries = request["Records"].as_array().unwrap();
    assert!((1..=500).contains(&entries.len()));
    let results: Vec<_> = (0u64..).zip(entries).map(|(index, entry)| service.take(index, entry)).collect();
    let failed = results.iter().filter(|result| result.get("ErrorCode").is_some()).count();
    (StatusCode::OK, Json(json!({"FailedRecordCount": failed, "Records": results})))
}

impl Service {
    fn take(&mut self, index: u64, entry: &Value) -> Value {
        if (self.calls + index).is_multiple_of(3) {
            return json!({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"});
        }
        let text = |field: &str| entry[field].as_str().unwrap().to_string();
        self.records.push((text("PartitionKey"), text("Data")));
        json!({"SequenceNumber": self.records.len().to_string(), "ShardId": "shardId-0"})
    }
}

async fn serve() -> (Client, Arc<Mutex<Service>>) {
    let service = Arc::<Mutex<Service>>::default();
    let router = Router::new().route("/", post(put_records)).with_state(service.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = aws_sdk_kinesis::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .retry_config(RetryConfig::disabled())
        .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint);
    (Client::from_conf(config.build()), service)
}

/// Puts the records and returns what should be there.
async fn put(client: Client, stream: Stream, order: Order, numbers: Range<u64>) -> Vec<(String, String)> {
    let mut writer = KinesisWriter::new(client, "s", order);
    let mut record = Record::default();
    let mut expected = Vec::new();
    for number in numbers {
        recipe(stream, 7).make(number, &mut record);
        writer.push(&record).await.unwrap();
        expected.push((String::from_utf8(record.key.clone()).unwrap(), BASE64_STANDARD.encode(&record.payload)));
    }
    writer.finish().await.unwrap();
    expected
}

#[tokio::test]
async fn refused_records_are_put_again_and_no_other() {
    let (client, service) = serve().await;
    let mut expected = put(client, Stream::Events, Order::Any, 0..3_210).await;
    let mut got = std::mem::take(&mut service.lock().records);
    expected.sort();
    got.sort();
    assert!(got == expected, "{} of {} records", got.len(), expected.len());
}

#[tokio::test]
async fn records_of_a_key_keep_their_order() {
    let (client, service) = serve().await;
    let expected = put(client, Stream::Management, Order::OfEachKey, 5_900..6_400).await;
    assert_eq!(by_key(&service.lock().records), by_key(&expected));
}

fn by_key(records: &[(String, String)]) -> BTreeMap<&str, Vec<&str>> {
    let mut keys = BTreeMap::<_, Vec<_>>::new();
    for (key, data) in records {
        keys.entry(key.as_str()).or_default().push(data.as_str());
    }
    keys
}

#[tokio::test]
async fn a_stream_that_does_not_exist_is_named() {
    let (client, _service) = serve().await;
    let mut writer = KinesisWriter::new(client, "t", Order::Any);
    writer.push(&Record { key: b"1".into(), payload: b"{}".into() }).await.unwrap();
    let error = writer.finish().await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::Undefined, "stream \"t\" does not exist"));
}
