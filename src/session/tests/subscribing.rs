//! Subscriptions give what makes a view what it is, whatever happens to its rows, from any time on that is kept.

use std::collections::BTreeMap;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use chrono::DateTime;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::*;
use crate::error::SqlState;

const COUNTS: &str = "CREATE TABLE t (k bigint, v bigint);
    CREATE MATERIALIZED VIEW per_k AS SELECT k, count(*) AS n, sum(v) AS total FROM t GROUP BY k";

/// Rows as text, each as often as it is there.
type Rows = BTreeMap<String, i64>;

/// What was received of a subscription.
struct Received {
    rows: SendableRecordBatchStream,
    sum: Rows,
    /// The `_time` of the last batch, and what there was before it.
    last_micros: i64,
    before_last: (i64, Rows),
}

impl Received {
    async fn of(server: &Server, sql: &str) -> Received {
        Received { rows: subscribed(server, sql).await.unwrap(), sum: Rows::new(), last_micros: 0, before_last: (0, Rows::new()) }
    }

    /// Reads on until this is what was received.
    async fn becomes(&mut self, expected: &Rows) {
        while self.sum != *expected {
            let batch = self.rows.next().await.expect("a subscription has no end").unwrap();
            self.take(&batch);
        }
    }

    fn take(&mut self, batch: &RecordBatch) {
        let times = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        let weights = batch.column(1).as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            assert!(times.value(row) >= self.last_micros, "times only grow");
            if times.value(row) > self.last_micros {
                self.before_last = (self.last_micros, self.sum.clone());
                self.last_micros = times.value(row);
            }
            let text: Vec<_> = batch.columns()[2..].iter().map(|column| array_value_to_string(column, row).unwrap()).collect();
            let count = self.sum.entry(text.join("|")).or_default();
            *count += weights.value(row);
            assert!(weights.value(row) != 0);
        }
        self.sum.retain(|_, count| *count != 0);
    }
}

async fn subscribed(server: &Server, sql: &str) -> Result<SendableRecordBatchStream> {
    let prepared = server.session.prepare(sql, &[]).await?;
    match server.session.execute(&prepared, vec![]).await? {
        Outcome::Rows { rows, .. } => Ok(rows),
        _ => panic!("{sql} gives no rows"),
    }
}

async fn state_of(server: &Server, sql: &str) -> SqlState {
    subscribed(server, sql).await.err().unwrap_or_else(|| panic!("{sql} is no error")).sqlstate()
}

async fn rows_of(server: &Server, sql: &str) -> Rows {
    let mut rows = Rows::new();
    server.ask(sql, &[]).await.into_iter().skip(1).for_each(|row| *rows.entry(row).or_default() += 1);
    rows
}

/// Rows of the table come and go, the same each time.
async fn change(server: &Server, round: i64) {
    server
        .sql(&format!(
            "INSERT INTO t SELECT value % 7, value + {round} FROM generate_series(1, 40) s (value);
             UPDATE t SET v = v + 1 WHERE k = {};
             DELETE FROM t WHERE k = {} AND v % 3 = 0;
             FLUSH",
            round % 7,
            (round + 3) % 7
        ))
        .await;
}

fn after(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339()
}

#[tokio::test]
async fn changes_add_up_to_the_view() {
    let server = Server::start().await;
    server.sql(COUNTS).await;
    change(&server, 0).await;
    let mut all = Received::of(&server, "SUBSCRIBE TO per_k").await;
    let mut some = Received::of(&server, "SUBSCRIBE per_k WHERE k % 2 = 0 AND n > 3").await;
    let mut new = Received::of(&server, "SUBSCRIBE TO per_k WITH (snapshot = false)").await;
    let start = rows_of(&server, "SELECT * FROM per_k").await;
    all.becomes(&start).await;
    for round in 1..6 {
        change(&server, round).await;
        let now = rows_of(&server, "SELECT * FROM per_k").await;
        all.becomes(&now).await;
        some.becomes(&rows_of(&server, "SELECT * FROM per_k WHERE k % 2 = 0 AND n > 3").await).await;
        let mut difference = now.clone();
        start.iter().for_each(|(row, count)| *difference.entry(row.clone()).or_default() -= count);
        difference.retain(|_, count| *count != 0);
        new.becomes(&difference).await;
        // From the time before the last on it goes on as it did.
        let (before_micros, before) = all.before_last.clone();
        let mut again = Received::of(&server, &format!("SUBSCRIBE per_k WITH (after = '{}')", after(before_micros))).await;
        again.sum = before;
        again.becomes(&now).await;
    }
}

