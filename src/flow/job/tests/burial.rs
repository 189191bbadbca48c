//! What stays of a dropped job, and what becomes of a server that has not heard of the drop.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;

use super::super::{JobState, bury};
use super::house::{House, SUMS, job_of};
use super::shaky_store::{ShakyStore, Trouble};
use crate::catalog::{Object, ObjectKind};
use crate::clock::Clock;
use crate::flow::events::EventKind;

async fn left(house: &House, object: &Object) -> Vec<String> {
    let folder = house.services.lake.root_path().clone().join("_lakewire").join("jobs").join(job_of(object).to_string());
    let objects: Vec<_> = house.services.lake.store().list(Some(&folder)).try_collect().await.unwrap();
    objects
        .into_iter()
        .map(|object| object.location.prefix_match(&folder).unwrap().map(|part| part.as_ref().to_string() + "/").collect())
        .collect()
}

async fn drop(house: &House, object: &Object) {
    house.supervisor.remove(object.id).await;
    bury_once(house, object).await;
}

async fn bury_once(house: &House, object: &Object) {
    let is_pipeline = object.kind() == ObjectKind::Pipeline;
    let target = is_pipeline.then(|| object.name.as_str());
    bury(&house.services.lake, &house.services.clock, job_of(object), target).await.unwrap();
}

fn clock() -> Clock {
    Clock::mock(DateTime::from_timestamp(1_700_000_000, 0).unwrap())
}

/// A pipeline, a pipeline with state, and a view, each with some epochs.
async fn jobs(house: &House) -> [Object; 3] {
    let table = house.table().await;
    let source = house.source().await;
    let jobs = [
        house.pipeline("keep", &source).await,
        house.kept_pipeline("first", &source).await,
        house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await,
    ];
    for row in 0..3 {
        house.insert(&[(row, row)]).await;
        house.services.clock.advance(Duration::from_secs(1));
        house.flush().await;
    }
    jobs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_dropped_job_a_tombstone_stays() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open_at(&store, &folder, clock()).await;
    for object in jobs(&house).await {
        let epoch = house.manifests(&object).newest().await.unwrap().unwrap().epoch;
        assert!(left(&house, &object).await.len() > 2);
        drop(&house, &object).await;
        let tombstone = house.manifests(&object).newest().await.unwrap().unwrap();
        assert!(tombstone.is_tombstone && tombstone.epoch > epoch);
        assert_eq!(left(&house, &object).await, [format!("manifest/{:020}.json/", tombstone.epoch.0)]);
        // A repeat changes nothing.
        bury_once(&house, &object).await;
        assert_eq!(house.manifests(&object).newest().await.unwrap(), Some(tombstone));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_not_heard_of_it_stops() {
    let (store, folder, clock) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), clock());
    let first = House::open_at(&store, &folder, clock.clone()).await;
    let jobs = jobs(&first).await;
    let second = House::open_at(&store, &folder, clock.clone()).await;
    second.flush().await;
    for object in &jobs {
        drop(&first, object).await;
    }
    let rows = first.rows("keep").await;
    first.insert(&[(7, 7)]).await;
    clock.advance(Duration::from_secs(1));
    assert_eq!(second.supervisor.flush().await.len(), jobs.len());
    for object in &jobs {
        let status = second.status(object);
        assert_eq!(status.state, JobState::Failed);
        assert!(status.error.as_ref().unwrap().contains("was dropped on another server"), "{status:?}");
        // Nor is it begun anew.
        second.supervisor.stop(object.id).await;
        second.supervisor.start(object).unwrap();
    }
    assert_eq!(second.supervisor.flush().await.len(), jobs.len());
    for object in &jobs {
        let status = second.status(object);
        assert!(status.error.as_ref().unwrap().contains("was dropped on another server"), "{status:?}");
        assert_eq!(left(&first, object).await.iter().filter(|name| name.starts_with("manifest/")).count(), 1);
    }
    assert_eq!(first.rows("keep").await, rows);
}

