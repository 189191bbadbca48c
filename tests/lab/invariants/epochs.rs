//! Epochs are whole, and all that tells of them agrees: read from the objects in the bucket, by none of the server's own readers but the
//! manifest's form.

use std::collections::{BTreeMap, BTreeSet};

use futures::TryStreamExt;
use lakewire::flow::manifest::Manifest;
use lakewire::flow::rejects;
use lakewire::model::{PartitionId, PartitionState, Positions};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;

use super::super::input::Input;
use super::super::world::World;

/// All manifests, by job and epoch.
type Manifests = BTreeMap<String, BTreeMap<u64, Manifest>>;
/// What each partition was split or merged from.
type Parents = BTreeMap<PartitionId, Vec<PartitionId>>;

/// One version of a table's log.
#[derive(Default)]
struct Version {
    files: BTreeSet<String>,
    rows: u64,
    /// Job and epoch.
    transaction: Option<(String, u64)>,
    removes: usize,
}

pub fn assert_whole(world: &World, input: &Input) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
    runtime.block_on(async {
        let manifests = manifests(world).await;
        assert!(!manifests.is_empty(), "there are no manifests");
        let parents = input.parents();
        for job in manifests.values() {
            assert_progress(job);
            job.values().flat_map(|manifest| manifest.inputs.values()).for_each(|positions| assert_parents_first(positions, &parents));
        }
        let targets = targets(&manifests);
        assert_eq!(targets.len(), 1, "one pipeline writes one table: {targets:?}");
        for table in targets.iter().map(String::as_str).chain([rejects::LOCATION]) {
            let versions = log(world, table).await;
            let published = assert_versions(table, &versions, &manifests);
            assert_published(table, &published, &manifests);
        }
        let writes = |job: &&BTreeMap<u64, Manifest>| job.values().any(|manifest| targets.iter().any(|table| names(manifest, table)));
        assert_all_read(manifests.values().find(writes).expect("the pipeline has manifests"), input);
    });
}

/// Epochs without a gap; positions and totals that never go back.
fn assert_progress(job: &BTreeMap<u64, Manifest>) {
    let last = *job.keys().last().expect("a job has manifests");
    assert_eq!(job.len() as u64, last, "epochs are without a gap");
    for (before, after) in job.values().zip(job.values().skip(1)) {
        let epoch = after.epoch;
        let totals = [before, after].map(|manifest| (manifest.totals.records_in, manifest.totals.rows_out, manifest.totals.rejected));
        let [(b1, b2, b3), (a1, a2, a3)] = totals;
        assert!(b1 <= a1 && b2 <= a2 && b3 <= a3, "totals go back in epoch {epoch}: {totals:?}");
        for (input, positions) in &before.inputs {
            for (partition, state) in positions {
                let now = after.inputs.get(input).and_then(|positions| positions.get(partition));
                assert!(now.is_some_and(|now| is_not_before(state, now)), "epoch {epoch} goes back from {state:?} to {now:?}");
            }
        }
    }
}

/// A partition is begun when what it was split or merged from has been read to its end: else the records of a key could change places.
fn assert_parents_first(positions: &Positions, parents: &Parents) {
    for partition in positions.keys() {
        for parent in parents.get(partition).into_iter().flatten() {
            assert_eq!(positions.get(parent), Some(&PartitionState::Done), "{partition} is begun, its parent {parent} is not done");
        }
    }
}

/// A position of a generator, a table or a view is a number, and so is one of a shard from its first record on; which table it is does not
/// change.
fn is_not_before(before: &PartitionState, now: &PartitionState) -> bool {
    let number = |state: &PartitionState| match state {
        PartitionState::At(position) if position.as_str() == "TRIM_HORIZON" => Some(0),
        PartitionState::At(position) => position.as_str().parse().ok(),
        PartitionState::Done => Some(u128::MAX),
    };
    match (number(before), number(now)) {
        (Some(before), Some(now)) => now >= before,
        _ => before == now,
    }
}

/// Each version adds all files of one epoch or none of any, and what a reader sees then is what the manifest counted. Returns what is published.
fn assert_versions(table: &str, versions: &[Version], manifests: &Manifests) -> BTreeSet<(String, u64)> {
    let mut published = BTreeSet::new();
    let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
    for (number, version) in versions.iter().enumerate() {
        assert_eq!(version.removes, 0, "version {number} of {table} removes files");
        let Some((job, epoch)) = &version.transaction else {
            assert!(version.files.is_empty(), "version {number} of {table} adds files without a transaction");
            continue;
        };
        let manifest = manifests.get(job).and_then(|job| job.get(epoch));
        let manifest = manifest.unwrap_or_else(|| panic!("version {number} of {table} has epoch {epoch} of {job}, no manifest has it"));
        assert_eq!(version.files, files(manifest, table), "the files of version {number} of {table}, and those of epoch {epoch}");
        assert!(published.insert((job.clone(), *epoch)), "epoch {epoch} of {job} is twice in {table}");
        let seen = rows.entry(job.as_str()).or_default();
        *seen += version.rows;
        let counted = if table == rejects::LOCATION { manifest.totals.rejected } else { manifest.totals.rows_out };
        assert_eq!(*seen, counted, "the rows at version {number} of {table}, and those that epoch {epoch} counted");
    }
    published
}

