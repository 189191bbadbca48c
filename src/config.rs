//! Settings of the server: flags, then `LAKEWIRE_…` in the environment, then a TOML file, then defaults.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize;

use crate::error::{Error, Result};
use crate::model::options::parse_bytes;

const MEMORY_LIMIT_DEFAULT: &str = "4GB";

/// What may be given on the command line, in the environment, or (with the same names, `_` for `-`) in the TOML file.
#[derive(Debug, Clone, Default, Args, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A TOML file with any of these settings
    #[arg(long, env = "LAKEWIRE_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// The server's own folder [default: ./lakewire-data]
    #[arg(long, env = "LAKEWIRE_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where tables are kept: a folder or s3://bucket/prefix [default: <data-dir>/lake]
    #[arg(long, env = "LAKEWIRE_LAKE")]
    pub lake: Option<String>,
    /// The endpoint of an S3-compatible store [default: AWS]
    #[arg(long, env = "LAKEWIRE_S3_ENDPOINT")]
    pub s3_endpoint: Option<String>,
    /// The region of the bucket [default: from the AWS environment]
    #[arg(long, env = "LAKEWIRE_S3_REGION")]
    pub s3_region: Option<String>,
    /// Access key id [default: the AWS credential chain]
    #[arg(long, env = "LAKEWIRE_S3_ACCESS_KEY_ID")]
    pub s3_access_key_id: Option<String>,
    /// Secret access key; better in the environment or the file than on the command line
    #[arg(long, env = "LAKEWIRE_S3_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub s3_secret_access_key: Option<String>,
    /// Talk to the S3 endpoint over plain HTTP
    #[arg(long, env = "LAKEWIRE_S3_ALLOW_HTTP", num_args = 0..=1, default_missing_value = "true")]
    pub s3_allow_http: Option<bool>,
    /// The catalog store: sqlite:<file> or postgres://… [default: sqlite in the data folder]
    #[arg(long, env = "LAKEWIRE_CATALOG", hide_env_values = true)]
    pub catalog: Option<String>,
    /// Address of the Postgres protocol [default: 127.0.0.1:5433]
    #[arg(long, env = "LAKEWIRE_PG_LISTEN")]
    pub pg_listen: Option<String>,
    /// Address of HTTP [default: 127.0.0.1:8433]
    #[arg(long, env = "LAKEWIRE_HTTP_LISTEN")]
    pub http_listen: Option<String>,
    /// Memory for queries and pipelines, e.g. 2GB [default: 4GB]
    #[arg(long, env = "LAKEWIRE_MEMORY_LIMIT")]
    pub memory_limit: Option<String>,
    /// Threads that compute [default: one per core]
    #[arg(long, env = "LAKEWIRE_WORKER_THREADS")]
    pub worker_threads: Option<usize>,
    /// How logs are written: text or json [default: text]
    #[arg(long, env = "LAKEWIRE_LOG_FORMAT")]
    pub log_format: Option<String>,
    /// What is logged, e.g. info or lakewire=debug [default: info]
    #[arg(long, env = "LAKEWIRE_LOG")]
    pub log: Option<String>,
}

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Config {
    pub data_dir: PathBuf,
    pub lake: String,
    pub s3: S3Config,
    pub catalog: String,
    pub pg_listen: String,
    pub http_listen: String,
    pub memory_limit_bytes: u64,
    pub worker_threads: usize,
    pub log_json: bool,
    pub log: String,
}

#[derive(Clone, Default)]
pub struct S3Config {
    pub endpoint: Option<String>,
    pub region: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
    pub allow_http: bool,
}

impl std::fmt::Debug for S3Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Config")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("allow_http", &self.allow_http)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// Adds the file's settings below these, checks them, and fills in the defaults.
    pub fn resolve(self) -> Result<Config> {
        let file = match &self.config {
            Some(path) => read_file(path)?,
            None => Settings::default(),
        };
        let data_dir = self.data_dir.or(file.data_dir).unwrap_or_else(|| PathBuf::from("lakewire-data"));
        let memory_limit = self.memory_limit.or(file.memory_limit).unwrap_or_else(|| MEMORY_LIMIT_DEFAULT.to_string());
        let memory_limit_bytes = parse_bytes(&memory_limit)
            .filter(|bytes| *bytes >= 64 << 20)
            .ok_or_else(|| Error::invalid(format!("memory limit '{memory_limit}' is not a size of at least 64MB")))?;
        let worker_threads =
            self.worker_threads.or(file.worker_threads).unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from));
        let log_format = self.log_format.or(file.log_format).unwrap_or_else(|| "text".to_string());
        if !["text", "json"].contains(&log_format.as_str()) {
            return Err(Error::invalid(format!("log format is text or json, not '{log_format}'")));
        }
        Ok(Config {
            lake: self.lake.or(file.lake).unwrap_or_else(|| data_dir.join("lake").to_string_lossy().into_owned()),
            s3: S3Config {
                endpoint: self.s3_endpoint.or(file.s3_endpoint).map(checked_endpoint).transpose()?,
                region: self.s3_region.or(file.s3_region),
                access_key_id: self.s3_access_key_id.or(file.s3_access_key_id),
                secret_access_key: self.s3_secret_access_key.or(file.s3_secret_access_key),
                allow_http: self.s3_allow_http.or(file.s3_allow_http).unwrap_or(false),
            },
            catalog: self.catalog.or(file.catalog).unwrap_or_else(|| format!("sqlite:{}", data_dir.join("catalog.db").display())),
            pg_listen: self.pg_listen.or(file.pg_listen).unwrap_or_else(|| "127.0.0.1:5433".to_string()),
            http_listen: self.http_listen.or(file.http_listen).unwrap_or_else(|| "127.0.0.1:8433".to_string()),
            memory_limit_bytes,
            worker_threads: worker_threads.max(1),
            log_json: log_format == "json",
            log: self.log.or(file.log).unwrap_or_else(|| "info".to_string()),
            data_dir,
        })
    }
}

/// The endpoint is shown in `lakewire.settings`; a password in it would be, too. It is not repeated here either.
fn checked_endpoint(endpoint: String) -> Result<String> {
    let authority = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, rest)| rest).split(['/', '?', '#']).next();
    match authority.is_some_and(|authority| authority.contains('@')) {
        false => Ok(endpoint),
        true => Err(Error::invalid("the S3 endpoint cannot have a user or a password")
            .with_hint("give --s3-access-key-id, and LAKEWIRE_S3_SECRET_ACCESS_KEY in the environment")),
    }
}

fn read_file(path: &std::path::Path) -> Result<Settings> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::invalid(format!("cannot read the configuration file {}", path.display())).with_cause(error))?;
    toml::from_str(&text).map_err(|error| {
        Error::invalid(format!("cannot understand the configuration file {}", path.display())).with_detail(error.message().to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_no_password() {
        let resolve = |endpoint: &str| Settings { s3_endpoint: Some(endpoint.to_string()), ..Settings::default() }.resolve();
        for secret in ["http://user:pass@host", "https://pass@host:9000/x", "http://:pass@host"] {
            assert!(!resolve(secret).unwrap_err().one_line().contains("pass@"), "{secret}");
        }
        assert_eq!(resolve("http://127.0.0.1:9000/a@b").unwrap().s3.endpoint.as_deref(), Some("http://127.0.0.1:9000/a@b"));
    }
}
