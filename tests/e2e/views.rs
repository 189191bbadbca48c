//! Materialized views from outside: whatever happens to the server, a view is its query over what its inputs hold.

use super::story::{Pace, Story, lines, read_all};
use crate::servers::Server;

/// Paced, so that ticks and epochs follow each other.
const STORY: Story = Story { rows: 8_000, pace: Pace::PerSecond(4_000) };

const OF_SOURCE: &str =
    "SELECT tenant_id, count(*) AS events, sum(bytes_in) AS bytes, max(event_time) AS latest FROM pop_events GROUP BY tenant_id";

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

/// A view made before its data and one made after are the same.
#[tokio::test]
async fn a_view_may_be_made_before_its_data_or_after() {
    let mut server = Server::start().await;
    server.sql(&format!("{}; CREATE TABLE t (k bigint, a bigint)", STORY.source())).await;
    let of_table = "SELECT k, count(*) AS n, max(a) AS most FROM t GROUP BY k";
    let of_view = "SELECT count(*) AS tenants, sum(events) AS events, sum(bytes) AS bytes FROM";
    for when in ["before", "after"] {
        server.sql(&view(&format!("{when}_of_source"), OF_SOURCE)).await;
        server.sql(&view(&format!("{when}_of_table"), of_table)).await;
        server.sql(&view(&format!("{when}_of_view"), &format!("{of_view} {when}_of_source"))).await;
        if when == "before" {
            server.sql("INSERT INTO t SELECT value % 9 AS k, value AS a FROM generate_series(1, 500)").await;
            server.sql("DELETE FROM t WHERE a % 4 = 0; UPDATE t SET k = 3 WHERE a < 50").await;
            read_all(&mut server, "before_of_source").await;
        }
    }
    read_all(&mut server, "after_of_source").await;
    assert_is(&server, "before_of_table", of_table).await;
    for what in ["source", "table", "view"] {
        let [before, after] = [
            lines(&server, &format!("SELECT * FROM before_of_{what}")).await,
            lines(&server, &format!("SELECT * FROM after_of_{what}")).await,
        ];
        assert_eq!(before, after, "of a {what}");
        assert!(!before.is_empty());
    }
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

/// How a query reads the view.
async fn scan(server: &Server, query: &str) -> String {
    let plan = server.sql(&format!("EXPLAIN {query}")).await;
    let line = plan.column("QUERY PLAN").into_iter().flatten().find_map(|line| Some(line.split_once("ViewScan: ")?.1.to_string()));
    line.unwrap_or_else(|| panic!("{query} reads no view: {plan:?}"))
}

#[tokio::test]
async fn rows_of_a_key_are_looked_up() {
    let server = Server::start().await;
    server.sql("CREATE TABLE visits (tenant bigint, page text, seconds double precision)").await;
    server.sql("INSERT INTO visits SELECT value % 50, 'page ' || (value % 7), value FROM generate_series(1, 2000)").await;
    server.sql("INSERT INTO visits VALUES (NULL, 'page 3', 1)").await;
    server.sql(&view("by_page", "SELECT tenant, page, count(*) AS n, max(seconds) AS longest FROM visits GROUP BY tenant, page")).await;
    server.sql(&view("by_length", "SELECT seconds, count(*) AS n FROM visits GROUP BY seconds")).await;
    let cases = [
        // Equality alone would be answered without a plan.
        ("tenant = 7 AND page = 'page 3' AND n > 0", ", looks up 1 of (tenant, page)"),
        ("page IN ('page 1', 'page 2') AND tenant IN (1, 2, 3, 99) AND n > 2", ", looks up 8 of (tenant, page)"),
        ("tenant = 7 AND longest > 1000", ", looks up 1 of (tenant)"),
        ("(tenant = 7 OR tenant = 8) AND page <> 'page 3'", ", looks up 2 of (tenant)"),
        // By what only one side of an OR says, nothing is looked up.
        ("tenant = 99 OR tenant = 7 AND page = 'page 3'", " chunks"),
    ];
    let groups = "(SELECT tenant, page, count(*) AS n, max(seconds) AS longest FROM visits GROUP BY tenant, page) g";
    for round in 0..3 {
        for (condition, how) in cases {
            let query = |of: &str| format!("SELECT n, page, tenant FROM {of} WHERE {condition}");
            let line = scan(&server, &query("by_page")).await;
            assert!(line.ends_with(how), "{condition}: {line}");
            assert_eq!(lines(&server, &query("by_page")).await, lines(&server, &query(groups)).await, "round {round}: {condition}");
        }
        server.sql("UPDATE visits SET page = 'page 2' WHERE seconds % 5 = 0; DELETE FROM visits WHERE tenant = 3; FLUSH").await;
    }
    // Nothing is equal to NULL, not even the key of the visit that has no tenant.
    let of_null = [("tenant IS NULL", 1), ("tenant = NULL", 0), ("tenant IN (7, 8, 9, 11, NULL) AND page = 'page 3'", 4)];
    for (condition, count) in of_null {
        assert_eq!(server.number(&format!("SELECT count(*) FROM by_page WHERE {condition}")).await, count, "{condition}");
    }
    // What a key does not begin with is no key, and floating point numbers that are equal need not be alike.
    for (view, condition) in [("by_page", "page = 'page 3'"), ("by_length", "seconds = 3")] {
        assert!(scan(&server, &format!("SELECT n FROM {view} WHERE {condition}")).await.ends_with("chunks"), "{condition}");
    }
    assert_eq!(server.number("SELECT n FROM by_length WHERE seconds = 4").await, 1);
}
