//! Operators over a real socket.

use std::net::SocketAddr;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{HttpState, Readiness, serve};

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: lakewire\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn tells_operators_what_they_ask() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let refresh = move || metrics::with_local_recorder(&recorder, || metrics::gauge!("lakewire_test_gauge").set(7.0));
    let (ready, readiness) = watch::channel(Readiness::NotReady("recovering jobs".into()));
    let state = HttpState { readiness, metrics: handle, refresh_metrics: Arc::new(refresh) };
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, state, shutdown.clone()));

    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    let answer = get(address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("recovering jobs\n"), "{answer}");
    ready.send(Readiness::Ready).unwrap();
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    let answer = get(address, "/metrics").await;
    assert!(answer.contains("lakewire_test_gauge 7"), "{answer}");
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
    assert!(get(address, "/other").await.starts_with("HTTP/1.1 404"));

    shutdown.cancel();
    serving.await.unwrap().unwrap();
}