#[tokio::test]
async fn a_subscription_goes_on_after_the_server_was_stopped_and_started() {
    let server = Server::start().await;
    server.sql(COUNTS).await;
    change(&server, 0).await;
    let before = rows_of(&server, "SELECT * FROM per_k").await;
    let mut received = Received::of(&server, "SUBSCRIBE per_k").await;
    received.becomes(&before).await;
    // What changes nothing is no reason to begin anew.
    server.sql("INSERT INTO t VALUES (1, 5); DELETE FROM t WHERE k = 1 AND v = 99; FLUSH; ALTER MATERIALIZED VIEW per_k PAUSE").await;
    let before = rows_of(&server, "SELECT * FROM per_k").await;
    received.becomes(&before).await;
    server.sql("ALTER MATERIALIZED VIEW per_k RESUME; DELETE FROM t WHERE k = 99; FLUSH").await;
    let server = server.restart().await;
    let sql = format!("SUBSCRIBE per_k WITH (after = '{}')", after(received.last_micros));
    let mut again = Received::of(&server, &sql).await;
    again.sum = before;
    change(&server, 1).await;
    again.becomes(&rows_of(&server, "SELECT * FROM per_k").await).await;
}

#[tokio::test]
async fn who_wants_to_know_is_told_when_a_change_is_whole() {
    let server = Server::start().await;
    server.sql(COUNTS).await;
    server.sql("BEGIN; DECLARE c CURSOR FOR SUBSCRIBE per_k WITH (progress = true)").await;
    let whole = server.ask("FETCH 1 c", &[]).await.remove(1);
    assert!(whole.ends_with("|0|||"), "{whole}");
    server.sql("COMMIT; INSERT INTO t VALUES (1, 5); FLUSH").await;
    let after = whole.split('|').next().unwrap();
    server.sql(&format!("BEGIN; DECLARE c CURSOR FOR SUBSCRIBE per_k WITH (progress = true, after = '{after}')")).await;
    // The time that was reached, the change, and the time that it came to.
    let rows = [server.ask("FETCH 1 c", &[]).await, server.ask("FETCH 1 c", &[]).await, server.ask("FETCH 1 c", &[]).await];
    let [same, change, then] = rows.map(|mut rows| rows.remove(1));
    assert_eq!(same, whole);
    assert!(change.ends_with("|1|1|1|5") && then.ends_with("|0|||"), "{change} {then}");
    assert_eq!(change.split('|').next(), then.split('|').next());
}

#[tokio::test]
async fn a_condition_is_what_it_is_in_a_query() {
    let server = Server::start().await;
    server.sql("CREATE TABLE t (n bigint, b bytea); INSERT INTO t VALUES (9223372036854775807, '\\x01'), (1, '\\x02')").await;
    server.sql("CREATE MATERIALIZED VIEW v AS SELECT n, b, count(*) AS c FROM t GROUP BY n, b").await;
    let mut rows = subscribed(&server, "SUBSCRIBE v WHERE b = '\\x01'").await.unwrap();
    assert_eq!(rows.next().await.unwrap().unwrap().num_rows(), 1);
    let mut rows = subscribed(&server, "SUBSCRIBE v WHERE n * 2 > 0").await.unwrap();
    let error = rows.next().await.unwrap().err().map(crate::error::Error::from).unwrap();
    assert_eq!(error.sqlstate(), SqlState::NUMERIC_VALUE_OUT_OF_RANGE, "{error}");
    // Nothing is what is wanted here, and nothing breaks.
    let mut rows = subscribed(&server, "SUBSCRIBE v WHERE NULL WITH (progress = true)").await.unwrap();
    assert_eq!(rows.next().await.unwrap().unwrap().column(1).as_primitive::<Int64Type>().values(), &[0]);
}

