//! Tables of very many files: `cargo bench --bench lake -- --files 1000000`.
//!
//! 1. What it costs to append one small file to a table of 20,000 files, beside the same with 10: time, requests to the store, and the most
//!    memory that a process had which opened the table and appended to it, as a pipeline does: it reads no rows, and so no list of files.
//! 2. What it costs to open a table of very many files from its checkpoint and a few commits: to append to it, and to read it.
//! 3. What it costs to plan a scan of it, with a filter on the partition column, on statistics, and on both.
//!
//! The logs are written by ourselves, the data files that they name do not exist: nothing here reads one. Each measurement is a process of
//! its own, so that memory is that of the work alone. The store is a local folder without syncs, which counts what is asked of it.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use chrono::{Days, NaiveDate};
use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::SessionContext;
use lakewire::clock::Clock;
use lakewire::lake::fault_store::FaultStore;
use lakewire::lake::{AddedFile, AppTransaction, Checkpointed, Commit, Committed, Lake, LakeTable, Operation, Table};
use object_store::local::LocalFileSystem;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

const TABLE: &str = "events";
const FEW_FILES: u64 = 10;
const ROWS_PER_FILE: u64 = 1000;
const DAYS: u64 = 100;
/// The day, counted from the first one, whose files are looked for.
const WANTED_DAY: u64 = 31;
const FILES_PER_COMMIT: u64 = 5000;
/// These were committed after the checkpoint, a file each.
const COMMITS_AFTER_CHECKPOINT: u64 = 3;
const FILE_BYTES_MAX: u64 = 64 << 20;
const APPEND_TARGET: f64 = 1.2;
const REQUESTS_TARGET: f64 = 1.0;

/// How much is done.
struct Scale {
    /// In the table that is opened.
    files: u64,
    /// In the table that is appended to.
    many_files: u64,
    commits: u64,
    rounds: usize,
}

impl Scale {
    /// Small, unless arguments say more: cargo's own test of a bench is a debug build.
    fn of(arguments: &[String]) -> Scale {
        let number =
            |name: &str| given(arguments, name).map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name} wants a number")));
        let (files, many_files, commits, rounds) = match arguments.iter().any(|argument| argument == "--bench") {
            true => (200_000, 20_000, 200, 3),
            false => (2_000, 2_000, 5, 1),
        };
        Scale { files: number("--files").unwrap_or(files), many_files, commits: number("--commits").unwrap_or(commits), rounds }
    }
}

fn given<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let place = arguments.iter().position(|argument| argument == name)?;
    Some(arguments.get(place + 1).unwrap_or_else(|| panic!("{name} wants a value")).as_str())
}

/// With `--measure` it is one of the processes that measure, and prints what it found as JSON.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let scale = Scale::of(&arguments);
    let folder = given(&arguments, "--folder").map(Path::new);
    let found = match (given(&arguments, "--measure"), folder) {
        (Some("append"), Some(folder)) => serde_json::to_string(&append(folder, scale.commits).await),
        (Some("open"), Some(folder)) => serde_json::to_string(&open(folder).await),
        (Some("look"), Some(folder)) => serde_json::to_string(&look(folder).await),
        _ => {
            appending(&scale).await;
            return opening(&scale).await;
        }
    };
    println!("{}", found.expect("numbers and texts are JSON"));
}

async fn appending(scale: &Scale) {
    let mut few = Vec::new();
    let mut many = Vec::new();
    for _ in 0..scale.rounds {
        few.push(appended_to(FEW_FILES, scale).await);
        many.push(appended_to(scale.many_files, scale).await);
    }
    let (few, many) = (Appended::best_of(few), Appended::best_of(many));
    println!("appending one file, {} times, to a table of so many files", scale.commits);
    println!("{:32}{:>12}{:>12}{:>8}{:>8}", "", FEW_FILES, scale.many_files, "ratio", "target");
    print_ratio("write the file, ms", few.write_ms, many.write_ms, APPEND_TARGET);
    print_ratio("commit, ms", few.commit_ms, many.commit_ms, APPEND_TARGET);
    print_ratio("both, ms", few.write_ms + few.commit_ms, many.write_ms + many.commit_ms, APPEND_TARGET);
    print_ratio("requests to write", few.write_requests, many.write_requests, REQUESTS_TARGET);
    print_ratio("requests to commit", few.commit_requests, many.commit_requests, REQUESTS_TARGET);
    print_ratio("memory of the process, MB", megabytes(few.peak_bytes), megabytes(many.peak_bytes), APPEND_TARGET);
    println!("{:32}{:>12.1}{:>12.1}", "of it after opening, MB", megabytes(few.opened_bytes), megabytes(many.opened_bytes));
}

