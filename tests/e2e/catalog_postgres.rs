//! The same story with the definitions in PostgreSQL: they survive the server's folder.

use super::story::{Story, assert_exact};
use crate::servers::{Postgres, Setup};

#[tokio::test]
async fn definitions_live_in_postgres() {
    let postgres = Postgres::start().await;
    let mut server = Setup::default().catalog(&postgres.url()).start().await;
    let expected = Story::QUICK.summary();
    server.sql(&Story::QUICK.definitions()).await;
    server.sql("FLUSH").await;
    assert_exact(&server, &expected, "events", "keep").await;
    assert!(!server.data_dir().join("catalog.db").exists(), "there is a second catalog");

    server.kill();
    server.restart().await;
    server.sql("FLUSH").await;
    assert_exact(&server, &expected, "events", "keep").await;
    assert_eq!(server.refusal("CREATE TABLE events ()").await.sqlstate, "42P07");
}