#[tokio::test]
async fn what_cannot_be_subscribed_to_is_refused() {
    let server = Server::start().await;
    server.sql(COUNTS).await;
    for (sql, state) in [
        ("SUBSCRIBE nothing", SqlState::UNDEFINED_TABLE),
        ("SUBSCRIBE t", SqlState::WRONG_OBJECT_TYPE),
        ("SUBSCRIBE (SELECT 1)", SqlState::FEATURE_NOT_SUPPORTED),
        ("SUBSCRIBE per_k WHERE m = 1", SqlState::UNDEFINED_COLUMN),
        ("SUBSCRIBE per_k WHERE k IN (SELECT v FROM t)", SqlState::FEATURE_NOT_SUPPORTED),
        ("SUBSCRIBE per_k WHERE k > random()", SqlState::FEATURE_NOT_SUPPORTED),
        ("SUBSCRIBE per_k WHERE now() > '2020-01-01'", SqlState::FEATURE_NOT_SUPPORTED),
        ("SUBSCRIBE per_k WITH (speed = 1)", SqlState::INVALID_PARAMETER_VALUE),
        ("SUBSCRIBE per_k WITH (after = 'noon')", SqlState::INVALID_PARAMETER_VALUE),
        ("SUBSCRIBE per_k WITH (after = '2020-01-01 00:00:00+00')", SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE),
        ("SUBSCRIBE per_k WITH (after = '2120-01-01T00:00:00Z')", SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE),
    ] {
        assert_eq!(state_of(&server, sql).await, state, "{sql}");
    }
}

#[tokio::test]
async fn a_subscription_ends_with_its_view() {
    let server = Server::start().await;
    server.sql(COUNTS).await;
    let mut rows = subscribed(&server, "SUBSCRIBE per_k").await.unwrap();
    server.sql("ALTER MATERIALIZED VIEW per_k RENAME TO q").await;
    change(&server, 1).await;
    assert!(rows.next().await.unwrap().unwrap().num_rows() > 0);
    server.sql("DROP MATERIALIZED VIEW q").await;
    let error = loop {
        match rows.next().await.expect("it ends with an error") {
            Ok(_) => {}
            Err(error) => break crate::error::Error::from(error),
        }
    };
    assert_eq!(error.sqlstate(), SqlState::UNDEFINED_TABLE, "{error}");
}

