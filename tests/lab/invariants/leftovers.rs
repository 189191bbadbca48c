//! Nothing lies in the bucket that nobody names, after a sweep at a time when nobody can come back for it; and the sweep took nothing that
//! somebody names. Read from the objects in the bucket, by none of the server's own readers but the manifest's form.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lakewire::clock::Clock;
use lakewire::flow::events::EventKind;
use lakewire::flow::maintenance;
use lakewire::flow::manifest::Manifest;
use object_store::path::Path;
use serde_json::Value;

use super::super::server::Server;
use super::super::world::World;
use super::epochs::{body, paths};

/// Longer than anything is kept that is not needed.
const OVER: Duration = Duration::from_secs(60 * 24 * 3600);

/// What lies in the bucket.
#[derive(Default)]
struct Found {
    /// The commits of each table in order, by the table's folder.
    commits: BTreeMap<String, Vec<Path>>,
    /// The newest manifest of each job, by the job's folder.
    newest: BTreeMap<String, Path>,
    /// What has to be named by one of them.
    others: BTreeSet<Path>,
}

/// What has a name.
#[derive(Default)]
struct Named {
    needed: BTreeSet<Path>,
    /// It is removed before a manifest says so.
    yet_to_go: BTreeSet<Path>,
}

/// Has a server whose jobs have stopped remove what nobody needs, when all is over that is kept for a while.
pub async fn sweep(server: &Server, clock: &Clock) {
    // The bucket dates its objects by the wall clock, and that is another than the servers'.
    let behind = (Clock::wall().now() - clock.now()).to_std().unwrap_or_default();
    clock.advance(behind + OVER);
    maintenance::sweep(server.services.flow.clone()).await;
    let failed = server.services.flow.events.list().into_iter().any(|event| event.kind == EventKind::MaintenanceFailed);
    assert!(!failed, "the sweep failed\n{}", server.told());
}

pub fn assert_none(world: &World) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    runtime.block_on(async {
        let found = Found::of(paths(world, "").await);
        let named = Named::by(&found, world).await;
        let missing: Vec<&str> = named.needed.difference(&found.others).map(Path::as_ref).collect();
        assert!(missing.is_empty(), "{} objects are needed and gone:\n{}", missing.len(), missing.join("\n"));
        let is_named = |object: &Path| named.needed.contains(object) || named.yet_to_go.contains(object);
        let left: Vec<&str> = found.others.iter().filter(|object| !is_named(object)).map(Path::as_ref).collect();
        assert!(left.is_empty(), "{} objects are left that nobody names:\n{}", left.len(), left.join("\n"));
    });
}

impl Found {
    fn of(all: Vec<Path>) -> Found {
        let mut found = Found::default();
        for path in all {
            let text = path.to_string();
            let (folder, name) = text.rsplit_once('/').expect("the lake is a folder");
            if let Some(table) = folder.strip_suffix("/_delta_log").filter(|_| is_of_a_log(name)) {
                let commits = found.commits.entry(table.to_string()).or_default();
                commits.extend(is_numbered(name, "json").then_some(path));
            } else if let Some(job) = folder.strip_suffix("/manifest").filter(|job| is_a_job(job) && is_numbered(name, "json")) {
                found.newest.insert(job.to_string(), path);
            } else if !(is_a_job(folder) && name == "latest") {
                found.others.insert(path);
            }
        }
        found
    }
}

impl Named {
    async fn by(found: &Found, world: &World) -> Named {
        let mut named = Named::default();
        for (folder, commits) in &found.commits {
            named.needed.extend(data_files(world, folder, commits).await);
        }
        for (folder, newest) in &found.newest {
            let manifest: Manifest = serde_json::from_slice(&body(world, newest).await).expect("a manifest is JSON");
            let path = |name: &str| Path::from(format!("{folder}/state/{name}"));
            let retired: BTreeSet<_> = manifest.retired.iter().map(|retired| path(&retired.name)).collect();
            named.needed.extend(manifest.state_objects().map(path).filter(|object| !retired.contains(object)));
            named.yet_to_go.extend(retired);
        }
        named
    }
}

fn is_a_job(folder: &str) -> bool {
    folder.rsplit_once('/').is_some_and(|(above, _)| above == "lake/_lakewire/jobs")
}

fn is_of_a_log(name: &str) -> bool {
    name == "_last_checkpoint" || is_numbered(name, "json") || is_numbered(name, "checkpoint.parquet")
}

fn is_numbered(name: &str, ending: &str) -> bool {
    name.split_once('.').is_some_and(|(number, rest)| number.bytes().all(|byte| byte.is_ascii_digit()) && rest == ending)
}

/// The files of a table's newest version. Removed ones were kept for a while, and that is over.
async fn data_files(world: &World, folder: &str, commits: &[Path]) -> BTreeSet<Path> {
    let first = commits.first().and_then(|commit| commit.filename()?.strip_suffix(".json")?.parse::<u64>().ok());
    assert_eq!(first, Some(0), "the log of {folder} begins at its beginning");
    let mut files = BTreeSet::new();
    for commit in commits {
        for line in body(world, commit).await.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let action: Value = serde_json::from_slice(line).expect("an action is JSON");
            if let Some(remove) = action.get("remove") {
                files.remove(&data_file(folder, remove));
            }
            if let Some(add) = action.get("add") {
                files.insert(data_file(folder, add));
            }
        }
    }
    files
}

fn data_file(folder: &str, action: &Value) -> Path {
    let below = Path::from_url_path(action["path"].as_str().expect("an action has a path")).expect("a path below the table");
    Path::parse(format!("{folder}/{below}")).expect("two paths make a path")
}
