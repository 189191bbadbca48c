//! `lakewire quickstart`: no configuration, no server, no account.

use std::path::Path;

use crate::servers::{DEADLINE, Process, lakewire_command, slot};

#[tokio::test]
async fn shows_a_growing_table_and_ends() {
    let _slot = slot().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut command = lakewire_command();
    command.args(["quickstart", "--exit-after", "5s", "--data-dir"]).arg(&data);
    let mut quickstart = Process::spawn("quickstart", command, folder.path());
    let status = quickstart.ended(DEADLINE).await;
    let said = quickstart.output();
    assert!(status.success(), "ended with {status}: {said}");
    assert!(said.contains("psql -h 127.0.0.1 -p "), "no psql line: {said}");
    let told = said.split_whitespace().map(Path::new).find(|path| path.join("_delta_log").is_dir());
    assert!(told.is_some(), "no path of a table: {said}");
}

#[tokio::test]
async fn needs_no_folder() {
    let _slot = slot().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let mut command = lakewire_command();
    command.args(["quickstart", "--exit-after", "1s"]).current_dir(elsewhere.path());
    let logs = tempfile::tempdir().unwrap();
    let mut quickstart = Process::spawn("quickstart", command, logs.path());
    let status = quickstart.ended(DEADLINE).await;
    assert!(status.success(), "ended with {status}: {}", quickstart.output());
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0, "something was left in the current folder");
}