/// It slept through a take-over, and the number of its next epoch is free again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_slept_adds_nothing() {
    let (below, folder, clock) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), clock());
    let store = ShakyStore::new(below.clone());
    let first = House::open_at(&store, &folder, clock.clone()).await;
    let pipeline = first.pipeline("keep", &first.source().await).await;
    first.flush().await;
    clock.advance(Duration::from_secs(1));
    let number = first.manifests(&pipeline).newest().await.unwrap().unwrap().epoch.next();
    store.play(&format!("{}/manifest/{:020}.json", job_of(&pipeline), number.0), &[Trouble::Wait]);
    let job_is_dropped = async {
        store.falls_asleep().await;
        let second = House::open_at(&below, &folder, clock.clone()).await;
        second.flush().await;
        clock.advance(Duration::from_secs(1));
        second.flush().await;
        let rows = second.rows("keep").await;
        assert!(rows > 900);
        // The last epoch before the drop has nothing for the table, whose log so knows an earlier one.
        let last = second.manifests(&pipeline).newest().await.unwrap().unwrap().epoch;
        let third = House::open_at(&below, &folder, clock.clone()).await;
        while third.manifests(&pipeline).newest().await.unwrap().unwrap().epoch == last {
            tokio::task::yield_now().await;
        }
        bury_once(&third, &pipeline).await;
        store.wake();
        rows
    };
    let (_, rows) = tokio::join!(first.supervisor.flush(), job_is_dropped);
    // Until it comes to the tombstone's number.
    for _ in 0..4 {
        clock.advance(Duration::from_secs(1));
        first.supervisor.flush().await;
    }
    assert_eq!(first.status(&pipeline).state, JobState::Failed);
    assert_eq!(first.rows("keep").await, rows);
}

/// The same of its first epoch with rows: by then the table has nothing of the job, and another may have read the same records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_does_one_whose_rows_would_be_the_first() {
    let (below, folder, clock) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), clock());
    let store = ShakyStore::new(below.clone());
    let first = House::open_at(&store, &folder, clock.clone()).await;
    let pipeline = first.pipeline("keep", &first.source().await).await;
    let epoch = async |house: &House| house.manifests(&pipeline).newest().await.unwrap().map(|manifest| manifest.epoch);
    while epoch(&first).await.is_none() {
        tokio::task::yield_now().await;
    }
    let begun = epoch(&first).await.unwrap();
    store.play(&format!("{}/manifest/{:020}.json", job_of(&pipeline), begun.next().0), &[Trouble::Wait]);
    clock.advance(Duration::from_secs(1));
    let job_is_dropped = async {
        store.falls_asleep().await;
        let second = House::open_at(&below, &folder, clock.clone()).await;
        while epoch(&second).await == Some(begun) {
            tokio::task::yield_now().await;
        }
        assert_eq!(second.rows("keep").await, 0);
        bury_once(&second, &pipeline).await;
        store.wake();
    };
    tokio::join!(first.supervisor.flush(), job_is_dropped);
    for _ in 0..4 {
        clock.advance(Duration::from_secs(1));
        first.supervisor.flush().await;
    }
    assert_eq!(first.status(&pipeline).state, JobState::Failed);
    assert_eq!(first.rows("keep").await, 0);
}

/// The pipeline's last epoch is decided and not in the table when the pipeline is dropped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_is_in_the_table() {
    let (below, folder, clock) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap(), clock());
    let store = ShakyStore::new(below.clone());
    let house = House::open_at(&store, &folder, clock.clone()).await;
    let pipeline = house.pipeline("keep", &house.source().await).await;
    house.flush().await;
    clock.advance(Duration::from_secs(1));
    for _ in 0..1000 {
        store.play("keep/_delta_log", &[Trouble::Refuse]);
    }
    // It gets as far as the manifest, and never further.
    let tried_again = async {
        while house.times(EventKind::JobRetries) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = house.supervisor.flush() => panic!("the table has no log"),
        () = tried_again => {}
    }
    house.supervisor.stop(pipeline.id).await;
    store.calm();
    let decided = house.manifests(&pipeline).newest().await.unwrap().unwrap().totals.rows_out;
    assert!(house.rows("keep").await < decided);
    drop(&house, &pipeline).await;
    assert_eq!(house.rows("keep").await, decided);
}
