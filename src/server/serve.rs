//! A whole server: services, sockets, and the order in which they begin and end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::http::{HttpState, Readiness};
use super::{http, metrics, pgwire};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::session::{Services, Session};

/// Jobs have this long to commit their open epoch after SIGTERM, so that all is over within ten seconds.
const DRAIN_JOBS_MAX: Duration = Duration::from_secs(7);
const DRAIN_SOCKETS_MAX: Duration = Duration::from_secs(2);
const CONNECTIONS_MAX: usize = 1000;
/// Planners recurse into a query as deep as it nests (`sql::nesting`). Until it is used it is only an address.
pub const THREAD_STACK_BYTES: usize = 64 << 20;
/// Where the addresses in use are written when the server is ready.
const LISTEN_FILE: &str = "listen.json";

/// A server that runs.
pub struct Server {
    pub services: Arc<Services>,
    pub pg: SocketAddr,
    pub http: SocketAddr,
    ready: watch::Sender<Readiness>,
    stop: CancellationToken,
    sockets: Vec<JoinHandle<Result<()>>>,
    /// Held to the end.
    _compute: ComputeRuntime,
}

#[derive(Serialize)]
struct ListenFile {
    pg: String,
    http: String,
    pid: u32,
}

impl Server {
    /// Comes up: everything that is defined runs, then the sockets open. Call from the runtime that shall serve them.
    pub async fn start(config: Config) -> Result<Server> {
        let compute = ComputeRuntime::new(config.worker_threads)?;
        let pg = listen(&config.pg_listen).await?;
        let http = listen(&config.http_listen).await?;
        let (pg_address, http_address) = (pg.local_addr()?, http.local_addr()?);
        let data_dir = config.data_dir.clone();
        let services = Services::start(config, Clock::wall(), Handle::current(), compute.handle()).await?;
        let (ready, readiness) = watch::channel(Readiness::NotReady("starting".to_string()));
        let stop = CancellationToken::new();
        let sessions = services.clone();
        let make_session = move |user: &str, database: &str| Ok(Arc::new(Session::new(sessions.clone(), user, database)?));
        let gauges = services.clone();
        let http_state =
            HttpState { readiness, metrics: metrics::install()?, refresh_metrics: Arc::new(move || metrics::refresh(&gauges)) };
        let sockets = vec![
            tokio::spawn(pgwire::serve(pg, make_session, stop.clone(), CONNECTIONS_MAX)),
            tokio::spawn(http::serve(http, http_state, stop.clone())),
        ];
        let listening = ListenFile { pg: pg_address.to_string(), http: http_address.to_string(), pid: std::process::id() };
        write_listen_file(&data_dir, &listening)?;
        ready.send_replace(Readiness::Ready);
        tracing::info!(pg = %pg_address, http = %http_address, "ready");
        Ok(Server { services, pg: pg_address, http: http_address, ready, stop, sockets, _compute: compute })
    }

    /// Goes down: no new connections, open epochs are committed, clients are told.
    pub async fn stop(mut self) {
        self.ready.send_replace(Readiness::NotReady("shutting down".to_string()));
        self.services.shut_down(DRAIN_JOBS_MAX).await;
        self.stop.cancel();
        for socket in self.sockets.drain(..) {
            if timeout(DRAIN_SOCKETS_MAX, socket).await.is_err() {
                tracing::warn!("some connections did not end in time");
            }
        }
    }
}

/// Queries and jobs have threads of their own, so that none of them can keep a connection waiting.
///
/// Dropping a runtime within another is not allowed, so this one is shut down in the background, wherever it is left: also on the way out
/// of a start that fails.
struct ComputeRuntime(Option<Runtime>);

impl ComputeRuntime {
    fn new(threads: usize) -> Result<ComputeRuntime> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads).thread_name("compute").thread_stack_size(THREAD_STACK_BYTES);
        let runtime = builder.enable_all().build()?;
        Ok(ComputeRuntime(Some(runtime)))
    }

    fn handle(&self) -> Handle {
        self.0.as_ref().expect("it is taken only when it is dropped").handle().clone()
    }
}

impl Drop for ComputeRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

async fn listen(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::unavailable(format!("cannot listen on {address}"))
            .with_cause(error)
            .with_hint("is another server running? --pg-listen and --http-listen choose other addresses")
    })
}

fn write_listen_file(data_dir: &std::path::Path, listening: &ListenFile) -> Result<()> {
    let path = data_dir.join(LISTEN_FILE);
    let temporary = data_dir.join(format!("{LISTEN_FILE}.new"));
    std::fs::write(&temporary, serde_json::to_vec(listening)?)?;
    Ok(std::fs::rename(&temporary, &path)?)
}
