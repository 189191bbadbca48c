//! A private PostgreSQL server for tests, on a socket in a temporary folder, with one new database for whoever asks.
//!
//! It is shared by the tests that run at the same time and stops with the last of them. It also stops when the process is killed,
//! for its keeper waits for the end of a pipe that this process holds.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};

use tempfile::TempDir;

pub const USER: &str = "lakewire";
/// Whom the server runs as if we are root, for PostgreSQL refuses root.
const SYSTEM_USER: &str = "postgres";

/// Arguments: the folder of the programs, the data folder, the socket folder, the log file.
const KEEPER: &str = r#"
    set -e
    "$1/initdb" -D "$2" -U lakewire -A trust -E UTF8 --locale=C --no-sync >"$4" 2>&1
    "$1/pg_ctl" -D "$2" -l "$4" -w -t 120 -o "-c listen_addresses='' -c unix_socket_directories='$3' -c fsync=off" start >/dev/null
    echo ready
    cat >/dev/null || true
    "$1/pg_ctl" -D "$2" -m immediate -w stop >/dev/null
    rm -rf "$2"
"#;

pub struct PostgresServer {
    programs: PathBuf,
    folder: TempDir,
    keeper: Child,
    databases: Mutex<usize>,
}

impl PostgresServer {
    /// The running server, or a new one. `None`, said loudly, where PostgreSQL is not installed.
    pub fn shared() -> Option<Arc<PostgresServer>> {
        static RUNNING: Mutex<Weak<PostgresServer>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(server) = running.upgrade() {
            return Some(server);
        }
        let Some(programs) = find_programs() else {
            // Not by `eprintln`: the test harness would swallow it.
            let _ = writeln!(std::io::stderr(), "\nSKIPPED: PostgreSQL is not installed (no initdb); its tests did NOT run\n");
            return None;
        };
        let server = Arc::new(PostgresServer::start(programs));
        *running = Arc::downgrade(&server);
        Some(server)
    }

    /// The URL of a new empty database.
    pub fn create_database(&self) -> String {
        let name = {
            let mut databases = self.databases.lock().expect("nothing panics with the counter");
            *databases += 1;
            format!("test_{databases}")
        };
        let socket = self.socket_folder();
        let output = Command::new(self.programs.join("createdb")).args(["-U", USER, "-h"]).arg(&socket).arg(&name).output();
        let output = output.expect("createdb can be started");
        assert!(output.status.success(), "createdb failed: {}", String::from_utf8_lossy(&output.stderr));
        format!("postgres:///{name}?host={}&user={USER}", socket.display())
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.socket_folder().join(".s.PGSQL.5432")
    }

    fn start(programs: PathBuf) -> PostgresServer {
        let folder = tempfile::Builder::new().prefix("lakewire-pg").tempdir().expect("a temporary folder can be made");
        let mut command = match is_root(folder.path()) {
            true => {
                give_away(folder.path());
                let mut command = Command::new("runuser");
                command.args(["-u", SYSTEM_USER, "--", "sh"]);
                command
            }
            false => Command::new("sh"),
        };
        let log = folder.path().join("log");
        command.args(["-c", KEEPER, "keeper"]).arg(&programs).arg(folder.path().join("data")).arg(folder.path()).arg(&log);
        command.current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut keeper = command.spawn().expect("sh can be started");
        let mut said = String::new();
        BufReader::new(keeper.stdout.as_mut().expect("stdout is piped")).read_line(&mut said).expect("the keeper's output can be read");
        if said.trim() != "ready" {
            let mut complaint = String::new();
            let _ = keeper.stderr.as_mut().expect("stderr is piped").read_to_string(&mut complaint);
            panic!("PostgreSQL did not start: {complaint}\n{}", std::fs::read_to_string(&log).unwrap_or_default());
        }
        PostgresServer { programs, folder, keeper, databases: Mutex::new(0) }
    }

    fn socket_folder(&self) -> PathBuf {
        self.folder.path().to_path_buf()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The newest installed version: Debian keeps each in a folder of its own, others have it in the path.
fn find_programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let mut found: Vec<PathBuf> = versions.filter(|folder| folder.join("initdb").exists()).collect();
    found.sort_by_key(|folder| version_of(folder));
    found.pop().or_else(|| {
        let output = Command::new("pg_config").arg("--bindir").output().ok().filter(|output| output.status.success())?;
        let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
        folder.join("initdb").exists().then_some(folder)
    })
}

fn version_of(programs: &Path) -> u32 {
    let version = programs.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    version.and_then(|version| version.parse().ok()).unwrap_or(0)
}

/// Whoever makes a folder owns it.
fn is_root(own_folder: &Path) -> bool {
    std::fs::metadata(own_folder).expect("the folder was just made").uid() == 0
}

fn give_away(folder: &Path) {
    let id = |flag: &str| -> Option<u32> {
        let output = Command::new("id").args([flag, SYSTEM_USER]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    chown(folder, id("-u"), id("-g")).expect("root can give a folder away");
}
