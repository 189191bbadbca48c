//! Materialized views from outside: whatever happens to the server, a view is its query over what its inputs hold.

use std::sync::atomic::{AtomicBool, Ordering};

use lakewire::fault::VIEW_CRASH_POINTS;

use super::story::{Pace, Story, assert_rejects, lines, pipeline, read_all};
use crate::servers::{Server, Setup, is_abort};

/// Paced, so that ticks and epochs follow each other.
const STORY: Story = Story { rows: 8_000, pace: Pace::PerSecond(4_000) };

const OF_SOURCE: &str =
    "SELECT tenant_id, count(*) AS events, sum(bytes_in) AS bytes, max(event_time) AS latest FROM pop_events GROUP BY tenant_id";
const OF_VIEW: &str = "SELECT count(*) AS tenants, sum(events) AS events, sum(bytes) AS bytes FROM per_tenant";

fn view(name: &str, query: &str) -> String {
    format!("CREATE MATERIALIZED VIEW IF NOT EXISTS {name} WITH (commit_interval = '500ms') AS {query}")
}

async fn assert_is(server: &Server, view: &str, query: &str) {
    assert_eq!(lines(server, &format!("SELECT * FROM {view}")).await, lines(server, query).await, "{view} is {query}");
}

#[tokio::test]
async fn a_view_follows_its_tables() {
    let mut server = Server::start().await;
    server.sql("CREATE TABLE sales (id bigint, shop text, amount bigint); CREATE TABLE shops (shop text, city text)").await;
    server
        .sql("INSERT INTO sales SELECT value AS id, 'shop' || (value % 7)::text AS shop, value AS amount FROM generate_series(1, 1000)")
        .await;
    server.sql("INSERT INTO shops VALUES ('shop1', 'Bern'), ('shop2', 'Bern'), ('shop3', 'Chur')").await;
    let by_city = "SELECT city, count(*) AS n, sum(amount) AS total FROM sales JOIN shops ON sales.shop = shops.shop GROUP BY city";
    let of_all = "SELECT count(*) AS n, max(amount) AS most FROM sales";
    server.sql(&view("by_city", by_city)).await;
    server.sql(&view("of_all", of_all)).await;
    server.sql(&view("cities", "SELECT count(*) AS n FROM by_city")).await;
    // What the tables held is there when the statement is answered.
    assert_is(&server, "by_city", by_city).await;
    assert_is(&server, "of_all", of_all).await;

    let changes = [
        "INSERT INTO shops VALUES ('shop4', 'Davos')",
        "UPDATE sales SET shop = 'shop4' WHERE id % 10 = 0",
        "DELETE FROM sales WHERE id < 100",
        "DELETE FROM shops WHERE city = 'Chur'",
        "TRUNCATE sales",
        "INSERT INTO sales VALUES (1, 'shop1', 5), (1, 'shop1', 5)",
    ];
    for change in changes {
        server.sql(change).await;
        server.sql("FLUSH").await;
        assert_is(&server, "by_city", by_city).await;
        assert_is(&server, "of_all", of_all).await;
        assert_is(&server, "cities", "SELECT count(DISTINCT city) AS n FROM sales JOIN shops ON sales.shop = shops.shop").await;
    }
    server.kill();
    server.restart().await;
    assert_is(&server, "by_city", by_city).await;
    server.sql("INSERT INTO sales VALUES (7, 'shop2', 70); FLUSH").await;
    assert_is(&server, "by_city", by_city).await;
    assert_is(&server, "of_all", of_all).await;
    assert_eq!(server.number("SELECT count(*) FROM lakewire.events WHERE event = 'view computed anew'").await, 0);
}

#[tokio::test]
async fn a_view_over_nothing_has_what_its_query_has() {
    let server = Server::start().await;
    server.sql("CREATE TABLE t (a bigint)").await;
    server.sql(&view("n", "SELECT count(*) AS n, sum(a) AS s FROM t")).await;
    assert_is(&server, "n", "SELECT count(*) AS n, sum(a) AS s FROM t").await;
    server.sql(&view("none", "SELECT a FROM t WHERE a > 5")).await;
    assert_eq!(server.number("SELECT count(*) FROM none").await, 0);
    let rows = server.sql("SELECT state, rows FROM lakewire.views WHERE name = 'n'").await;
    assert_eq!([rows.column("state")[0], rows.column("rows")[0]], [Some("running"), Some("1")]);
    assert!(server.number("SELECT count(*) FROM lakewire.view_operators WHERE view = 'n'").await >= 2);
}

#[tokio::test]
async fn a_paused_view_is_read_as_it_was() {
    let mut server = Server::start().await;
    server.sql("CREATE TABLE t (a bigint); INSERT INTO t VALUES (1), (2)").await;
    server.sql(&view("v", "SELECT a FROM t")).await;
    server.sql("ALTER MATERIALIZED VIEW v PAUSE; INSERT INTO t VALUES (3)").await;
    server.kill();
    server.restart().await;
    assert_eq!(server.number("SELECT sum(a) FROM v").await, 3);
    server.sql("ALTER MATERIALIZED VIEW v RESUME; FLUSH").await;
    assert_eq!(server.number("SELECT sum(a) FROM v").await, 6);
}

#[tokio::test]
async fn crash_points_the_first_time() {
    at_every_point(1).await;
}

#[tokio::test]
async fn crash_points_the_second_time() {
    at_every_point(2).await;
}

async fn at_every_point(nth: u32) {
    for point in VIEW_CRASH_POINTS {
        eprintln!("{point}:{nth}");
        at(point, nth).await;
    }
}