fn print_ratio(name: &str, few: f64, many: f64, target: f64) {
    let ratio = many / few;
    let mark = if ratio > target { "  misses it" } else { "" };
    println!("{name:32}{few:>12.3}{many:>12.3}{ratio:>8.2}{target:>8.1}{mark}");
}

/// The table is made anew each time, for appending changes it.
async fn appended_to(files: u64, scale: &Scale) -> Appended {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    make_table(folder.path(), files).await;
    measured("append", folder.path(), scale)
}

async fn opening(scale: &Scale) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let began = Instant::now();
    let checkpoint = make_table(folder.path(), scale.files).await;
    println!(
        "\na table of {} files, made in {:.1} s; its checkpoint has {} MB",
        scale.files,
        seconds(began),
        megabytes(checkpoint.bytes) as u64
    );
    let opened: Opened = measured("open", folder.path(), scale);
    assert_eq!(opened.files, scale.files, "all files are there");
    println!("{:32}{:>12}{:>12}{:>12}{:>12}{:>16}", "", "s", "requests", "MB before", "MB after", "bytes per file");
    measured::<Cost>("look", folder.path(), scale).print("opening it to append", scale.files);
    opened.cost.print("opening it to read", scale.files);
    println!("{:48}{:>12}{:>12}", "planning a scan", "files left", "ms");
    for planned in &opened.plans {
        println!("{:48}{:>12}{:>12.3}", planned.filter, planned.files, planned.milliseconds);
    }
}

/// Lets a process of its own do it.
fn measured<T: DeserializeOwned>(what: &str, folder: &Path, scale: &Scale) -> T {
    let program = std::env::current_exe().expect("a program knows where it is");
    let mut command = Command::new(program);
    command.args(["--measure", what, "--commits", &scale.commits.to_string(), "--folder"]).arg(folder);
    let output = command.stderr(Stdio::inherit()).output().expect("it can be started");
    assert!(output.status.success(), "what was measured has failed");
    serde_json::from_slice(&output.stdout).expect("it prints one JSON object")
}

/// Per appended file, by the median; of several processes the least.
#[derive(Serialize, Deserialize)]
struct Appended {
    write_ms: f64,
    commit_ms: f64,
    write_requests: f64,
    commit_requests: f64,
    opened_bytes: u64,
    peak_bytes: u64,
}

impl Appended {
    fn best_of(rounds: Vec<Appended>) -> Appended {
        let best = |one: Appended, other: Appended| Appended {
            write_ms: one.write_ms.min(other.write_ms),
            commit_ms: one.commit_ms.min(other.commit_ms),
            write_requests: one.write_requests.max(other.write_requests),
            commit_requests: one.commit_requests.max(other.commit_requests),
            opened_bytes: one.opened_bytes.min(other.opened_bytes),
            peak_bytes: one.peak_bytes.min(other.peak_bytes),
        };
        rounds.into_iter().reduce(best).expect("there is a round")
    }
}

async fn append(folder: &Path, commits: u64) -> Appended {
    let (store, lake) = lake(folder);
    let table = lake.table(TABLE).expect("it is a plain name");
    table.refresh_head().await.expect("the table can be read");
    let opened_bytes = memory_bytes("VmHWM:");
    let (mut writes, mut commit_times) = (Vec::new(), Vec::new());
    let (mut write_requests, mut commit_requests) = (0, 0);
    let rows = rows();
    for epoch in 1..=commits {
        let (began, before) = (Instant::now(), store.operations());
        let adds = write(&table, &rows).await;
        let (written, between) = (Instant::now(), store.operations());
        let transaction = Some(AppTransaction { app_id: "bench".to_string(), version: epoch as i64 });
        let commit = Commit { adds, transaction, operation: Operation::StreamingUpdate { epoch } };
        let committed = table.commit(commit).await.expect("nobody else writes");
        commit_times.push(written.elapsed());
        assert!(matches!(committed, Committed::At(_)), "each commit is a new one");
        writes.push(written - began);
        write_requests += between - before;
        commit_requests += store.operations() - between;
    }
    Appended {
        write_ms: median_ms(writes),
        commit_ms: median_ms(commit_times),
        write_requests: write_requests as f64 / commits as f64,
        commit_requests: commit_requests as f64 / commits as f64,
        opened_bytes,
        peak_bytes: peak_without_list(&table),
    }
}

