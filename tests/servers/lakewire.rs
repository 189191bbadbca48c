//! The server under test: the compiled program, as a user starts it, in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde::Deserialize;
use tempfile::TempDir;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_postgres::{Client, NoTls};

use super::ministack::{ACCESS_KEY, REGION};
use super::wait::{DEADLINE, wait_until};
use super::{Gate, Ministack, Process, Refusal, Rows, lakewire_command};

/// How many tests may have a server at a time. Each server computes on all cores; more at once only makes them wait for each other.
const SERVERS_MAX: usize = 2;
static SLOTS: Semaphore = Semaphore::const_new(SERVERS_MAX);

/// The file in which a ready server tells where it listens.
const LISTEN_FILE: &str = "listen.json";

/// The right to run a server. A test that starts the program by itself takes one too.
pub async fn slot() -> SemaphorePermit<'static> {
    SLOTS.acquire().await.expect("the slots are never closed")
}

/// How a server is to be started. `Setup::default()` is a fresh one with everything in its folder.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    args: Vec<String>,
    env: Vec<(String, String)>,
    outlives_full_disk: bool,
}

impl Setup {
    /// The lake in this bucket.
    pub fn s3(self, server: &Ministack, lake: &str) -> Setup {
        self.s3_endpoint(&server.endpoint(), lake)
    }

    /// The lake in this bucket, behind a gate.
    pub fn s3_behind(self, gate: &Gate, lake: &str) -> Setup {
        self.s3_endpoint(&gate.endpoint(), lake)
    }

    /// The lake in this folder, which others may use too.
    pub fn lake(self, folder: &Path) -> Setup {
        self.args(["--lake", &folder.to_string_lossy()])
    }

    /// The catalog in this PostgreSQL database.
    pub fn catalog(self, url: &str) -> Setup {
        self.args(["--catalog", url])
    }

    /// To die the `nth` time it comes to this point.
    pub fn crash_at(self, point: &str, nth: u32) -> Setup {
        self.env("LAKEWIRE_CRASH_AT", &format!("{point}:{nth}"))
    }

    /// So that `Server::fill_disk` is an error of each write and not the server's end.
    pub fn outlives_full_disk(mut self) -> Setup {
        self.outlives_full_disk = true;
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Setup {
        self.env.push((name.to_string(), value.to_string()));
        self
    }

    pub async fn start(self) -> Server {
        let slot = slot().await;
        self.start_with(Some(slot)).await
    }

    /// Starts a second server within the slot of the first: a test that waited for another slot while it holds one could wait for ever.
    pub async fn start_beside(self, _first: &Server) -> Server {
        self.start_with(None).await
    }

    async fn start_with(self, slot: Option<SemaphorePermit<'static>>) -> Server {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let process = self.spawn(folder.path());
        let mut server = Server { setup: self, process, listen: None, folder, _slot: slot };
        server.wait_until_ready().await;
        server
    }

    /// Starts a server that must refuse to start, and returns what it said.
    pub async fn start_in_vain(self) -> String {
        let _slot = slot().await;
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let mut process = self.spawn(folder.path());
        let listening = data_dir(folder.path()).join(LISTEN_FILE);
        let status = wait_until("the server refuses to start", DEADLINE, async || {
            assert!(!listening.exists(), "the server started, against expectation");
            process.exit_status()
        })
        .await;
        assert!(!status.success(), "the server ended without an error");
        process.output()
    }

    fn s3_endpoint(self, endpoint: &str, lake: &str) -> Setup {
        self.args(["--lake", lake, "--s3-endpoint", endpoint, "--s3-region", REGION, "--s3-allow-http"])
            .env("LAKEWIRE_S3_ACCESS_KEY_ID", ACCESS_KEY)
            .env("LAKEWIRE_S3_SECRET_ACCESS_KEY", ACCESS_KEY)
    }

    fn args<'a>(mut self, args: impl IntoIterator<Item = &'a str>) -> Setup {
        self.args.extend(args.into_iter().map(str::to_string));
        self
    }

    fn spawn(&self, folder: &Path) -> Process {
        let mut command = match self.outlives_full_disk {
            true => without_file_limit_signal(&lakewire_command()),
            false => lakewire_command(),
        };
        command.arg("serve").arg("--data-dir").arg(data_dir(folder));
        command.args(["--pg-listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"]).args(&self.args);
        // The default chain finds these, and never looks for a machine's role.
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY).env("AWS_REGION", REGION);
        command.env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        Process::spawn("lakewire", command, folder)
    }
}

/// A write beyond the limit comes with a signal that ends a process, unless its parent has had it ignored.
fn without_file_limit_signal(program: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(program.get_program());
    shell
}

fn data_dir(folder: &Path) -> PathBuf {
    folder.join("data")
}

#[derive(Debug, Clone, Deserialize)]
struct Listen {
    pg: String,
    http: String,
    pid: u32,
}

pub struct Server {
    setup: Setup,
    process: Process,
    listen: Option<Listen>,
    folder: TempDir,
    _slot: Option<SemaphorePermit<'static>>,
}

