//! The protocol over a real socket, with a real driver, a raw client for what drivers hide, and psql.

mod extended;
mod interruption;
mod psql;
mod raw;
mod simple;
mod values;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;

use super::serve;
use crate::error::Result;
use crate::session::{Services, Session};

const CONNECTIONS_MAX: usize = 110;

/// The one place that makes sessions: tests need nothing of them but SQL.
fn make_session(user: &str, database: &str) -> Result<Arc<Session>> {
    Ok(Arc::new(Session::new(Arc::new(Services), user, database)))
}

struct Server {
    address: SocketAddr,
    shutdown: CancellationToken,
    running: JoinHandle<Result<()>>,
}

impl Server {
    async fn start() -> Server {
        Server::with_places(CONNECTIONS_MAX).await
    }

    async fn with_places(connections_max: usize) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(serve(listener, make_session, shutdown.clone(), connections_max));
        Server { address, shutdown, running }
    }

    async fn try_connect(&self) -> std::result::Result<Client, tokio_postgres::Error> {
        let settings = format!("host=127.0.0.1 port={} user=lakewire dbname=lakewire", self.address.port());
        let (client, connection) = tokio_postgres::connect(&settings, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    async fn connect(&self) -> Client {
        self.try_connect().await.unwrap()
    }
}