/// A view of a source, and a view of that view; at the end both are what a pipeline's table says.
async fn at(point: &str, nth: u32) {
    let mut server = Setup::default().crash_at(point, nth).start().await;
    let definitions = format!("{}; {}; {}", STORY.source(), view("per_tenant", OF_SOURCE), view("of_all", OF_VIEW));
    // It may die under these statements, or only while the jobs run.
    let _ = server.try_sql(&definitions).await;
    let status = server.ended().await;
    assert!(is_abort(status), "at {point}:{nth} the server ended with {status}, not by the crash point");

    server.restart_as(Setup::default()).await;
    server.sql(&definitions).await;
    server.sql(&format!("CREATE TABLE events (); {}", pipeline("keep", "events", "*"))).await;
    read_all(&mut server, "keep").await;
    read_all(&mut server, "per_tenant").await;
    assert_is(&server, "per_tenant", &OF_SOURCE.replace("pop_events", "events")).await;
    assert_is(&server, "of_all", &OF_VIEW.replace("per_tenant", &format!("({}) t", OF_SOURCE.replace("pop_events", "events")))).await;
    assert_rejects(&server, STORY.summary().broken, "per_tenant").await;
}

/// Views on one another agree in every read, and no INSERT that was answered is missing, with a kill in between.
#[tokio::test]
async fn views_on_views_agree_with_each_other() {
    let mut server = Server::start().await;
    server.sql("CREATE TABLE t (a bigint)").await;
    server.sql(&view("one", "SELECT count(*) AS n, sum(a) AS s FROM t")).await;
    server.sql(&view("two", "SELECT n * 2 AS n FROM one")).await;
    server.sql(&view("three", "SELECT x.n + y.n AS n FROM one x CROSS JOIN two y")).await;
    let mut inserted = 0;
    for round in 0..60 {
        server.sql(&format!("INSERT INTO t VALUES ({round}), ({round})")).await;
        inserted += 2;
        let rows = server.sql("SELECT one.n AS one, two.n AS two, three.n AS three FROM one, two, three").await;
        let [one, two, three] =
            ["one", "two", "three"].map(|name| rows.column(name)[0].expect("a count").parse::<i64>().expect("a number"));
        assert_eq!((two, three), (one * 2, one * 3), "round {round}");
        assert!(one <= inserted);
        if round == 30 {
            server.kill();
            server.restart().await;
        }
    }
    server.sql("FLUSH").await;
    assert_eq!(server.number("SELECT n FROM three").await, inserted * 3);
}

const ACCOUNTS: i64 = 40;
const TRANSFERS: i64 = 150;
const BY_BRANCH: &str = "SELECT branch, sum(balance) AS balance FROM accounts GROUP BY branch";

/// Transfers between accounts leave the total as it is, in every read of every view, while they go on and the server dies in between.
#[tokio::test]
async fn the_total_of_all_accounts_never_changes() {
    // It dies in the middle of it: when this tick was shown.
    let mut server = Setup::default().crash_at("view-tick-published", 60).start().await;
    server.sql("CREATE TABLE accounts (id bigint, branch bigint, balance bigint)").await;
    let accounts = format!("SELECT value AS id, value % 5 AS branch, 100 AS balance FROM generate_series(1, {ACCOUNTS})");
    server.sql(&format!("INSERT INTO accounts {accounts}")).await;
    server.sql(&view("by_branch", BY_BRANCH)).await;
    server.sql(&view("total", "SELECT sum(balance) AS balance FROM by_branch")).await;
    server.sql(&view("joined", "SELECT sum(a.balance) AS balance FROM accounts a JOIN by_branch b ON a.branch = b.branch")).await;
    transfer_and_read(&server).await;
    let status = server.ended().await;
    assert!(is_abort(status), "the server ended with {status}, not by the crash point");

    server.restart_as(Setup::default()).await;
    let (transfers, reads) = transfer_and_read(&server).await;
    assert_eq!(transfers, TRANSFERS);
    assert!(reads > 0);
    server.sql("FLUSH").await;
    assert_is(&server, "by_branch", BY_BRANCH).await;
    assert_eq!(server.number("SELECT balance FROM joined").await, ACCOUNTS * 100);
}

/// Moves money while others look, until all is moved or the server is gone. Returns how many transfers and looks were answered.
async fn transfer_and_read(server: &Server) -> (i64, u64) {
    let is_over = AtomicBool::new(false);
    let (transfers, first, second) = tokio::join!(transfer(server, &is_over), read(server, &is_over), read(server, &is_over));
    (transfers, first + second)
}

async fn transfer(server: &Server, is_over: &AtomicBool) -> i64 {
    let mut transfers = 0;
    for round in 0..TRANSFERS {
        let (from, to) = (round % ACCOUNTS + 1, (round * 7 + 3) % ACCOUNTS + 1);
        let amount = |id: i64| format!("CASE WHEN id = {id} THEN 5 ELSE 0 END");
        let update = format!("UPDATE accounts SET balance = balance - {} + {} WHERE id IN ({from}, {to})", amount(from), amount(to));
        if server.try_sql(&update).await.is_err() {
            break;
        }
        transfers += 1;
    }
    is_over.store(true, Ordering::SeqCst);
    transfers
}

async fn read(server: &Server, is_over: &AtomicBool) -> u64 {
    let mut reads = 0;
    let query = "SELECT (SELECT sum(balance) FROM by_branch) AS a, (SELECT balance FROM total) AS b, (SELECT balance FROM joined) AS c";
    while !is_over.load(Ordering::SeqCst) {
        let Ok(totals) = server.try_sql(query).await else { return reads };
        for column in ["a", "b", "c"] {
            assert_eq!(totals.column(column)[0], Some("4000"), "after {reads} reads");
        }
        reads += 1;
    }
    reads
}
