//! Where the catalog store is, and how a connection to it is prepared: the only place that tells SQLite from PostgreSQL.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AnyConnection, AnyPool, ConnectOptions, Executor};
use url::Url;

use crate::error::{Error, Result};

/// SQLite has one writer at a time in any case.
const SQLITE_CONNECTIONS_MAX: u32 = 1;
/// One for the writer, one for whoever looks whether something changed.
const POSTGRES_CONNECTIONS_MAX: u32 = 2;
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

const SQLITE_SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 30000; PRAGMA foreign_keys = ON";
/// A node that is cut off in the middle of a write must not hold the lock of all the others.
const POSTGRES_SETTINGS: &str = "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '30s'; SET synchronous_commit = on; SET client_min_messages = warning";

#[derive(Debug, Clone)]
pub enum Address {
    Sqlite(PathBuf),
    Postgres(Url),
}

impl FromStr for Address {
    type Err = Error;

    /// `sqlite:<file>` or `postgres://…`
    fn from_str(url: &str) -> Result<Address> {
        match url.split_once(':') {
            Some(("sqlite", rest)) => sqlite(rest.strip_prefix("//").unwrap_or(rest)),
            Some(("postgres" | "postgresql", _)) => match Url::parse(url) {
                Ok(url) => Ok(Address::Postgres(url)),
                // The text is not shown: there may be a password in it.
                Err(error) => Err(Error::invalid("the catalog's postgres URL cannot be understood").with_cause(error)),
            },
            _ => Err(Error::invalid("the catalog is sqlite:<file> or postgres://user@host/database")),
        }
    }
}

fn sqlite(path: &str) -> Result<Address> {
    if path.is_empty() || path.starts_with(":memory:") {
        return Err(Error::invalid("the catalog must be kept in a file").with_hint("write sqlite:<file>"));
    }
    if path.contains('?') {
        return Err(Error::invalid("the catalog's sqlite address takes no parameters").with_hint("write sqlite:<file>"));
    }
    let path = std::path::absolute(path).map_err(|error| Error::invalid(format!("{path} is not a path")).with_cause(error))?;
    Ok(Address::Sqlite(path))
}

impl Address {
    /// Makes the SQLite file if it is not there yet. A PostgreSQL database must exist.
    pub fn make_ready(&self) -> Result<()> {
        match self {
            Address::Sqlite(path) => create_file(path).map_err(|error| self.error().with_cause(error)),
            Address::Postgres(_) => Ok(()),
        }
    }

    /// One connection outside the pool: where the store cannot be reached, it says why, while a pool keeps trying and then says
    /// that it took too long.
    pub async fn connect(&self) -> Result<AnyConnection> {
        let mut connection = self.options().connect().await.map_err(|error| self.error().with_cause(error))?;
        connection.execute(self.settings()).await.map_err(|error| self.error().with_cause(error))?;
        Ok(connection)
    }

    /// A pool that connects when it is first used.
    pub fn pool(&self) -> AnyPool {
        let settings = self.settings();
        AnyPoolOptions::new()
            .max_connections(match self {
                Address::Sqlite(_) => SQLITE_CONNECTIONS_MAX,
                Address::Postgres(_) => POSTGRES_CONNECTIONS_MAX,
            })
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .after_connect(move |connection, _| Box::pin(async move { connection.execute(settings).await.map(|_| ()) }))
            .connect_lazy_with(self.options())
    }

    pub fn error(&self) -> Error {
        Error::unavailable(format!("cannot open the catalog at {}", self.shown()))
    }

    fn options(&self) -> AnyConnectOptions {
        sqlx::any::install_default_drivers();
        let database_url = match self {
            Address::Sqlite(path) => SqliteConnectOptions::new().filename(path).to_url_lossy(),
            Address::Postgres(url) => url.clone(),
        };
        AnyConnectOptions::from_url(&database_url).expect("the library takes every URL")
    }

    fn settings(&self) -> &'static str {
        match self {
            Address::Sqlite(_) => SQLITE_SETTINGS,
            Address::Postgres(_) => POSTGRES_SETTINGS,
        }
    }

    /// Without user, password and parameters.
    fn shown(&self) -> String {
        match self {
            Address::Sqlite(path) => path.display().to_string(),
            Address::Postgres(url) => format!("postgres://{}{}", url.host_str().unwrap_or_default(), url.path()),
        }
    }
}

/// SQLite gives its journal files the mode of the database file, so that only the owner reads any of them.
fn create_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_understood_or_refused() {
        for good in ["sqlite:a.db", "sqlite://a.db", "sqlite:///tmp/a b.db", "postgres://u:p@h/d", "postgresql:///d?host=/tmp"] {
            assert!(Address::from_str(good).is_ok(), "{good}");
        }
        for bad in ["", "a.db", "mysql://h/d", "sqlite:", "sqlite::memory:", "sqlite:a.db?mode=ro", "postgres://u:hunter2@h:port/d"] {
            let error = Address::from_str(bad).unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let address = Address::from_str("postgres://u:hunter2@h/d?password=hunter2").unwrap();
        assert_eq!(address.error().message(), "cannot open the catalog at postgres://h/d");
    }
}
