//! Where a test keeps its catalog.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;

use super::wire::Wire;
use super::*;
use crate::catalog::address::Address;
use postgres::{PostgresServer, USER};

#[path = "postgres_server.rs"]
mod postgres;

pub struct Place {
    url: String,
    folder: TempDir,
    /// Keeps the server running.
    server: Option<Arc<PostgresServer>>,
}

impl Place {
    pub fn sqlite() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("a folder/catalog.db").display());
        Place { url, folder, server: None }
    }

    pub fn postgres() -> Option<Place> {
        let server = PostgresServer::shared()?;
        Some(Place { url: server.create_database(), folder: tempfile::tempdir().unwrap(), server: Some(server) })
    }

    pub async fn open(&self) -> Catalog {
        self.try_open("secret.key").await.unwrap()
    }

    pub async fn try_open(&self, key: &str) -> Result<Catalog> {
        let key = SecretKey::load_or_create(&self.folder.path().join(key)).unwrap();
        Catalog::open(&self.url, key, Clock::mock(chrono::DateTime::UNIX_EPOCH)).await
    }

    pub fn address(&self) -> Address {
        self.url.parse().unwrap()
    }

    /// A catalog that is reached through `wire`, and waits so long for an answer.
    pub async fn open_through(&self, wire: &Wire, answer_timeout: Duration) -> Catalog {
        let key = SecretKey::load_or_create(&self.folder.path().join("secret.key")).unwrap();
        let mut url = url::Url::parse(&self.url).unwrap();
        url.query_pairs_mut().clear().append_pair("host", "127.0.0.1").append_pair("port", &wire.port().to_string());
        url.query_pairs_mut().append_pair("user", USER).append_pair("sslmode", "disable");
        let store = Store::open_within(&url.as_str().parse().unwrap(), answer_timeout).await.unwrap();
        Catalog::of(store, key, Clock::mock(chrono::DateTime::UNIX_EPOCH)).await.unwrap()
    }

    /// A wire to the server, of PostgreSQL.
    pub async fn wire(&self) -> Wire {
        Wire::to(self.server.as_ref().unwrap().socket()).await
    }

    /// Runs SQL on the store behind the catalog's back.
    pub async fn tamper(&self, sql: &'static str) {
        let mut connection: AnyConnection = self.address().connect().await.unwrap();
        sqlx::query(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    pub fn sqlite_file(&self) -> PathBuf {
        self.folder.path().join("a folder/catalog.db")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
