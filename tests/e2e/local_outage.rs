//! A lake on the local disk that cannot be written for a while: its jobs say why, wait, and go on by themselves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::story::{PIPELINE_AND_VIEW, Pace, Story, begin_with_view, ends_exact_with_view};
use crate::servers::{Server, Setup};

const STORY: Story = Story { rows: 30_000, pace: Pace::PerSecond(1_500) };

/// A folder of the lake that can be made useless, for root too: a file takes its place. It is a link, because these can be exchanged at one
/// blow. If the folder were gone for an instant, the server would make it anew.
struct Folder {
    place: PathBuf,
    beside: PathBuf,
    behind: TempDir,
}

impl Folder {
    /// To be made before the server makes one of this name.
    fn of(lake: &Path, name: &str) -> Folder {
        let folder = Folder { place: lake.join(name), beside: lake.join(".exchange"), behind: tempfile::tempdir().unwrap() };
        folder.give_back();
        folder
    }

    fn take_away(&self) {
        fs::write(&self.beside, "not a folder").unwrap();
        fs::rename(&self.beside, &self.place).unwrap();
    }

    fn give_back(&self) {
        symlink(self.behind.path(), &self.beside).unwrap();
        fs::rename(&self.beside, &self.place).unwrap();
    }
}

#[tokio::test]
async fn a_table_whose_folder_cannot_be_written() {
    outlives_the_loss_of("events", &["keep"]).await;
}

/// There are the manifests, the rejects and what views remember.
#[tokio::test]
async fn a_server_whose_own_folder_cannot_be_written() {
    outlives_the_loss_of("_lakewire", &PIPELINE_AND_VIEW).await;
}

/// As where its disk is unmounted: what stands there then is not the lake, and nothing must begin in it.
#[tokio::test]
async fn a_lake_that_is_gone() {
    let above = tempfile::tempdir().unwrap();
    let (place, away) = (above.path().join("lake"), above.path().join("away"));
    let mut server = Setup::default().lake(&place).start().await;
    begin_with_view(&mut server, &STORY.declared_definitions()).await;
    fs::rename(&place, &away).unwrap();
    for job in PIPELINE_AND_VIEW {
        waits(&mut server, job, "%is not what it was when the server began: % is not there%").await;
    }
    assert!(!place.exists(), "something was made in its place");

    fs::create_dir(&place).unwrap();
    waits(&mut server, "keep", "%is not what it was when the server began: % is another folder%").await;
    let refusal = server.refusal("INSERT INTO events SELECT * FROM events LIMIT 1").await;
    assert_eq!(refusal.sqlstate, "58030", "{refusal}");
    // It can be removed only if nothing was made in it.
    fs::remove_dir(&place).unwrap();
    fs::rename(&away, &place).unwrap();
    ends_exact_with_view(&mut server, STORY).await;
}

#[tokio::test]
async fn a_disk_that_is_full() {
    let mut server = Setup::default().outlives_full_disk().start().await;
    // Nothing is to be stored in the catalog, which is on the same disk: what is told is always the lake's.
    begin_with_view(&mut server, &STORY.declared_definitions()).await;
    server.fill_disk();
    for job in PIPELINE_AND_VIEW {
        waits(&mut server, job, "%File too large%").await;
    }
    server.free_disk();
    ends_exact_with_view(&mut server, STORY).await;
}

async fn outlives_the_loss_of(name: &str, jobs: &[&str]) {
    let lake = tempfile::tempdir().unwrap();
    let folder = Folder::of(lake.path(), name);
    let mut server = Setup::default().lake(lake.path()).start().await;
    begin_with_view(&mut server, &STORY.definitions()).await;
    folder.take_away();
    for job in jobs {
        waits(&mut server, job, &format!("%/{name}/%Not a directory%")).await;
    }
    folder.give_back();
    ends_exact_with_view(&mut server, STORY).await;
}

/// The job has not failed but waits for another try, and tells a reason that is LIKE this one. What it told first depends on what it was
/// doing when it met the outage.
async fn waits(server: &mut Server, job: &str, reason: &str) {
    let of_job = |column: &str| format!("(SELECT {column} FROM lakewire.jobs WHERE name = '{job}')");
    server.wait_for(&format!("{} IS NOT NULL", of_job("error"))).await;
    let told = server.text(&format!("SELECT {}", of_job("error"))).await;
    assert_ne!(server.text(&format!("SELECT {}", of_job("state"))).await, "failed", "{told}");
    server.wait_for(&format!("{} LIKE '{reason}'", of_job("error"))).await;
    server.wait_for(&format!("{} = 'retrying'", of_job("state"))).await;
    server.wait_for(&format!("{} IS NOT NULL", of_job("next_retry"))).await;
}