impl Server {
    pub async fn start() -> Server {
        Setup::default().start().await
    }

    /// A new connection.
    pub async fn connect(&self) -> Client {
        self.try_connect().await.expect("the server takes a connection")
    }

    /// Sends one text, which may hold several statements, and panics unless all of it succeeds.
    pub async fn sql(&self, text: &str) -> Rows {
        self.try_sql(text).await.unwrap_or_else(|error| match Refusal::from_error(&error) {
            Some(refusal) => panic!("{refusal}\nSTATEMENT: {text}"),
            None => panic!("{error}\nSTATEMENT: {text}"),
        })
    }

    pub async fn try_sql(&self, text: &str) -> Result<Rows, tokio_postgres::Error> {
        self.try_connect().await?.simple_query(text).await.map(Rows::from_messages)
    }

    /// The error of a statement that must be refused.
    pub async fn refusal(&self, statement: &str) -> Refusal {
        match self.try_sql(statement).await {
            Ok(_) => panic!("accepted, against expectation: {statement}"),
            Err(error) => Refusal::from_error(&error).unwrap_or_else(|| panic!("the connection broke: {error}\nSTATEMENT: {statement}")),
        }
    }

    /// What a query that gives one whole number gives.
    pub async fn number(&self, query: &str) -> i64 {
        self.sql(query).await.number()
    }

    /// What a query that gives one value gives; NULL is empty.
    pub async fn text(&self, query: &str) -> String {
        self.sql(query).await.value().unwrap_or_default().to_string()
    }

    /// Waits until a condition holds, looking with a query that gives one boolean. A server that dies meanwhile fails the test; an error
    /// (a column that is not there yet) means not yet.
    pub async fn wait_for(&mut self, condition: &str) {
        let query = format!("SELECT {condition}");
        wait_until(condition, DEADLINE, async || {
            self.process.assert_alive();
            let rows = self.try_sql(&query).await.ok()?;
            (rows.value() == Some("t")).then_some(())
        })
        .await;
    }

    /// Host and port of the Postgres protocol.
    pub fn pg(&self) -> (&str, &str) {
        self.listening().pg.rsplit_once(':').expect("an address has a port")
    }

    /// `host:port` of HTTP.
    pub fn http(&self) -> &str {
        &self.listening().http
    }

    pub fn data_dir(&self) -> PathBuf {
        data_dir(self.folder.path())
    }

    /// Where a table of a local lake is.
    pub async fn table_folder(&self, table: &str) -> PathBuf {
        let location = self.table_location(table).await;
        match location.strip_prefix("file://") {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from(location),
        }
    }

    /// Where a table is, as the server tells.
    pub async fn table_location(&self, table: &str) -> String {
        self.text(&format!("SELECT location FROM lakewire.tables WHERE name = '{table}'")).await
    }

    /// A folder of the test's own, gone with the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn assert_alive(&mut self) {
        self.process.assert_alive();
    }

    /// From now on no byte can be written into a file, as on a full disk: not by root either, nor into the log. The server is set up with
    /// `outlives_full_disk`.
    pub fn fill_disk(&self) {
        self.limit_files("0");
    }

    pub fn free_disk(&self) {
        self.limit_files("unlimited");
    }

    fn limit_files(&self, bytes: &str) {
        let limited = Command::new("prlimit").args([format!("--pid={}", self.process.id()), format!("--fsize={bytes}:")]).status();
        assert!(limited.is_ok_and(|status| status.success()), "prlimit cannot limit the server's files to {bytes}");
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
        self.listen = None;
    }

    /// SIGTERM, and waits until it has ended.
    pub async fn terminate(&mut self, deadline: std::time::Duration) -> ExitStatus {
        self.process.signal("TERM");
        self.listen = None;
        self.process.ended(deadline).await
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        self.process.ended(DEADLINE).await
    }

    /// Starts it again on the same folder, as it was set up.
    pub async fn restart(&mut self) {
        let setup = self.setup.clone();
        self.restart_as(setup).await;
    }

    /// Starts it again on the same folder, set up otherwise.
    pub async fn restart_as(&mut self, setup: Setup) {
        self.kill();
        self.setup = setup;
        self.process = self.setup.spawn(self.folder.path());
        self.wait_until_ready().await;
    }

    async fn try_connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (host, port) = self.pg();
        let parameters = format!("host={host} port={port} user=lakewire dbname=lakewire");
        let (client, connection) = tokio_postgres::connect(&parameters, NoTls).await?;
        // It ends with the client; what breaks it, the client is told.
        tokio::spawn(connection);
        Ok(client)
    }

    fn listening(&self) -> &Listen {
        self.listen.as_ref().expect("the server is running")
    }

    /// The file of an earlier life names another process.
    async fn wait_until_ready(&mut self) {
        let file = self.data_dir().join(LISTEN_FILE);
        let id = self.process.id();
        let ready = wait_until("the server is ready", DEADLINE, async || {
            self.process.assert_alive();
            let listen: Listen = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
            (listen.pid == id).then_some(listen)
        });
        self.listen = Some(ready.await);
    }
}
