//! Other people's readers of Delta tables: python `deltalake`, DuckDB and ClickHouse. They judge what we write.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::process::Command;

use super::install;
use super::ministack::{ACCESS_KEY, REGION};

const REQUIREMENTS: &[&str] = &["deltalake==1.6.6", "duckdb==1.5.5", "duckdb-extension-delta==1.5.5", "duckdb-extension-httpfs==1.5.5"];
const INSTALLED_AS: &str = "delta-readers-1.6.6-1.5.5";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/read_delta.py");

const APPENDING_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/append_delta.py");

/// By itself, for it is large.
const CLICKHOUSE_REQUIREMENTS: &[&str] = &["chdb==4.4.0"];
const CLICKHOUSE_INSTALLED_AS: &str = "chdb-4.4.0";
const CLICKHOUSE_SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/read_clickhouse.py");

/// Where a table is.
pub enum Place<'a> {
    Folder(PathBuf),
    /// An `s3://…` and the `host:port` of its server.
    S3 {
        uri: String,
        server: &'a str,
    },
}

/// What a reader sees.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DeltaReading {
    pub count: i64,
    /// Distinct values of the one column asked for.
    pub distinct: i64,
    /// The sum of the other.
    pub sum: i64,
    pub columns: Vec<String>,
}

/// What a reader sees of one version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VersionReading {
    #[serde(flatten)]
    pub rows: DeltaReading,
    /// Of the columns, in the reader's own words.
    pub types: Vec<String>,
}

/// For each version that was asked for: what the reader sees, or why it sees nothing.
pub type VersionReadings = Vec<Result<VersionReading, String>>;

/// All versions by each reader.
pub struct AllVersions {
    pub deltalake: VersionReadings,
    pub duckdb: VersionReadings,
    pub clickhouse: VersionReadings,
}

#[derive(Deserialize)]
pub struct Readings {
    pub deltalake: DeltaReading,
    pub duckdb: DeltaReading,
}

/// A python that has the readers.
pub async fn python() -> PathBuf {
    install::python_in(&install::python(INSTALLED_AS, REQUIREMENTS).await)
}

/// Reads the table with each reader.
pub async fn read_delta(place: &Place<'_>, distinct: &str, sum: &str) -> Readings {
    let python = python().await;
    let mut question = match place {
        Place::Folder(folder) => json!({ "uri": folder }),
        Place::S3 { uri, server } => {
            json!({ "uri": uri, "endpoint": server, "region": REGION, "key": ACCESS_KEY, "secret": ACCESS_KEY })
        }
    };
    question["distinct"] = distinct.into();
    question["sum"] = sum.into();
    answer_of(Command::new(python).arg(SCRIPT).arg(question.to_string())).await
}

/// Reads a table in a folder with ClickHouse.
pub async fn read_clickhouse(folder: &Path, distinct: &str, sum: &str) -> DeltaReading {
    answer_of(clickhouse().await.arg(folder).arg(distinct).arg(sum)).await
}

/// Reads versions of a table in a folder with each reader, each in one process: what takes long is that they start.
pub async fn read_versions(folder: &Path, distinct: &str, sum: &str, versions: &[i64]) -> AllVersions {
    #[derive(Deserialize)]
    struct Both {
        deltalake: VersionReadings,
        duckdb: VersionReadings,
    }
    let question = json!({ "uri": folder, "distinct": distinct, "sum": sum, "versions": versions });
    let (mut python, mut clickhouse) = (Command::new(python().await), clickhouse().await);
    python.arg(SCRIPT).arg(question.to_string());
    clickhouse.arg(folder).arg(distinct).arg(sum).args(versions.iter().map(i64::to_string));
    let (Both { deltalake, duckdb }, clickhouse) = tokio::join!(answer_of(&mut python), answer_of(&mut clickhouse));
    AllVersions { deltalake, duckdb, clickhouse }
}

async fn clickhouse() -> Command {
    let python = install::python_in(&install::python(CLICKHOUSE_INSTALLED_AS, CLICKHOUSE_REQUIREMENTS).await);
    let mut command = Command::new(python);
    command.arg(CLICKHOUSE_SCRIPT);
    command
}

async fn answer_of<T: DeserializeOwned>(command: &mut Command) -> T {
    let output = command.output().await.expect("python can be started");
    let (answer, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "a reader cannot read: {command:?}\n{complaint}");
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error} in the readers' answer: {answer}\n{complaint}"))
}

/// Appends rows with python `deltalake`, one commit each: `id` counts from `first`, `bytes` is 1.
pub async fn append_delta(folder: &Path, first: i64, rows: i64) {
    let mut command = Command::new(python().await);
    let output = command.arg(APPENDING_SCRIPT).arg(folder).arg(first.to_string()).arg(rows.to_string()).output().await;
    let output = output.expect("python can be started");
    assert!(output.status.success(), "python cannot append:\n{}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, RecordBatch, StringArray};
    use deltalake::DeltaTable;
    use futures::TryStreamExt;
    use object_store::aws::AmazonS3Builder;
    use object_store::local::LocalFileSystem;
    use object_store::{ObjectStore, ObjectStoreExt};
    use tempfile::TempDir;
    use url::Url;

    use super::*;
    use crate::servers::Ministack;

    #[tokio::test]
    async fn read_a_folder() {
        let folder = table().await;
        assert_read(read_delta(&Place::Folder(folder.path().to_path_buf()), "id", "bytes").await);
    }

    #[tokio::test]
    async fn read_a_bucket() {
        let (folder, server) = (table().await, Ministack::start("lake").await);
        upload(folder.path(), &server).await;
        let place = Place::S3 { uri: "s3://lake".to_string(), server: server.address() };
        assert_read(read_delta(&place, "id", "bytes").await);
    }

    async fn table() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let ids = StringArray::from(vec!["a", "b", "b"]);
        let bytes = Int64Array::from(vec![Some(40), Some(2), None]);
        let batch = RecordBatch::try_from_iter([("id", Arc::new(ids) as _), ("bytes", Arc::new(bytes) as _)]).unwrap();
        let table = DeltaTable::try_from_url(Url::from_directory_path(folder.path()).unwrap()).await.unwrap();
        table.write([batch]).await.unwrap();
        folder
    }

    async fn upload(folder: &Path, server: &Ministack) {
        let bucket = AmazonS3Builder::new().with_endpoint(server.endpoint()).with_allow_http(true).with_bucket_name("lake");
        let bucket = bucket.with_region(REGION).with_access_key_id(ACCESS_KEY).with_secret_access_key(ACCESS_KEY).build().unwrap();
        let local = LocalFileSystem::new_with_prefix(folder).unwrap();
        for file in local.list(None).try_collect::<Vec<_>>().await.unwrap() {
            let bytes = local.get(&file.location).await.unwrap().bytes().await.unwrap();
            bucket.put(&file.location, bytes.into()).await.unwrap();
        }
    }

    fn assert_read(readings: Readings) {
        let expected = DeltaReading { count: 3, distinct: 2, sum: 42, columns: vec!["id".into(), "bytes".into()] };
        assert_eq!(readings.deltalake, expected);
        assert_eq!(readings.duckdb, expected);
    }
}
