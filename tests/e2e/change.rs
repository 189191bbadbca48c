//! `UPDATE`, `DELETE` and `MERGE` from outside: what other readers see, which files they touch, and many at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use futures::future::join_all;

use super::story::assert_readers_agree;
use crate::servers::{Place, Server};

/// A table of two partitions, each in a file of its own.
async fn two_days(server: &Server) {
    server.sql("CREATE TABLE t (event_id bigint NOT NULL, bytes_in bigint, day date) PARTITION BY (day)").await;
    for day in ["2026-01-01", "2026-01-02"] {
        server.sql(&format!("INSERT INTO t SELECT value, value * 10, '{day}' FROM generate_series(1, 1000)")).await;
    }
}

fn data_files(folder: &Path) -> BTreeSet<PathBuf> {
    let days = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let days = days.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("day="));
    days.flat_map(|day| std::fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path())).collect()
}

#[tokio::test]
async fn other_readers_see_what_was_changed() {
    let server = Server::start().await;
    two_days(&server).await;
    server.sql("UPDATE t SET bytes_in = bytes_in + 1, day = '2026-01-03' WHERE event_id % 100 = 0").await;
    server.sql("DELETE FROM t WHERE event_id BETWEEN 250 AND 300 AND day = '2026-01-01'").await;
    server
        .sql(
            "MERGE INTO t USING (SELECT 5000 AS id UNION ALL SELECT 17) s ON t.event_id = s.id AND t.day = '2026-01-02' \
             WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (s.id, 1, '2026-01-02')",
        )
        .await;
    let expected = 2000 - 50 - 1 + 1;
    assert_eq!(server.number("SELECT count(*) FROM t").await, expected);
    assert_readers_agree(&server, "t", Place::Folder(server.table_folder("t").await)).await;
    server.sql("DELETE FROM t WHERE day = '2026-01-02'").await;
    assert_readers_agree(&server, "t", Place::Folder(server.table_folder("t").await)).await;
    server.sql("TRUNCATE t; INSERT INTO t VALUES (1, 2, NULL)").await;
    assert_readers_agree(&server, "t", Place::Folder(server.table_folder("t").await)).await;
}

#[tokio::test]
async fn only_files_with_touched_rows_are_written_anew() {
    let server = Server::start().await;
    two_days(&server).await;
    let folder = server.table_folder("t").await;
    let before = data_files(&folder);
    server.sql("UPDATE t SET bytes_in = 0 WHERE day = '2026-01-02' AND event_id = 5").await;
    let new: Vec<_> = data_files(&folder).difference(&before).cloned().collect();
    assert!(new.len() == 1 && new[0].to_string_lossy().contains("day=2026-01-02"), "{new:?}");
    assert_eq!(server.number("SELECT files FROM lakewire.tables WHERE name = 't'").await, 2);

    server.sql("UPDATE t SET bytes_in = 0 WHERE event_id = 5000; DELETE FROM t WHERE bytes_in < 0").await;
    assert_eq!(data_files(&folder).len(), before.len() + 1, "nothing was touched");
}

#[tokio::test]
async fn whole_partitions_and_tables_go_without_being_read() {
    let server = Server::start().await;
    two_days(&server).await;
    let folder = server.table_folder("t").await;
    data_files(&folder).into_iter().for_each(|file| std::fs::remove_file(file).unwrap());
    let client = server.connect().await;
    assert_eq!(client.execute("DELETE FROM t WHERE day < '2026-01-02'", &[]).await.unwrap(), 1000);
    assert_eq!(client.execute("DELETE FROM t x WHERE x.day = $1::date OR x.day IS NULL", &[&day(2)]).await.unwrap(), 1000);
    server.sql("INSERT INTO t VALUES (1, 2, NULL)").await;
    data_files(&folder).into_iter().for_each(|file| std::fs::remove_file(file).unwrap());
    assert_eq!(client.execute("DELETE FROM t", &[]).await.unwrap(), 1);
    assert_eq!(server.number("SELECT count(*) FROM t").await, 0);
}

fn day(day: u32) -> chrono::NaiveDate {
    chrono::NaiveDate::from_ymd_opt(2026, 1, day).unwrap()
}

#[tokio::test]
async fn parameters_take_the_types_of_their_columns() {
    let server = Server::start().await;
    two_days(&server).await;
    let client = server.connect().await;
    let update = client.prepare("UPDATE t SET bytes_in = $1, day = $2 WHERE event_id = $3").await.unwrap();
    assert_eq!(update.params().iter().map(|t| t.name()).collect::<Vec<_>>(), ["int8", "date", "int8"]);
    assert_eq!(client.execute(&update, &[&7i64, &day(9), &1i64]).await.unwrap(), 2);
    assert_eq!(client.execute(&update, &[&None::<i64>, &day(9), &2i64]).await.unwrap(), 2);
    let row = client.query_one("SELECT count(*), count(bytes_in), sum(bytes_in) FROM t WHERE day = '2026-01-09'", &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (4, 2));

    let merge = "MERGE INTO t USING (SELECT $1::bigint AS id) s ON t.event_id = s.id \
                 WHEN MATCHED THEN UPDATE SET bytes_in = $2 WHEN NOT MATCHED THEN INSERT VALUES (s.id, $3, $4)";
    let merge = client.prepare(merge).await.unwrap();
    assert_eq!(merge.params().iter().map(|t| t.name()).collect::<Vec<_>>(), ["int8", "int8", "int8", "date"]);
    assert_eq!(client.execute(&merge, &[&9000i64, &1i64, &2i64, &day(1)]).await.unwrap(), 1);
    assert_eq!(client.execute(&merge, &[&9000i64, &3i64, &2i64, &day(1)]).await.unwrap(), 1);
    assert_eq!(server.number("SELECT bytes_in FROM t WHERE event_id = 9000").await, 3);
}

#[tokio::test]
async fn changes_of_many_clients_add_up() {
    const CLIENTS: i64 = 6;
    const ROUNDS: i64 = 5;
    let server = Server::start().await;
    server.sql("CREATE TABLE t (id bigint, n bigint); INSERT INTO t VALUES (1, 0), (2, 0)").await;
    let clients = (0..CLIENTS).map(|client| {
        let server = &server;
        async move {
            for round in 0..ROUNDS {
                server.sql("UPDATE t SET n = n + 1 WHERE id = 1").await;
                server.sql(&format!("INSERT INTO t VALUES ({}, 1)", 100 + client * ROUNDS + round)).await;
                server
                    .sql("MERGE INTO t USING (SELECT 3 AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = t.n + 1 WHEN NOT MATCHED THEN INSERT VALUES (3, 1)")
                    .await;
            }
        }
    });
    join_all(clients).await;
    let all = CLIENTS * ROUNDS;
    assert_eq!(server.number("SELECT n FROM t WHERE id = 1").await, all);
    assert_eq!(server.number("SELECT n FROM t WHERE id = 3").await, all);
    assert_eq!(server.number("SELECT count(*) FROM t").await, 3 + all);
}