#[tokio::test]
async fn cursors_give_what_is_there_a_few_rows_at_a_time() {
    let server = Server::start().await;
    server.sql(COUNTS).await;
    change(&server, 0).await;
    let view = rows_of(&server, "SELECT * FROM per_k").await;
    server.sql("BEGIN; DECLARE c CURSOR FOR SUBSCRIBE per_k; DECLARE q NO SCROLL CURSOR FOR SELECT k FROM per_k ORDER BY k").await;
    assert_eq!(server.ask("FETCH 2 FROM q", &[]).await, ["k", "0", "1"]);
    assert_eq!(server.ask("FETCH q", &[]).await, ["k", "2"]);
    assert_eq!(server.ask("FETCH FORWARD ALL IN q", &[]).await.len(), view.len() - 2);
    assert_eq!(server.ask("FETCH ALL q", &[]).await, ["k"]);
    let (mut fetched, mut sum) = (vec![], 0);
    while sum < view.len() {
        let rows = server.ask("FETCH 3 c", &[]).await;
        sum += rows.len() - 1;
        assert!((2..5).contains(&rows.len()), "{rows:?}");
        fetched.extend(rows.into_iter().skip(1).map(|row| row.split_once('|').unwrap().1.to_string()));
    }
    assert!(view.keys().all(|row| fetched.contains(&format!("1|{row}"))), "{fetched:?}");
    assert_eq!(server.ask("FETCH ALL c WITH (timeout = '1ms')", &[]).await.len(), 1);
    assert_eq!(state_of(&server, "DECLARE c CURSOR FOR SELECT 1").await, SqlState::DUPLICATE_CURSOR);
    server.sql("COMMIT").await;
    assert_eq!(state_of(&server, "FETCH c").await, SqlState::INVALID_CURSOR_NAME);
    assert_eq!(state_of(&server, "DECLARE c CURSOR FOR SELECT 1").await, SqlState::NO_ACTIVE_SQL_TRANSACTION);
    server.sql("DECLARE c CURSOR WITH HOLD FOR SELECT 1 AS one").await;
    assert_eq!(server.ask("FETCH c", &[]).await, ["one", "1"]);
    assert_eq!(state_of(&server, "FETCH c WITH (timeout = '1s')").await, SqlState::FEATURE_NOT_SUPPORTED);
    server.sql("CLOSE c").await;
    // One that has failed is closed, one that is being fetched from is not to be had.
    server.sql("DECLARE c CURSOR WITH HOLD FOR SELECT 1 / (value - 3) FROM generate_series(1, 5) AS s (value)").await;
    let mut rows = subscribed(&server, "FETCH ALL c").await.unwrap();
    assert_eq!(state_of(&server, "FETCH c").await, SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE);
    assert!(rows.next().await.unwrap().is_err());
    assert_eq!(state_of(&server, "FETCH c").await, SqlState::INVALID_CURSOR_NAME);
    server.sql("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT 1; ROLLBACK").await;
    assert_eq!(state_of(&server, "CLOSE c").await, SqlState::INVALID_CURSOR_NAME);
}

#[tokio::test]
async fn how_old_a_view_may_be_is_for_the_reader_to_say() {
    let server = Server::start().await;
    server.sql(COUNTS).await;
    change(&server, 0).await;
    let is_known = "SELECT lakewire.freshness('per_k') >= INTERVAL '0 seconds' AS known";
    // It is known once the job has looked what others have committed.
    while server.ask(is_known, &[]).await != ["known", "true"] {
        tokio::task::yield_now().await;
    }
    let expected = server.ask("SELECT n FROM per_k WHERE k = 3", &[]).await;
    server.sql("SET max_staleness = '30s'").await;
    for query in ["SELECT n FROM per_k WHERE k = 3", "SELECT max(n) AS n FROM per_k WHERE k + 0 = 3"] {
        assert_eq!(server.ask(query, &[]).await, expected, "{query}");
    }
    server.sql("ALTER MATERIALIZED VIEW per_k PAUSE; SET max_staleness = 1").await;
    for query in ["SELECT n FROM per_k WHERE k = 3", "SELECT max(n) AS n FROM per_k", "INSERT INTO t SELECT k, n FROM per_k"] {
        let prepared = server.session.prepare(query, &[]).await.unwrap();
        // It does not become younger.
        let error = loop {
            match server.answer(&prepared, &[]).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.sqlstate(), SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "{query}: {error}");
    }
    server.sql("RESET max_staleness").await;
    assert_eq!(server.ask("SELECT n FROM per_k WHERE k = 3", &[]).await, expected);
    let mut rows = subscribed(&server, "SELECT lakewire.freshness('nothing')").await.unwrap();
    let error = rows.next().await.unwrap().err().map(crate::error::Error::from).unwrap();
    assert_eq!(error.sqlstate(), SqlState::UNDEFINED_TABLE, "{error}");
    let prepared = server.session.prepare("SET max_staleness = 'soon'", &[]).await.unwrap();
    let error = server.session.execute(&prepared, vec![]).await.err().unwrap();
    assert_eq!(error.sqlstate(), SqlState::INVALID_PARAMETER_VALUE);
}
