//! Every version of a table, as other people's readers and we read it: while it grows and its columns and rows change, with checkpoints in
//! between, after a vacuum and after the old end of the log is gone. What can be read is the same to all; what cannot is an error to all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::prelude::SessionContext;
use lakewire::clock::Clock;
use lakewire::config::S3Config;
use lakewire::error::{Error, Result};
use lakewire::lake::{Lake, LakeTable, Spared, Table};

use super::story::{SEED, read_partitions};
use crate::servers::delta_readers::{DeltaReading, VersionReading, VersionReadings, read_versions};
use crate::servers::{Part, Server, summary};

const ROWS: u64 = 6_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A table with three columns, and a pipeline that finds more.
fn definitions() -> String {
    format!(
        "CREATE SOURCE sent WITH (connector = 'generator', dataset = 'network', seed = {SEED}, rows = {ROWS}, partitions = 1); \
         CREATE TABLE events (event_id text, event_type text, bytes_in bigint) PARTITION BY (event_type) WITH (schema = 'evolve'); \
         CREATE PIPELINE keep WITH (commit_interval = '200ms') AS INSERT INTO events SELECT * FROM sent"
    )
}

/// All that we see of a version.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    rows: i64,
    distinct: i64,
    sum: i64,
    columns: BTreeMap<String, DataType>,
}

/// Ourselves beside the server: with a clock that can be put ahead, as those who look after the table have.
struct Witness {
    clock: Clock,
    lake: Lake,
    table: Arc<Table>,
    folder: PathBuf,
}

impl Witness {
    async fn of(server: &Server, table: &str) -> Witness {
        let folder = server.table_folder(table).await;
        let root = folder.parent().expect("the table is in the lake").to_str().expect("a temporary folder has a plain name");
        let clock = Clock::mock(Clock::wall().now());
        let lake = Lake::open(root, &S3Config::default(), clock.clone()).await.unwrap();
        let table = lake.table(table).unwrap();
        Witness { clock, lake, table, folder }
    }

    async fn newest(&self) -> i64 {
        self.table.refresh().await.unwrap().version().expect("the table exists")
    }

    async fn at(&self, version: i64) -> Result<Seen> {
        let snapshot = self.table.snapshot_at(version).await?;
        let columns = snapshot.schema().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect();
        let context = SessionContext::new();
        self.lake.register(&context.runtime_env());
        context.register_table("t", Arc::new(LakeTable::new(self.table.clone(), snapshot)))?;
        let batches = context.sql("SELECT count(*), count(DISTINCT event_id), sum(bytes_in) FROM t").await?.collect().await?;
        let [batch] = batches.as_slice() else { return Err(Error::internal("an aggregate gives one batch")) };
        // The sum of nothing is null.
        let number = |column: &ArrayRef| column.as_primitive::<Int64Type>().iter().next().flatten().unwrap_or(0);
        let [rows, distinct, sum] = [0, 1, 2].map(|column| number(batch.column(column)));
        Ok(Seen { rows, distinct, sum, columns })
    }

    /// Rows, distinct ids and the sum, of the newest version.
    async fn numbers(&self) -> (i64, i64, i64) {
        let seen = self.at(self.newest().await).await.unwrap();
        (seen.rows, seen.distinct, seen.sum)
    }

    async fn all_versions(&self) -> Vec<Result<Seen>> {
        let mut versions = vec![];
        for version in 0..=self.newest().await {
            versions.push(self.at(version).await);
        }
        versions
    }

    /// Each reader sees of each version what we see, or nothing as we do. Returns what there is, by version.
    async fn assert_all_agree(&self) -> BTreeMap<i64, Seen> {
        let ours = self.all_versions().await;
        let numbers: Vec<i64> = (0..ours.len() as i64).collect();
        let theirs = read_versions(&self.folder, "event_id", "bytes_in", &numbers).await;
        for (reader, readings) in
            [(Reader::Deltalake, theirs.deltalake), (Reader::DuckDb, theirs.duckdb), (Reader::ClickHouse, theirs.clickhouse)]
        {
            assert_agrees(reader, &readings, &ours);
        }
        numbers.into_iter().zip(ours).filter_map(|(number, seen)| Some((number, seen.ok()?))).collect()
    }
}

#[derive(Debug, Clone, Copy)]
enum Reader {
    Deltalake,
    DuckDb,
    ClickHouse,
}

impl Reader {
    /// What it calls a type, where that is one word.
    fn word(self, data_type: &DataType) -> Option<&'static str> {
        let [deltalake, duckdb, clickhouse] = match data_type {
            DataType::Utf8 => ["string", "VARCHAR", "Nullable(String)"],
            DataType::Int64 => ["long", "BIGINT", "Nullable(Int64)"],
            DataType::Float64 => ["double", "DOUBLE", "Nullable(Float64)"],
            DataType::Boolean => ["boolean", "BOOLEAN", "Nullable(Bool)"],
            DataType::Date32 => ["date", "DATE", "Nullable(Date32)"],
            DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => ["timestamp", "TIMESTAMP WITH TIME ZONE", "Nullable(DateTime64(6))"],
            _ => return None,
        };
        Some(match self {
            Reader::Deltalake => deltalake,
            Reader::DuckDb => duckdb,
            Reader::ClickHouse => clickhouse,
        })
    }
}

fn assert_agrees(reader: Reader, readings: &VersionReadings, ours: &[Result<Seen>]) {
    assert_eq!(readings.len(), ours.len(), "the versions that {reader:?} tells of");
    for (version, (theirs, ours)) in readings.iter().zip(ours).enumerate() {
        match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => assert_same(reader, version, theirs, ours),
            (Err(_), Err(_)) => {}
            (theirs, ours) => panic!("version {version}: {reader:?} sees {theirs:?}, and we {ours:?}"),
        }
    }
}