fn peak_without_list(table: &Table) -> u64 {
    assert!(table.snapshot().is_none(), "nobody has asked for the files");
    memory_bytes("VmHWM:")
}

async fn write(table: &Arc<Table>, rows: &RecordBatch) -> Vec<AddedFile> {
    let head = table.head().expect("the table was read");
    let mut writer = table.writer(&head, FILE_BYTES_MAX).expect("the table is ours");
    writer.write(rows.clone()).await.expect("the rows are the table's");
    writer.close().await.expect("the disk has room")
}

/// Of one day, so that they make one file. Columns that they lack are null.
fn rows() -> RecordBatch {
    const DAYS_SINCE_1970: i32 = 20_454;
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS_PER_FILE as i64));
    let days: ArrayRef = Arc::new(Date32Array::from(vec![DAYS_SINCE_1970; ROWS_PER_FILE as usize]));
    RecordBatch::try_from_iter([("id", ids), ("day", days)]).expect("columns of the same length")
}

#[derive(Serialize, Deserialize)]
struct Opened {
    files: u64,
    cost: Cost,
    plans: Vec<Planned>,
}

/// Of opening a table.
#[derive(Serialize, Deserialize)]
struct Cost {
    seconds: f64,
    requests: usize,
    before_bytes: u64,
    peak_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct Planned {
    filter: String,
    files: usize,
    milliseconds: f64,
}

impl Cost {
    fn print(&self, what: &str, files: u64) {
        let bytes_per_file = (self.peak_bytes - self.before_bytes) as f64 / files as f64;
        let (before, after) = (megabytes(self.before_bytes), megabytes(self.peak_bytes));
        println!("{what:32}{:>12.3}{:>12}{before:>12.0}{after:>12.0}{bytes_per_file:>16.0}", self.seconds, self.requests);
    }
}

/// Opens it as a pipeline does.
async fn look(folder: &Path) -> Cost {
    let (store, lake) = lake(folder);
    let table = lake.table(TABLE).expect("it is a plain name");
    let before_bytes = memory_bytes("VmHWM:");
    let began = Instant::now();
    table.refresh_head().await.expect("the table can be read");
    Cost { seconds: seconds(began), requests: store.operations(), before_bytes, peak_bytes: peak_without_list(&table) }
}

async fn open(folder: &Path) -> Opened {
    let (store, lake) = lake(folder);
    let table = lake.table(TABLE).expect("it is a plain name");
    let before_bytes = memory_bytes("VmHWM:");
    let began = Instant::now();
    let snapshot = table.refresh().await.expect("the table can be read");
    let cost = Cost { seconds: seconds(began), requests: store.operations(), before_bytes, peak_bytes: memory_bytes("VmHWM:") };
    let files = snapshot.totals().files;

    let context = SessionContext::new();
    context.register_table("t", Arc::new(LakeTable::new(table, snapshot))).expect("there is no other t");
    let mut plans = Vec::new();
    for (filter, expected) in filters(files) {
        let planned = plan(&context, filter).await;
        assert_eq!(planned.files, expected, "files for {}", planned.filter);
        plans.push(planned);
    }
    Opened { files, cost, plans }
}

/// With the number of files that each leaves.
fn filters(files: u64) -> Vec<(String, usize)> {
    let day = format!("day = date '{}'", day(WANTED_DAY));
    let half = files / 2;
    let below_half = format!("id < {}", half * ROWS_PER_FILE);
    let ten = format!("id between {} and {}", half * ROWS_PER_FILE, (half + 10) * ROWS_PER_FILE - 1);
    let of_the_day = |files: u64| (0..files).filter(|number| number % DAYS == WANTED_DAY).count();
    vec![(day.clone(), of_the_day(files)), (ten, 10), (format!("{day} and {below_half}"), of_the_day(half))]
}

async fn plan(context: &SessionContext, filter: String) -> Planned {
    let began = Instant::now();
    let query = context.sql(&format!("select id from t where {filter}")).await.expect("it is a query");
    let plan = query.create_physical_plan().await.expect("it can be planned");
    let milliseconds = began.elapsed().as_secs_f64() * 1e3;
    let mut paths = HashSet::new();
    collect_paths(&plan, &mut paths);
    Planned { filter, files: paths.len(), milliseconds }
}

/// The planner may have cut files into ranges.
fn collect_paths(plan: &Arc<dyn ExecutionPlan>, paths: &mut HashSet<object_store::path::Path>) {
    let scan = plan.downcast_ref::<DataSourceExec>().and_then(|scan| scan.data_source().downcast_ref::<FileScanConfig>());
    for group in scan.into_iter().flat_map(|scan| &scan.file_groups) {
        paths.extend(group.iter().map(|file| file.path().clone()));
    }
    plan.children().into_iter().for_each(|child| collect_paths(child, paths));
}

/// A table as it is after a long time: a checkpoint, and a few commits since.
async fn make_table(folder: &Path, files: u64) -> Checkpointed {
    let (_, lake) = lake(folder);
    let table = lake.table(TABLE).expect("it is a plain name");
    table.create(columns(), &["day".to_string()], TABLE).await.expect("nothing is there");
    let summed_up = files - COMMITS_AFTER_CHECKPOINT;
    for first in (0..summed_up).step_by(FILES_PER_COMMIT as usize) {
        add(&table, &lake, first..summed_up.min(first + FILES_PER_COMMIT)).await;
    }
    let made = table.checkpoint().await.expect("the folder can be written").expect("there are commits");
    for number in summed_up..files {
        add(&table, &lake, number..number + 1).await;
    }
    made
}

async fn add(table: &Table, lake: &Lake, numbers: std::ops::Range<u64>) {
    let written_millis = lake.clock().now().timestamp_millis();
    let adds = numbers.map(|number| file(number, written_millis)).collect();
    table.commit(Commit { adds, transaction: None, operation: Operation::Write }).await.expect("nobody else writes");
}

fn lake(folder: &Path) -> (FaultStore, Lake) {
    let store = FaultStore::new(Arc::new(LocalFileSystem::new()));
    let root = Url::from_directory_path(folder).expect("a temporary folder has a full path");
    (store.clone(), Lake::with_store(Arc::new(store), root, Clock::wall()))
}

fn columns() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), true),
        Field::new("device", DataType::Utf8, true),
        Field::new("bytes", DataType::Int64, true),
        Field::new("score", DataType::Float64, true),
        Field::new("day", DataType::Date32, true),
    ]))
}

