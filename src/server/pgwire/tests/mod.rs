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
use crate::clock::Clock;
use crate::config::Settings;
use crate::error::Result;
use crate::session::{Services, Session};

const CONNECTIONS_MAX: usize = 110;

struct Server {
    /// The server's data, gone with the test.
    _data_dir: tempfile::TempDir,
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
        let data_dir = tempfile::tempdir().unwrap();
        let settings = Settings { data_dir: Some(data_dir.path().to_path_buf()), ..Settings::default() };
        let network = tokio::runtime::Handle::current();
        let services = Services::start(settings.resolve().unwrap(), Clock::wall(), network.clone(), network).await.unwrap();
        let make_session = move |user: &str, database: &str| Ok(Arc::new(Session::new(services.clone(), user, database)?));
        let running = tokio::spawn(serve(listener, make_session, shutdown.clone(), connections_max));
        Server { _data_dir: data_dir, address, shutdown, running }
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
