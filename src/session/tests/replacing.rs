//! A view and whatever depends on it are replaced in one step, or not at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Server;
use crate::catalog::{Change, Definition, Object, ViewDef};
use crate::error::Error;
use crate::flow::manifest::Manifests;
use crate::model::{JobId, Name, ObjectId};

const WAIT_MAX: Duration = Duration::from_secs(60);

/// `sums` of a table, `top` of it, and `both` of the two.
const VIEWS: &str = "CREATE TABLE t (k bigint, v bigint);
     INSERT INTO t VALUES (1, 5), (1, 7), (2, 3), (3, 40);
     CREATE MATERIALIZED VIEW sums AS SELECT k, sum(v)::bigint AS s FROM t GROUP BY k;
     CREATE MATERIALIZED VIEW top AS SELECT * FROM sums WHERE s > 10;
     CREATE MATERIALIZED VIEW both AS SELECT x.k, x.s + y.s AS s FROM sums AS x JOIN top AS y ON x.k = y.k;
     CREATE INDEX i ON sums (s)";

impl Server {
    async fn rows(&self, sql: &str) -> String {
        self.ask(sql, &[]).await[1..].join(" ")
    }

    async fn refused(&self, sql: &str) -> Error {
        match self.session.prepare(sql, &[]).await {
            Ok(prepared) => self.session.execute(&prepared, vec![]).await.err().unwrap_or_else(|| panic!("{sql} is not refused")),
            Err(error) => error,
        }
    }

    fn view(&self, name: &str) -> Arc<Object> {
        self.session.services.flow.catalog.snapshot().relation(&Name::new(name).unwrap()).unwrap().clone()
    }

    async fn names(&self) -> String {
        let (views, jobs) = (self.rows("SELECT name FROM lakewire.views").await, self.rows("SELECT name FROM lakewire.jobs").await);
        assert_eq!(views, jobs);
        views
    }

