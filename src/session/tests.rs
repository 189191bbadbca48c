//! Look-ups by key, and views under new names. Look-ups answer what the planner would, and know what they must leave to it.

mod replacing;
mod subscribing;

use std::time::Duration;

use arrow::util::pretty::pretty_format_batches;
use datafusion::scalar::ScalarValue;
use futures::TryStreamExt;
use tokio::runtime::Handle;

use super::{Outcome, Prepared, Services, Session};
use crate::clock::Clock;
use crate::config::Settings;
use crate::error::Result;

struct Server {
    session: Session,
    folder: tempfile::TempDir,
}

impl Server {
    async fn start() -> Server {
        Server::start_in(tempfile::tempdir().unwrap()).await
    }

    /// Stops it in order and starts it again.
    async fn restart(self) -> Server {
        self.session.services.shut_down(Duration::from_secs(600)).await;
        Server::start_in(self.folder).await
    }

    async fn start_in(folder: tempfile::TempDir) -> Server {
        let settings = Settings { data_dir: Some(folder.path().to_path_buf()), ..Settings::default() };
        let here = Handle::current();
        let services = Services::start(settings.resolve().unwrap(), Clock::wall(), here.clone(), here).await.unwrap();
        Server { session: Session::new(services, "lakewire", "lakewire").unwrap(), folder }
    }

    async fn sql(&self, text: &str) {
        for statement in self.session.split(text).unwrap() {
            self.ask(&statement.text, &[]).await;
        }
    }

    /// The rows, in their order of text.
    async fn ask(&self, sql: &str, parameters: &[ScalarValue]) -> Vec<String> {
        let prepared = self.session.prepare(sql, &[]).await.unwrap();
        self.answer(&prepared, parameters).await.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// As the extended protocol does.
    async fn answer(&self, prepared: &Prepared, parameters: &[ScalarValue]) -> Result<Vec<String>> {
        match self.session.answer_now(prepared, parameters)? {
            Some(found) => Ok(shown(found).await),
            None => Ok(shown(self.session.execute(prepared, parameters.to_vec()).await?).await),
        }
    }

    async fn is_looked_up(&self, sql: &str) -> bool {
        self.session.prepare(sql, &[]).await.unwrap().look_up().is_some()
    }

    /// As the simple protocol answers it. The second is whether that was without parsing it.
    async fn ask_alike(&self, sql: &str) -> (Vec<String>, bool) {
        if let Some(outcome) = self.session.answer_alike(sql) {
            return (shown(outcome).await, true);
        }
        let prepared = self.session.prepare(sql, &[]).await.unwrap();
        self.session.learn_alike(sql, &prepared).await;
        (self.answer(&prepared, &[]).await.unwrap(), false)
    }
}

async fn shown(outcome: Outcome) -> Vec<String> {
    let Outcome::Rows { schema, rows, .. } = outcome else { return vec![] };
    let batches: Vec<_> = rows.try_collect().await.unwrap();
    let text = pretty_format_batches(&batches).unwrap().to_string();
    let cells = |line: &str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>().join("|");
    let mut lines: Vec<String> = text.lines().filter(|line| line.starts_with('|')).skip(1).map(cells).collect();
    lines.sort();
    lines.insert(0, schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", "));
    lines
}

const VISITS: &str = "CREATE TABLE visits (tenant bigint, page text, day date, seconds int);
     INSERT INTO visits SELECT value % 50, 'page ' || (value % 7), DATE '2026-01-01' + (value % 3)::int, value FROM generate_series(1, 3000);
     INSERT INTO visits VALUES (NULL, 'page 3', NULL, 1), (7, 'it''s', DATE '2026-01-01', 2);
     CREATE MATERIALIZED VIEW by_page AS SELECT tenant, page, day, count(*) AS n, max(seconds) AS longest FROM visits GROUP BY tenant, page, day";

/// Of tenants.
const VALUES: [&str; 4] = ["7", "99", "-1", "0"];

