//! Accepts HTTP clients: few, small, and not for long.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{HttpState, router};
use crate::error::Result;

const REQUEST_SECONDS: u64 = 10;
const REQUESTS_AT_ONCE_MAX: usize = 64;
const BODY_BYTES_MAX: usize = 64 << 10;
/// How long open requests may go on when the server stops. Idle connections are not waited for longer either.
const SHUTDOWN_GRACE_SECONDS: u64 = 2;

/// Serves HTTP on `listener` until `shutdown`, and a little longer for requests that are under way.
pub async fn serve(listener: TcpListener, state: HttpState, shutdown: CancellationToken) -> Result<()> {
    let places = Arc::new(Semaphore::new(REQUESTS_AT_ONCE_MAX));
    let router =
        router(state).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).layer(from_fn(in_time)).layer(from_fn_with_state(places, in_turn));
    let stopped = shutdown.clone().cancelled_owned();
    let serving = axum::serve(listener, router).with_graceful_shutdown(stopped);
    let overdue = async {
        shutdown.cancelled().await;
        tokio::time::sleep(Duration::from_secs(SHUTDOWN_GRACE_SECONDS)).await;
    };
    tokio::select! {
        result = serving => Ok(result?),
        () = overdue => Ok(()),
    }
}

async fn in_time(request: Request, next: Next) -> Response {
    match timeout(Duration::from_secs(REQUEST_SECONDS), next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

async fn in_turn(State(places): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match places.try_acquire() {
        Ok(_place) => next.run(request).await,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}