    async fn until(&self, sql: &str, expected: &str) {
        let come = async {
            while self.rows(sql).await != expected {
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(WAIT_MAX, come).await.unwrap_or_else(|_| panic!("{sql} never gives {expected}"));
    }
}

#[tokio::test]
async fn a_view_is_replaced_with_what_reads_it() {
    let server = Server::start().await;
    server.sql(VIEWS).await;
    assert_eq!(server.rows("SELECT k, s FROM both").await, "1|24 3|80");
    server.sql("ALTER MATERIALIZED VIEW top RENAME TO \"Top\"; ALTER MATERIALIZED VIEW both SET (commit_interval = '2s')").await;
    let former = server.view("both");
    let new = "CREATE OR REPLACE MATERIALIZED VIEW sums AS SELECT k, max(v) * 2 AS s FROM t GROUP BY k";
    server.sql(new).await;
    assert_eq!(server.rows("SELECT k, s FROM sums").await, "1|14 2|6 3|80");
    assert_eq!(server.rows("SELECT k, s FROM both").await, "1|28 3|160");
    assert_eq!(server.names().await, "Top both sums");
    assert!(server.rows("SHOW CREATE MATERIALIZED VIEW sums").await.ends_with(new));
    assert!(server.rows("SHOW CREATE MATERIALIZED VIEW both").await.contains("FROM sums AS x JOIN \"Top\" AS y"));
    // What was not replaced by the statement is what it was, but for what it is computed from.
    let both = server.view("both");
    assert_eq!((both.created_at, &both.sql), (former.created_at, &former.sql));
    assert!(server.is_looked_up("SELECT k FROM sums WHERE s = 14").await);
    assert_eq!(server.rows("SELECT k FROM sums WHERE s = 14").await, "1");
    server.sql("INSERT INTO t VALUES (1, 100); FLUSH").await;
    assert_eq!(server.rows("SELECT k, s FROM both").await, "1|400 3|160");
    // The jobs of the former views are over for good.
    let services = &server.session.services;
    let (job, _) = former.definition.job().unwrap();
    let manifests = Manifests::new(services.flow.lake.clone(), services.flow.clock.clone(), job);
    assert!(manifests.newest().await.unwrap().unwrap().is_tombstone);
    // Also after a restart.
    services.shut_down(WAIT_MAX).await;
    let server = Server::start_in(server.folder).await;
    assert_eq!(server.rows("SELECT k, s FROM both").await, "1|400 3|160");
    assert_eq!(server.names().await, "Top both sums");
}

#[tokio::test]
async fn what_was_paused_is_paused_again() {
    let server = Server::start().await;
    server.sql(VIEWS).await;
    server.sql("ALTER MATERIALIZED VIEW top PAUSE").await;
    server.sql("CREATE OR REPLACE MATERIALIZED VIEW sums AS SELECT k, max(v) * 2 AS s FROM t GROUP BY k").await;
    assert_eq!(server.rows("SELECT k, s FROM top").await, "1|14 3|80");
    assert_eq!(server.rows("SELECT name, state FROM lakewire.jobs WHERE state = 'paused'").await, "top|paused");
    server.sql("ALTER MATERIALIZED VIEW top RESUME; INSERT INTO t VALUES (2, 9); FLUSH").await;
    assert_eq!(server.rows("SELECT k, s FROM both").await, "1|28 2|36 3|160");
}

#[tokio::test]
async fn what_cannot_be_replaced_is_left() {
    let server = Server::start().await;
    server.sql(VIEWS).await;
    for (statement, state, message, detail) in [
        ("sums AS SELECT k FROM t", "2BP01", "because materialized view top depends on it", "column \"s\""),
        ("sums AS SELECT k, v::text AS s FROM t", "2BP01", "because materialized view", ""),
        ("sums AS SELECT k, s FROM top", "42P16", "cannot be replaced by a query that reads it", ""),
        ("top AS SELECT k, s, s AS more FROM both", "42P16", "cannot be replaced by a query that reads it", ""),
        ("t AS SELECT k FROM sums", "42809", "is not a materialized view", ""),
        // It plans, and fails with the rows that are there.
        ("sums AS SELECT k, max(v) / (k - 2) AS s FROM t GROUP BY k", "55000", "materialized view sums was not replaced", "zero"),
    ] {
        let error = server.refused(&format!("CREATE OR REPLACE MATERIALIZED VIEW {statement}")).await;
        assert_eq!(error.sqlstate().as_str(), state, "{error:?}");
        assert!(error.message().contains(message), "{error:?}");
        assert!(error.detail().unwrap_or_default().contains(detail), "{error:?}");
    }
    server.sql("DROP MATERIALIZED VIEW both; DROP MATERIALIZED VIEW top").await;
    let error = server.refused("CREATE OR REPLACE MATERIALIZED VIEW sums AS SELECT k FROM t").await;
    assert!(error.message().ends_with("because index i depends on it"), "{error:?}");
    assert_eq!(error.hint(), Some("DROP INDEX i, and make it anew afterwards"));
    server.sql("INSERT INTO t VALUES (4, 1); FLUSH").await;
    assert_eq!(server.rows("SELECT k, s FROM sums").await, "1|12 2|3 3|40 4|1");
    assert_eq!(server.names().await, "sums");
}

#[tokio::test]
async fn readers_see_the_former_view_until_the_switch() {
    let server = Server::start().await;
    server.sql(VIEWS).await;
    let prepared =
        server.session.prepare("CREATE OR REPLACE MATERIALIZED VIEW sums AS SELECT k, max(v) AS s FROM t GROUP BY k", &[]).await.unwrap();
    for disturbed in [true, false] {
        // Whoever has the turn of a view keeps the switch waiting.
        let turn = server.session.services.supervisor.turn(server.view("sums").id).await;
        let replacing = server.session.execute(&prepared, vec![]);
        let watching = async {
            server.until("SELECT count(rows) FROM lakewire.views WHERE name LIKE '%__replacement'", "3").await;
            assert_eq!(server.rows("SELECT k, s FROM both").await, "1|24 3|80");
            let error = server.refused("CREATE MATERIALIZED VIEW w AS SELECT * FROM sums__replacement").await;
            assert_eq!(error.message(), "materialized view sums__replacement is being built to replace another");
            server.refused("CREATE INDEX ON sums__replacement (k)").await;
            if disturbed {
                server.sql("CREATE INDEX j ON top (s)").await;
            }
            drop(turn);
            // Nobody meets a moment without the view, nor anything between the two.
            let mut reads_left = 50;
            while reads_left > 0 {
                let rows = server.rows("SELECT k, s FROM both").await;
                assert!(rows == "1|24 3|80" || rows == "3|80" && !disturbed, "{rows}");
                reads_left -= usize::from(disturbed || rows == "3|80");
                tokio::task::yield_now().await;
            }
        };
        match (tokio::join!(replacing, watching).0, disturbed) {
            (Err(error), true) => assert_eq!(error.sqlstate().as_str(), "40001", "{error:?}"),
            (replaced, _) => assert!(replaced.is_ok() && !disturbed),
        }
        assert_eq!(server.names().await, "both sums top");
    }
    assert_eq!(server.rows("SELECT k, s FROM both").await, "3|80");
    assert_eq!(server.rows("SELECT name, view FROM lakewire.indexes").await, "i|sums j|top");
}

#[tokio::test]
async fn a_statement_that_is_given_up_leaves_nothing() {
    let server = Server::start().await;
    server.sql(VIEWS).await;
    server.sql("CREATE SOURCE many WITH (connector = 'generator', seed = 7, rows = 1000000000)").await;
    let new = "CREATE OR REPLACE MATERIALIZED VIEW sums AS SELECT tenant_id::bigint AS k, count(*) AS s FROM many GROUP BY 1";
    let prepared = server.session.prepare(new, &[]).await.unwrap();
    tokio::select! {
        _ = server.session.execute(&prepared, vec![]) => panic!("nobody reads so much so fast"),
        () = server.until("SELECT count(*) FROM lakewire.jobs WHERE name LIKE '%__replacement'", "3") => {}
    }
    server.until("SELECT count(*) FROM lakewire.jobs WHERE name LIKE '%__replacement'", "0").await;
    assert_eq!(server.names().await, "both sums top");
    assert_eq!(server.rows("SELECT k, s FROM both").await, "1|24 3|80");
}

#[tokio::test]
async fn what_a_server_that_died_had_built_is_removed_at_the_start() {
    let server = Server::start().await;
    server.sql(VIEWS).await;
    let services = &server.session.services;
    let former = server.view("sums");
    let Definition::View(definition) = &former.definition else { panic!("not a view") };
    let job = JobId::new();
    let leftover = Object {
        id: ObjectId::new(),
        name: Name::new("sums__replacement").unwrap(),
        definition: Definition::View(ViewDef { job, replaces: Some(former.id), ..definition.clone() }),
        ..Object::clone(&former)
    };
    services.flow.catalog.commit(vec![Change::Create(leftover.clone())]).await.unwrap();
    services.supervisor.start(&leftover).unwrap();
    services.supervisor.populated(leftover.id, &leftover.name).await.unwrap();
    services.shut_down(WAIT_MAX).await;
    let server = Server::start_in(server.folder).await;
    assert_eq!(server.names().await, "both sums top");
    let flow = &server.session.services.flow;
    assert!(Manifests::new(flow.lake.clone(), flow.clock.clone(), job).newest().await.unwrap().unwrap().is_tombstone);
}