#[tokio::test]
async fn rows_that_are_looked_up_are_those_of_a_scan() {
    let server = Server::start().await;
    server.sql(VISITS).await;
    // The key's columns through which nothing is looked up, for comparison.
    let scanned = "(SELECT tenant + 0 AS tenant, page || '' AS page, day, n, longest FROM by_page) v";
    for round in 0..3 {
        for (columns, condition, is_looked_up) in [
            ("n", "tenant = {} AND page = 'page 3'", true),
            ("v.page AS p, n, n, longest", "page = 'it''s' AND {} = tenant", true),
            ("*", "v.tenant IN ({}, 8, 8, NULL)", true),
            ("*", "tenant = {} OR tenant = 9 OR tenant IN (7, 3)", true),
            ("n", "tenant = {} AND n = 9", true),
            ("n", "tenant = {} AND tenant = 8", true),
            ("n", "tenant = NULL AND page = 'page {}'", true),
            ("n", "tenant = {} AND n > 3", false),
            ("n + 1 AS m", "tenant = {}", false),
            ("n", "page = 'page {}'", false),
            ("n", "tenant = {} OR page = 'page 1'", false),
            ("count(*) AS c", "tenant = {}", false),
            ("n", "tenant = {}.0", false),
            ("n", "tenant = '{}'", false),
        ] {
            for (nth, value) in VALUES.iter().enumerate() {
                let condition = condition.replace("{}", value);
                let looked_up = format!("SELECT {columns} FROM by_page v WHERE {condition}");
                let expected = server.ask(&format!("SELECT {columns} FROM {scanned} WHERE {condition}"), &[]).await;
                assert_eq!(server.is_looked_up(&looked_up).await, is_looked_up, "{looked_up}");
                assert_eq!(server.ask(&looked_up, &[]).await, expected, "round {round}: {looked_up}");
                let (answer, was_alike) = server.ask_alike(&looked_up).await;
                assert_eq!(answer, expected, "round {round}: {looked_up}");
                // A sign behind a word is no part of a literal.
                let is_known = is_looked_up && (round > 0 || nth > 0) && !condition.contains("AND -1");
                assert_eq!(was_alike, is_known, "round {round}: {looked_up}");
            }
        }
        server.sql("UPDATE visits SET page = 'page 2' WHERE seconds % 5 = 0; DELETE FROM visits WHERE tenant = 3; FLUSH").await;
    }
    for (limit, was_alike) in [(2, false), (1, true), (0, true), (100, true)] {
        let query = format!("SELECT n FROM by_page WHERE tenant = 7 LIMIT {limit}");
        let all = server.ask("SELECT n FROM by_page WHERE tenant = 7", &[]).await.len() - 1;
        let (rows, alike) = server.ask_alike(&query).await;
        assert!(server.is_looked_up(&query).await);
        assert_eq!((rows.len() - 1, alike), (all.min(limit), was_alike), "{query}");
        assert_eq!(
            server
                .ask("SELECT n FROM by_page WHERE tenant = $1 LIMIT $2", &[ScalarValue::from(7_i64), ScalarValue::from(limit as i64)])
                .await,
            rows
        );
    }
    assert!(!server.is_looked_up("SELECT n FROM by_page WHERE tenant = 7 LIMIT 2 OFFSET 1").await);
}

#[tokio::test]
async fn parameters_are_keys_if_they_are_of_the_columns_type() {
    let server = Server::start().await;
    server.sql(VISITS).await;
    let query = "SELECT n, day FROM by_page WHERE tenant = $1 AND page = $2 AND day = $3::date";
    assert!(server.is_looked_up(query).await);
    for (tenant, page) in [(7, "page 3"), (8, "it's"), (7, "it's"), (99, "page 1")] {
        let parameters = [ScalarValue::from(tenant as i64), ScalarValue::from(page), ScalarValue::Date32(Some(20_454))];
        let written = format!(
            "SELECT n, day FROM by_page WHERE tenant + 0 = {tenant} AND page = '{}' AND day = '2026-01-01'",
            page.replace('\'', "''")
        );
        assert_eq!(server.ask(query, &parameters).await, server.ask(&written, &[]).await, "{tenant}, {page}");
    }
    let null = [ScalarValue::Int64(None), ScalarValue::from("page 3"), ScalarValue::Date32(None)];
    assert_eq!(server.ask(query, &null).await.len(), 1);
    // An int for a bigint is the same number.
    let int = [ScalarValue::from(7_i32), ScalarValue::from("it's"), ScalarValue::Date32(Some(20_454))];
    assert_eq!(server.ask(query, &int).await.len(), 2);
}

