//! What DROP leaves of jobs in the lake.

use std::fs;
use std::path::{Path, PathBuf};

use crate::servers::Setup;

const SOURCE: &str = "CREATE SOURCE pop_events WITH (connector = 'generator', dataset = 'network', seed = 11, rows = 2000)";

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn of_each_job_one_manifest_stays() {
    let lake = tempfile::tempdir().unwrap();
    let mut server = Setup::default().lake(lake.path()).start().await;
    server.sql(SOURCE).await;
    server.sql("CREATE TABLE all_of_them (); CREATE PIPELINE all_of_them AS INSERT INTO all_of_them SELECT * FROM pop_events").await;
    server.wait_for("(SELECT count(*) FROM lakewire.sources) > 0 AND (SELECT sum(records_in) FROM lakewire.jobs) = 2000").await;
    server.sql("CREATE TABLE once (); CREATE PIPELINE once AS INSERT INTO once SELECT DISTINCT event_id FROM pop_events").await;
    server.sql("CREATE MATERIALIZED VIEW counts AS SELECT event_type, count(*) AS n FROM pop_events GROUP BY event_type; FLUSH").await;
    let counts = "SELECT (SELECT count(*) FROM all_of_them) + (SELECT count(*) FROM once)";
    let rows = server.number(counts).await;
    assert!(rows > 3000);
    let jobs = lake.path().join("_lakewire").join("jobs");
    assert!(files(&jobs).len() > 3 * 2);

    server.sql("DROP SOURCE pop_events CASCADE").await;
    let left = files(&jobs);
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left.iter().all(|file| file.parent().unwrap().ends_with("manifest")), "{left:?}");
    assert_eq!(server.number(counts).await, rows);
}
