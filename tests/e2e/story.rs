//! The story that most tests tell: the generator's events flow through the pipeline `keep` into the table `events`, and the generator knows
//! what must come out.

use crate::servers::{Part, Place, Server, Summary, read_delta, summary};

pub const SEED: u64 = 7;
const PARTITIONS: u64 = 2;

/// How many records, and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Story {
    pub rows: u64,
    pub pace: Pace,
}

#[derive(Debug, Clone, Copy)]
pub enum Pace {
    AsFastAsItCan,
    PerSecond(u64),
}

impl Story {
    /// Enough to see the most of the dataset's drift.
    pub const QUICK: Story = Story { rows: 20_000, pace: Pace::AsFastAsItCan };

    /// What must come out of it.
    pub fn summary(self) -> Summary {
        summary(Part { seed: SEED, skip: 0, rows: self.rows })
    }

    /// Defines it, or what of it is not there yet.
    pub fn definitions(self) -> String {
        definitions_over(&self.source())
    }

    /// The same over a source whose columns are declared: none is found later, so that the catalog has nothing to store while it is read.
    pub fn declared_definitions(self) -> String {
        definitions_over(&self.source_with(" (event_id text, event_time timestamptz, tenant_id bigint, bytes_in bigint)"))
    }

    pub fn source(self) -> String {
        self.source_with("")
    }

    fn source_with(self, columns: &str) -> String {
        let rate = match self.pace {
            Pace::AsFastAsItCan => String::new(),
            Pace::PerSecond(rate) => format!(", rate = {rate}"),
        };
        format!(
            "CREATE SOURCE IF NOT EXISTS pop_events{columns} \
             WITH (connector = 'generator', dataset = 'network', seed = {SEED}, rows = {}, partitions = {PARTITIONS}{rate})",
            self.rows
        )
    }
}

fn definitions_over(source: &str) -> String {
    format!("{source}; {TABLE}; {}", pipeline("keep", "events", "*, event_time::date AS event_date"))
}

pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS events () PARTITION BY (event_date)";

/// A pipeline that commits often.
pub fn pipeline(name: &str, table: &str, columns: &str) -> String {
    format!("CREATE PIPELINE IF NOT EXISTS {name} WITH (commit_interval = '1s') AS INSERT INTO {table} SELECT {columns} FROM pop_events")
}

/// The jobs of `begin_with_view`.
pub const PIPELINE_AND_VIEW: [&str; 2] = ["keep", "per_tenant"];

/// Has a pipeline and a view read the story, and comes back when they are in the middle of it.
pub async fn begin_with_view(server: &mut Server, definitions: &str) {
    server.sql(&format!("{definitions}; {}", view_per_tenant())).await;
    server.wait_for("(SELECT count(*) FROM events) > 0").await;
    let done = server.number("SELECT count(*) FROM lakewire.job_inputs WHERE state = 'done'").await;
    assert_eq!(done, 0, "all was read before the outage began: the story is too short for this machine");
}

/// Both have read all of the story, and are as if nothing had happened.
pub async fn ends_exact_with_view(server: &mut Server, story: Story) {
    let expected = story.summary();
    for job in PIPELINE_AND_VIEW {
        read_all(server, job).await;
        assert_rejects(server, expected.broken, job).await;
    }
    assert_exact(server, &expected, "events", "keep").await;
    assert_view_agrees(server, "events").await;
    server.wait_for("(SELECT count(*) FROM lakewire.jobs WHERE error IS NOT NULL) = 0").await;
}

/// A view of the source that commits often.
fn view_per_tenant() -> String {
    format!("CREATE MATERIALIZED VIEW IF NOT EXISTS per_tenant WITH (commit_interval = '500ms') AS {PER_TENANT}")
}

const PER_TENANT: &str = "SELECT tenant_id, count(*) AS events, sum(bytes_in) AS bytes FROM pop_events GROUP BY tenant_id";

/// The view shows what its query over the table gives, once both have read everything.
async fn assert_view_agrees(server: &Server, table: &str) {
    let shown = lines(server, "SELECT tenant_id, events, bytes FROM per_tenant").await;
    assert!(!shown.is_empty(), "the view is empty");
    assert_eq!(shown, lines(server, &PER_TENANT.replace("pop_events", table)).await, "per_tenant is its query");
}

/// Every event is in the table once, every broken record among the rejects of the job once.
pub async fn assert_exact(server: &Server, expected: &Summary, table: &str, job: &str) {
    let query = format!("SELECT count(*) AS n, count(DISTINCT event_id) AS ids, sum(bytes_in) AS total FROM {table}");
    let rows = server.sql(&query).await;
    let seen = ["n", "ids", "total"].map(|name| rows.column(name)[0].unwrap_or("0").parse::<i64>().expect("a whole number"));
    assert_eq!(seen, [expected.valid, expected.valid, expected.bytes_in_sum], "rows, ids and bytes in {table}");
    assert_rejects(server, expected.broken, job).await;
}

/// The rejects of a job, each with a place of its own.
pub async fn assert_rejects(server: &Server, expected: i64, job: &str) {
    let places = "count(DISTINCT (\"partition\" || '@' || \"offset\"))";
    let rows = server.sql(&format!("SELECT count(*) AS n, {places} AS places FROM lakewire.rejects WHERE pipeline = '{job}'")).await;
    let expected = expected.to_string();
    assert_eq!([rows.column("n")[0], rows.column("places")[0]], [Some(expected.as_str()); 2], "rejects of {job} and their places");
}

/// Other people's readers see what our own SELECT sees: counts, sums and columns.
pub async fn assert_readers_agree(server: &Server, table: &str, place: Place<'_>) {
    let count = server.number(&format!("SELECT count(*) FROM {table}")).await;
    let distinct = server.number(&format!("SELECT count(DISTINCT event_id) FROM {table}")).await;
    let sum = server.number(&format!("SELECT sum(bytes_in) FROM {table}")).await;
    let columns = server.sql(&format!("SELECT * FROM {table} LIMIT 0")).await.columns;
    let readings = read_delta(&place, "event_id", "bytes_in").await;
    for (reader, reading) in [("deltalake", readings.deltalake), ("DuckDB", readings.duckdb)] {
        assert_eq!((reading.count, reading.distinct, reading.sum), (count, distinct, sum), "what {reader} counts");
        assert_eq!(sorted(reading.columns), sorted(columns.clone()), "the columns that {reader} sees");
    }
}

/// Waits until the job has read all of the generator's partitions and committed it. FLUSH alone waits for what is due by now.
pub async fn read_all(server: &mut Server, job: &str) {
    read_partitions(server, job, PARTITIONS).await;
}

/// The same of a source that has so many.
pub async fn read_partitions(server: &mut Server, job: &str, partitions: u64) {
    let done = format!("SELECT count(*) FROM lakewire.job_inputs WHERE job = '{job}' AND state = 'done'");
    server.wait_for(&format!("({done}) = {partitions}")).await;
    server.sql("FLUSH").await;
}

/// The rows of a query as sorted text.
pub async fn lines(server: &Server, query: &str) -> Vec<String> {
    let mut lines: Vec<String> = server.sql(query).await.rows.into_iter().map(|row| format!("{row:?}")).collect();
    lines.sort();
    lines
}

/// What a failed job says.
pub async fn failure_of(server: &mut Server, job: &str) -> String {
    server.wait_for(&format!("(SELECT state FROM lakewire.jobs WHERE name = '{job}') = 'failed'")).await;
    server.text(&format!("SELECT error FROM lakewire.jobs WHERE name = '{job}'")).await
}

/// Readers may put partition columns elsewhere.
fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}