/// As our writer would name and describe it. Ids go up from file to file; days go round.
fn file(number: u64, written_millis: i64) -> AddedFile {
    let (day, first) = (day(number), number * ROWS_PER_FILE);
    let (earliest, latest) = (format!("{day}T00:00:00.123Z"), format!("{day}T23:59:59.456Z"));
    let devices = [format!("dev-{:06}", number % 1000), format!("dev-{:06}", number % 1000 + 90_000)];
    let stats = json!({
        "numRecords": ROWS_PER_FILE,
        "minValues": {"id": first, "at": earliest, "device": devices[0], "bytes": number % 97, "score": 0.5},
        "maxValues": {"id": first + ROWS_PER_FILE - 1, "at": latest, "device": devices[1], "bytes": 1_000_000, "score": 99.5},
        "nullCount": {"id": 0, "at": 0, "device": number % 3, "bytes": 0, "score": 7},
    });
    // Not alike from file to file, as real names are not: they would compress too well.
    let token = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let add = json!({
        "path": format!("day={day}/part-00000-{token:016x}-81be-{number:012x}-c000.snappy.parquet"),
        "partitionValues": {"day": day.to_string()},
        "size": 40_000 + number % 1000,
        "modificationTime": written_millis,
        "dataChange": true,
        "stats": stats.to_string(),
    });
    serde_json::from_value(add).expect("it is spelled as the log spells it")
}

fn day(number: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, 1).expect("it is a date") + Days::new(number % DAYS)
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn seconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64()
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// Of this process, by the kernel's name for it.
fn memory_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("it is Linux");
    let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel tells it");
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).expect("a number") * 1024
}
