//! The service's door: a request comes in, and its answer goes out, late or not at all if that is drawn.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::sleep;

use super::faults::{Action, Fault};
use super::service::{Answer, Refusal, Service};

const CONTENT_TYPE: [(&str, &str); 1] = [("content-type", "application/x-amz-json-1.1")];

pub async fn serve(listener: std::net::TcpListener, service: Arc<Service>) {
    let listener = TcpListener::from_std(listener).expect("a socket can be shared");
    let router = Router::new().fallback(handle).with_state(service);
    axum::serve(listener, router).await.expect("the service accepts connections");
}

async fn handle(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let (Some(action), Ok(asked)) = (Action::of(target), serde_json::from_slice::<Value>(&body)) else {
        return written(Err(Refusal(400, "UnknownOperationException")));
    };
    let mut drawn = service.draw(action, &asked);
    let answer = service.answer(action, &asked, &mut drawn);
    if !drawn.latency.is_zero() {
        sleep(drawn.latency).await;
    }
    match drawn.fault {
        Some(Fault::Lost) => broken(),
        _ => written(answer),
    }
}

fn written(answer: Answer) -> Response {
    let (status, body) = match answer {
        Ok(answer) => (StatusCode::OK, answer),
        Err(Refusal(status, code)) => {
            let status = StatusCode::from_u16(status).expect("a status");
            (status, json!({"__type": code, "message": "drawn, or deserved"}))
        }
    };
    (status, CONTENT_TYPE, body.to_string()).into_response()
}

/// The beginning of an answer; then the connection breaks.
fn broken() -> Response {
    let pieces = [Ok(Bytes::from_static(b"{\"")), Err(io::Error::other("the answer is lost"))];
    (CONTENT_TYPE, Body::from_stream(stream::iter(pieces))).into_response()
}
