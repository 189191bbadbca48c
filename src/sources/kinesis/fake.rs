//! A scripted Kinesis at the HTTP boundary: it answers each action with the replies it was told, in their order, and notes what it was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::clock::Clock;
use crate::error::Result;
use crate::model::{OptionValue, Options, SecretText};
use crate::sources::{Source, connector};

/// Serves until it is dropped.
pub struct FakeKinesis {
    pub endpoint: String,
    told: Arc<Told>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Told {
    replies: Mutex<HashMap<String, VecDeque<Reply>>>,
    requests: Mutex<Vec<(String, Value)>>,
}

enum Reply {
    Answer(Value),
    Refusal(u16, &'static str),
}

impl FakeKinesis {
    pub async fn start() -> FakeKinesis {
        let told = Arc::new(Told::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(told.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        FakeKinesis { endpoint, told, server }
    }

    /// A fake on which the stream `s` exists.
    pub async fn with_stream() -> FakeKinesis {
        let fake = FakeKinesis::start().await;
        fake.answer("DescribeStreamSummary", json!({"StreamDescriptionSummary": summary("ACTIVE")}));
        fake
    }

    pub fn answer(&self, action: &str, answer: Value) {
        self.told.replies.lock().entry(action.to_string()).or_default().push_back(Reply::Answer(answer));
    }

    pub fn refuse(&self, action: &str, status: u16, code: &'static str) {
        self.told.replies.lock().entry(action.to_string()).or_default().push_back(Reply::Refusal(status, code));
    }

    /// The bodies of the requests for one action.
    pub fn asked(&self, action: &str) -> Vec<Value> {
        self.told.requests.lock().iter().filter(|(asked, _)| asked == action).map(|(_, body)| body.clone()).collect()
    }

    /// What a user would write to read the stream `s` here.
    pub fn options(&self) -> Options {
        let mut options = Options::default().with("stream", "s").with("region", "eu-central-1").with("access_key_id", "AKIA");
        options.insert("secret_access_key", OptionValue::Revealed(SecretText::new("secret")), 1).unwrap();
        options.with("endpoint", &self.endpoint).with("poll_interval", "200ms")
    }

    pub async fn open(&self, clock: Clock) -> Result<Box<dyn Source>> {
        connector("kinesis")?.open(self.options(), clock).await
    }
}

impl Drop for FakeKinesis {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub fn summary(status: &str) -> Value {
    json!({
        "StreamName": "s", "StreamARN": "arn:aws:kinesis:eu-central-1:1:stream/s", "StreamStatus": status, "RetentionPeriodHours": 24,
        "StreamCreationTimestamp": 1.7e9, "EnhancedMonitoring": [], "OpenShardCount": 1,
    })
}

/// The answer to `GetRecords`. Each record is its sequence number and its data; `next` is the next iterator.
pub fn records(records: &[(&str, &str)], next: Option<&str>, millis_behind: u64) -> Value {
    let records: Vec<_> = records
        .iter()
        .map(|(number, data)| {
            json!({
                "SequenceNumber": number, "Data": BASE64_STANDARD.encode(data.as_bytes()), "PartitionKey": format!("key {data}"),
                "ApproximateArrivalTimestamp": 1_700_000_000.25,
            })
        })
        .collect();
    json!({"Records": records, "NextShardIterator": next, "MillisBehindLatest": millis_behind})
}

async fn serve(State(told): State<Arc<Told>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers["x-amz-target"].to_str().unwrap();
    let action = target.strip_prefix("Kinesis_20131202.").unwrap().to_string();
    let reply = told.replies.lock().get_mut(&action).and_then(VecDeque::pop_front);
    told.requests.lock().push((action, serde_json::from_slice(&body).unwrap()));
    let (status, answer) = match reply.unwrap_or(Reply::Refusal(400, "NotInTheScript")) {
        Reply::Answer(answer) => (200, answer),
        Reply::Refusal(status, code) => (status, json!({"__type": code, "message": "as told"})),
    };
    (StatusCode::from_u16(status).unwrap(), [("content-type", "application/x-amz-json-1.1")], answer.to_string()).into_response()
}