#[tokio::test]
async fn a_statement_follows_its_view() {
    let server = Server::start().await;
    server.sql(VISITS).await;
    let query = "SELECT n FROM by_page WHERE tenant = $1";
    let prepared = server.session.prepare(query, &[]).await.unwrap();
    let ask = async |tenant: i64| server.answer(&prepared, &[ScalarValue::from(tenant)]).await.unwrap();
    assert_eq!(ask(7).await.len() - 1, 22);
    assert!(!server.ask_alike("SELECT n FROM by_page WHERE tenant = 7").await.1);
    server.sql("DELETE FROM visits WHERE tenant = 7 AND page <> 'it''s'; FLUSH").await;
    assert_eq!(ask(7).await.len() - 1, 1);
    assert!(server.ask_alike("SELECT n FROM by_page WHERE tenant = 7;").await.1);
    // Another one of the same name.
    server.sql("DROP MATERIALIZED VIEW by_page; CREATE MATERIALIZED VIEW by_page AS SELECT tenant, count(*) + 1 AS n FROM visits GROUP BY tenant").await;
    assert_eq!(ask(7).await, ["n", "2"]);
    assert_eq!(server.ask_alike("SELECT n FROM by_page WHERE tenant = 7").await, (vec!["n".to_string(), "2".to_string()], false));
    // Both have learnt what the name means now.
    assert!(prepared.look_up().unwrap().stands(&server.session.services.flow.catalog.snapshot()));
    assert_eq!(server.ask_alike("SELECT n FROM by_page WHERE tenant = 7").await, (vec!["n".to_string(), "2".to_string()], true));
    // Of columns that the client does not know of, nothing is looked up for it.
    server
        .sql(
            "DROP MATERIALIZED VIEW by_page; CREATE MATERIALIZED VIEW by_page AS SELECT tenant, max(page) AS n FROM visits GROUP BY tenant",
        )
        .await;
    assert_eq!(ask(7).await, ["n", "it's"]);
    assert!(prepared.look_up().is_none());
    server.sql("DROP MATERIALIZED VIEW by_page").await;
    let error = server.answer(&prepared, &[ScalarValue::from(7_i64)]).await.err().unwrap();
    assert!(error.message().contains("by_page"), "{error}");
    assert!(server.session.answer_alike("SELECT n FROM by_page WHERE tenant = 7").is_none());
}

#[tokio::test]
async fn rows_that_are_there_many_times_are_found_as_often() {
    let server = Server::start().await;
    server.sql(VISITS).await;
    server.sql("CREATE MATERIALIZED VIEW days AS SELECT day FROM visits; CREATE INDEX ON days (day)").await;
    for (limit, rows) in [("", 1001), (" LIMIT 3", 3)] {
        let query = format!("SELECT day FROM days WHERE day = $1{limit}");
        assert!(server.is_looked_up(&query).await);
        assert_eq!(server.ask(&query, &[ScalarValue::Date32(Some(20_454))]).await.len() - 1, rows);
    }
    // More than are looked up without a plan.
    server.sql("INSERT INTO visits SELECT 1 AS tenant, '' AS page, DATE '2026-01-01' AS day, 2 AS seconds FROM generate_series(1, 5000); FLUSH").await;
    let query = "SELECT day FROM days WHERE day = $1";
    let prepared = server.session.prepare(query, &[]).await.unwrap();
    let day = [ScalarValue::Date32(Some(20_454))];
    assert!(server.session.answer_now(&prepared, &day).unwrap().is_none());
    assert_eq!(server.ask(query, &day).await.len() - 1, 6001);
}