fn assert_same(reader: Reader, version: usize, theirs: &VersionReading, ours: &Seen) {
    let DeltaReading { count, distinct, sum, columns } = &theirs.rows;
    assert_eq!((*count, *distinct, *sum), (ours.rows, ours.distinct, ours.sum), "what {reader:?} counts at version {version}");
    // Readers may put partition columns elsewhere.
    let types: BTreeMap<_, _> = columns.iter().zip(&theirs.types).collect();
    let names: Vec<_> = types.keys().copied().collect();
    assert_eq!(names, ours.columns.keys().collect::<Vec<_>>(), "the columns that {reader:?} sees at version {version}");
    for (name, data_type) in &ours.columns {
        if let Some(word) = reader.word(data_type) {
            assert_eq!(types[name], word, "the type of {name} to {reader:?} at version {version}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_readers_agree_on_every_version() {
    let mut server = Server::start().await;
    server.sql(&definitions()).await;
    read_partitions(&mut server, "keep", 1).await;
    let witness = Witness::of(&server, "events").await;
    let sent = summary(Part { seed: SEED, skip: 0, rows: ROWS });
    assert_eq!(witness.numbers().await, (sent.valid, sent.valid, sent.bytes_in_sum));
    let grown = witness.assert_all_agree().await;
    assert!(grown[&0].columns.len() == 3 && grown.values().last().unwrap().columns.len() > 3, "columns were found on the way");

    change(&server, &witness).await;
    let changed = witness.assert_all_agree().await;
    assert_eq!(changed.len() as i64, witness.newest().await + 1, "nothing is gone yet");
    assert!(grown.iter().all(|(version, seen)| changed[version] == *seen), "a version never changes");

    let summed_up = witness.table.last_checkpoint().expect("a checkpoint was written");
    assert_vacuumed(&witness, &changed).await;
    assert_cleaned(&witness, &changed, summed_up).await;

    server.sql("INSERT INTO events (event_id, event_type, bytes_in) VALUES ('after all', 'manual', 1)").await;
    let in_the_end = witness.assert_all_agree().await;
    assert_eq!(in_the_end.keys().copied().collect::<Vec<_>>(), (summed_up..=witness.newest().await).collect::<Vec<_>>());
    assert_eq!(server.number("SELECT count(*) FROM events").await, witness.numbers().await.0);
}

/// Changes columns and rows by hand, with a checkpoint before each change of rows and one version after the last.
async fn change(server: &Server, witness: &Witness) {
    let (rows, ids, sum) = witness.numbers().await;
    server.sql("ALTER TABLE events ADD COLUMN note text").await;
    assert_eq!(witness.numbers().await, (rows, ids, sum));
    server.sql("INSERT INTO events (event_id, event_type, bytes_in, note) VALUES ('by hand', 'manual', 40, 'x')").await;
    assert_eq!(witness.numbers().await, (rows + 1, ids + 1, sum + 40));
    witness.table.checkpoint().await.unwrap();

    let kind = server.text("SELECT event_type FROM events GROUP BY 1 ORDER BY count(bytes_in) DESC, 1 LIMIT 1").await;
    let of_kind = server.number(&format!("SELECT count(bytes_in) FROM events WHERE event_type = '{kind}'")).await;
    server.sql(&format!("UPDATE events SET bytes_in = bytes_in + 1, note = 'touched' WHERE event_type = '{kind}'")).await;
    assert_eq!(witness.numbers().await, (rows + 1, ids + 1, sum + 40 + of_kind));
    witness.table.checkpoint().await.unwrap();

    let doomed = "bytes_in % 3 = 0";
    let gone = server.number(&format!("SELECT count(*) FROM events WHERE {doomed}")).await;
    let gone_sum = server.number(&format!("SELECT sum(bytes_in) FROM events WHERE {doomed}")).await;
    server.sql(&format!("DELETE FROM events WHERE {doomed}")).await;
    let (rows, ids, sum) = (rows + 1 - gone, ids + 1 - gone, sum + 40 + of_kind - gone_sum);
    assert_eq!(witness.numbers().await, (rows, ids, sum));
    witness.table.checkpoint().await.unwrap();
    server.sql("INSERT INTO events (event_id, event_type, bytes_in) VALUES ('last', 'manual', 2)").await;
    assert_eq!(witness.numbers().await, (rows + 1, ids + 1, sum + 2));
}

/// The files of versions that were left behind go. The log still tells of them, and nobody may make something of the rest.
async fn assert_vacuumed(witness: &Witness, before: &BTreeMap<i64, Seen>) {
    witness.clock.advance(10 * DAY);
    assert!(witness.table.vacuum(&Spared::default()).await.unwrap().files > 0);
    let left = witness.assert_all_agree().await;
    assert!(left.iter().all(|(version, seen)| before[version] == *seen), "a version never changes");
    assert!(left.contains_key(&0) && left.contains_key(&witness.newest().await), "the first has no files, the newest has all");
    assert!(left.len() < before.len(), "a version has lost files");
}

/// The log goes up to the newest checkpoint.
async fn assert_cleaned(witness: &Witness, before: &BTreeMap<i64, Seen>, summed_up: i64) {
    witness.clock.advance(30 * DAY);
    assert!(witness.table.clean_log(None).await.unwrap() > 0);
    let left = witness.assert_all_agree().await;
    assert_eq!(left.keys().copied().collect::<Vec<_>>(), (summed_up..=witness.newest().await).collect::<Vec<_>>());
    assert!(left.iter().all(|(version, seen)| before[version] == *seen), "a version never changes");
}
