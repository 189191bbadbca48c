//! Where a test keeps its catalog.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;

use super::*;
use crate::catalog::address::Address;
use postgres::PostgresServer;

#[path = "postgres_server.rs"]
mod postgres;

pub struct Place {
    url: String,
    folder: TempDir,
    /// Keeps the server running.
    _server: Option<Arc<PostgresServer>>,
}

impl Place {
    pub fn sqlite() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("a folder/catalog.db").display());
        Place { url, folder, _server: None }
    }

    pub fn postgres() -> Option<Place> {
        let server = PostgresServer::shared()?;
        Some(Place { url: server.create_database(), folder: tempfile::tempdir().unwrap(), _server: Some(server) })
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