/// Nothing that was decided is missing.
fn assert_published(table: &str, published: &BTreeSet<(String, u64)>, manifests: &Manifests) {
    for (job, epochs) in manifests {
        for (epoch, manifest) in epochs.iter().filter(|(_, manifest)| !files(manifest, table).is_empty()) {
            assert!(published.contains(&(job.clone(), *epoch)), "epoch {} of {job} is not in {table}", manifest.epoch);
        }
    }
}

/// The newest manifest of the pipeline says that everything is in.
fn assert_all_read(job: &BTreeMap<u64, Manifest>, input: &Input) {
    let newest = job.values().last().expect("a job has manifests");
    let states: Positions = newest.inputs.values().flatten().map(|(partition, state)| (partition.clone(), state.clone())).collect();
    assert_eq!(Some(states), input.end(), "the positions in the end");
    let sent = input.story.records;
    assert_eq!(newest.totals.records_in, sent, "the records that the pipeline counted");
    assert_eq!(newest.totals.rows_out + newest.totals.rejected, sent, "rows and rejects");
}

/// The tables that jobs write beside the rejects. A table that was made again after a crash has another folder than its name says.
fn targets(manifests: &Manifests) -> BTreeSet<String> {
    let commits = manifests.values().flat_map(BTreeMap::values).flat_map(|manifest| &manifest.commits);
    commits.map(|commit| commit.table.clone()).filter(|table| table != rejects::LOCATION).collect()
}

fn names(manifest: &Manifest, table: &str) -> bool {
    manifest.commits.iter().any(|commit| commit.table == table)
}

fn files(manifest: &Manifest, table: &str) -> BTreeSet<String> {
    let commits = manifest.commits.iter().filter(|commit| commit.table == table);
    commits.flat_map(|commit| &commit.files).map(|file| file.path().to_string()).collect()
}

async fn manifests(world: &World) -> Manifests {
    let mut manifests = Manifests::new();
    for path in paths(world, "_lakewire/jobs").await {
        if path.as_ref().contains("/manifest/") {
            let manifest: Manifest = serde_json::from_slice(&body(world, &path).await).expect("a manifest is JSON");
            manifests.entry(manifest.job.to_string()).or_default().insert(manifest.epoch.0, manifest);
        }
    }
    manifests
}

async fn log(world: &World, table: &str) -> Vec<Version> {
    let mut versions = vec![];
    for path in paths(world, &format!("{table}/_delta_log")).await {
        if let Some(number) = path.filename().and_then(|name| name.strip_suffix(".json")).and_then(|number| number.parse::<usize>().ok()) {
            assert_eq!(number, versions.len(), "versions are without a gap");
            versions.push(version(&body(world, &path).await));
        }
    }
    versions
}

fn version(body: &[u8]) -> Version {
    let mut version = Version::default();
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let action: Value = serde_json::from_slice(line).expect("an action is JSON");
        if let Some(add) = action.get("add") {
            let statistics = add["stats"].as_str().expect("a file has statistics");
            let statistics: Value = serde_json::from_str(statistics).expect("statistics are JSON");
            version.rows += statistics["numRecords"].as_u64().expect("a number of records");
            version.files.insert(add["path"].as_str().expect("a path").to_string());
        }
        if let Some(transaction) = action.get("txn") {
            let job = transaction["appId"].as_str().expect("an application").to_string();
            version.transaction = Some((job, transaction["version"].as_u64().expect("an epoch")));
        }
        version.removes += usize::from(action.get("remove").is_some());
    }
    version
}

/// All below a folder of the lake, sorted.
pub(super) async fn paths(world: &World, folder: &str) -> Vec<Path> {
    let folder = Path::from(format!("lake/{folder}"));
    let mut paths: Vec<Path> = world.bucket.list(Some(&folder)).map_ok(|object| object.location).try_collect().await.expect("a list");
    paths.sort();
    paths
}

pub(super) async fn body(world: &World, path: &Path) -> Vec<u8> {
    world.bucket.get(path).await.expect("an object").bytes().await.expect("its bytes").to_vec()
}
