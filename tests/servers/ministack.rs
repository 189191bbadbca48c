//! An S3 server: `ministack`, a Python package. Its conditional PUT has one winner, also under a race.

use std::process::Command;

use tempfile::TempDir;

use super::free_port::free_port;
use super::wait::{DEADLINE, wait_until};
use super::{Process, http, install};

const REQUIREMENT: &str = "ministack==1.5.33";
const INSTALLED_AS: &str = "ministack-1.5.33";

/// What the server takes as credentials: anything.
pub const ACCESS_KEY: &str = "test";
pub const REGION: &str = "eu-central-1";

pub struct Ministack {
    process: Process,
    address: String,
    _folder: TempDir,
}

impl Ministack {
    /// Starts one with this bucket in it.
    pub async fn start(bucket: &str) -> Ministack {
        let python = install::python_in(&install::python(INSTALLED_AS, &[REQUIREMENT]).await);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let port = free_port();
        let mut command = Command::new(python);
        command.args(["-m", "ministack"]).current_dir(folder.path());
        command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1").env("MINISTACK_REGION", REGION).env("S3_PERSIST", "0");
        let process = Process::spawn("ministack", command, folder.path());
        let mut started = Ministack { process, address: format!("127.0.0.1:{port}"), _folder: folder };
        wait_until("ministack answers", DEADLINE, async || {
            started.process.assert_alive();
            http::get(&started.address, "/_ministack/health").await.filter(|answer| answer.status == 200)
        })
        .await;
        started.create_bucket(bucket).await;
        started
    }

    pub async fn create_bucket(&self, bucket: &str) {
        let answer = http::put(&self.address, &format!("/{bucket}")).await.expect("ministack answers");
        assert_eq!(answer.status, 200, "cannot create the bucket: {}", answer.body);
    }

    /// `host:port`
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3Builder;
    use object_store::path::Path;
    use object_store::{ObjectStore, ObjectStoreExt, PutMode};

    use super::*;

    #[tokio::test]
    async fn a_conditional_put_has_one_winner() {
        let server = Ministack::start("lake").await;
        let store = AmazonS3Builder::new()
            .with_endpoint(server.endpoint())
            .with_allow_http(true)
            .with_region(REGION)
            .with_access_key_id(ACCESS_KEY)
            .with_secret_access_key(ACCESS_KEY)
            .with_bucket_name("lake")
            .build()
            .unwrap();
        let path = Path::from("manifest/1");
        let puts = (0..8).map(|writer: u8| store.put_opts(&path, vec![writer].into(), PutMode::Create.into()));
        let answers = futures::future::join_all(puts).await;
        let winners: Vec<_> = (0..8).filter(|writer| answers[*writer].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        let stored = store.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(stored.as_ref(), [winners[0] as u8]);
    }
}