#[tokio::test]
async fn an_index_is_a_further_path() {
    let server = Server::start().await;
    server.sql(VISITS).await;
    let by_day = "SELECT n, tenant FROM by_page WHERE day = $1";
    let plan = async |sql: &str| server.ask(&format!("EXPLAIN {sql}"), &[]).await.join("\n");
    assert!(!server.is_looked_up(by_day).await);
    server.sql("CREATE INDEX ON by_page (day); CREATE INDEX by_page_and_day ON by_page (page, day)").await;
    assert!(server.is_looked_up(by_day).await);
    let day = ScalarValue::Date32(Some(20_455));
    let scanned = server.ask("SELECT n, tenant FROM by_page WHERE day + 0 = DATE '2026-01-02'", &[]).await;
    assert_eq!(server.ask(by_day, &[day]).await, scanned);
    assert!(scanned.len() > 100);
    for (condition, how) in [
        ("page = 'page 3'", "looks up 1 of (page)"),
        ("page IN ('page 3', 'page 4') AND day = DATE '2026-01-02' AND n > 1", "looks up 2 of (page, day)"),
        ("tenant = 7 AND page = 'page 3' AND day = DATE '2026-01-02'", "looks up 1 of (tenant, page, day)"),
        ("day = DATE '2026-01-02' AND tenant = 7", "looks up 1 of (tenant)"),
    ] {
        let asked = plan(&format!("SELECT n FROM by_page WHERE {condition}")).await;
        assert!(asked.contains(how), "{condition}: {asked}");
    }
    assert_eq!(
        server.ask("SELECT name, columns FROM lakewire.indexes WHERE view = 'by_page'", &[]).await[1..],
        ["by_page_and_day|page, day", "by_page_day_idx|day"]
    );
    server.sql("DROP INDEX by_page_day_idx").await;
    assert!(!server.is_looked_up(by_day).await);
}

#[tokio::test]
async fn views_change_names_and_whoever_reads_them_goes_on() {
    let server = Server::start().await;
    server.sql("CREATE TABLE t (a bigint); INSERT INTO t VALUES (1), (2), (3)").await;
    server
        .sql("CREATE MATERIALIZED VIEW small AS SELECT a FROM t WHERE a < 3; CREATE MATERIALIZED VIEW large AS SELECT a FROM t WHERE a > 2")
        .await;
    server
        .sql("CREATE MATERIALIZED VIEW sums AS SELECT sum(small.a) AS s, max(l.a) AS m FROM small, large AS l; CREATE INDEX i ON small (a)")
        .await;
    let ask = async |sql: &str| server.ask(sql, &[]).await[1..].join(" ");
    assert_eq!(ask("SELECT s, m FROM sums").await, "3|3");
    server.sql("ALTER MATERIALIZED VIEW small RENAME TO \"Tiny\"").await;
    server.sql("INSERT INTO t VALUES (0), (9); FLUSH").await;
    assert_eq!((ask("SELECT count(*) FROM \"Tiny\"").await, ask("SELECT s, m FROM sums").await), ("3".to_string(), "6|9".to_string()));
    assert!(server.session.prepare("SELECT * FROM small", &[]).await.is_err());
    server.sql("ALTER MATERIALIZED VIEW \"Tiny\" SWAP WITH large").await;
    // What reads them is planned anew, and goes on from its state.
    server.sql("ALTER MATERIALIZED VIEW sums PAUSE; ALTER MATERIALIZED VIEW sums RESUME").await;
    server.sql("INSERT INTO t VALUES (-5), (50); FLUSH").await;
    assert_eq!((ask("SELECT min(a) FROM large").await, ask("SELECT max(a) FROM \"Tiny\"").await), ("-5".to_string(), "50".to_string()));
    assert_eq!(ask("SELECT s, m FROM sums").await, "-6|50");
    for (shown, expected) in [
        ("MATERIALIZED VIEW large", "CREATE MATERIALIZED VIEW large AS SELECT a FROM t WHERE a < 3"),
        (
            "MATERIALIZED VIEW sums",
            "CREATE MATERIALIZED VIEW sums AS SELECT sum(small.a) AS s, max(l.a) AS m FROM large AS small, \"Tiny\" AS l",
        ),
        ("INDEX i", "CREATE INDEX i ON large (a)"),
    ] {
        assert!(ask(&format!("SHOW CREATE {shown}")).await.ends_with(expected), "{shown}");
    }
    // What they had computed is not computed anew.
    assert_eq!(ask("SELECT count(*) FROM lakewire.events WHERE event = 'view computed anew'").await, "0");
}
