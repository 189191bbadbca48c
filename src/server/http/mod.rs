//! HTTP for operators: is the process alive, does it answer, what does it measure.
//!
//! `GET /healthz` is 200 while the process lives. `GET /readyz` is 200 when statements are answered, 503 and the reason before
//! that and while the server stops. `GET /metrics` is Prometheus text.

mod listener;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

pub use listener::serve;

/// The version of Prometheus' text format.
const METRICS_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
pub struct HttpState {
    pub readiness: watch::Receiver<Readiness>,
    pub metrics: PrometheusHandle,
    /// Brings gauges up to date before each rendering. Must not block.
    pub refresh_metrics: Arc<dyn Fn() + Send + Sync>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// Why not, for people: `recovering jobs`, `shutting down`.
    NotReady(String),
}

pub fn router(state: HttpState) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(state)
}

async fn readyz(State(state): State<HttpState>) -> Response {
    match &*state.readiness.borrow() {
        Readiness::Ready => "ok\n".into_response(),
        Readiness::NotReady(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(state): State<HttpState>) -> Response {
    (state.refresh_metrics)();
    ([(header::CONTENT_TYPE, METRICS_CONTENT_TYPE)], state.metrics.render()).into_response()
}
