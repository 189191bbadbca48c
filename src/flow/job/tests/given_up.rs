//! What is left of an epoch that was given up: nothing where it was not tried to decide it, everything where it was.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use futures::TryStreamExt;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use tempfile::TempDir;

use super::house::{House, SUMS, job_of, sums};
use super::shaky_store::{ShakyStore, Trouble};
use crate::catalog::Object;
use crate::clock::Clock;
use crate::flow::events::EventKind;

struct Scene {
    store: Arc<ShakyStore>,
    clock: Clock,
    house: House,
    _folder: TempDir,
}

impl Scene {
    async fn open() -> Scene {
        let clock = Clock::mock(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let (store, folder) = (ShakyStore::new(Arc::new(InMemory::new())), tempfile::tempdir().unwrap());
        let house = House::open_at(&store, &folder, clock.clone()).await;
        Scene { store, clock, house, _folder: folder }
    }

    /// A pipeline into this table, that remembers something or not.
    async fn pipeline(&self, table: &str) -> Object {
        let source = self.house.source().await;
        match table {
            "keep" => self.house.pipeline(table, &source).await,
            _ => self.house.kept_pipeline(table, &source).await,
        }
    }

    /// The data files in a table's folder, and those that its log names.
    async fn assert_no_orphans(&self, table: &str) {
        let lake = &self.house.services.lake;
        let folder = lake.root_path().clone().join(table);
        let objects: Vec<_> = lake.store().list(Some(&folder)).try_collect().await.unwrap();
        let files: BTreeSet<_> =
            objects.iter().filter_map(|object| object.location.filename()).filter(|name| name.ends_with("parquet")).collect();
        let snapshot = lake.table(table).unwrap().refresh().await.unwrap();
        assert_eq!(files.len() as u64, snapshot.totals().files, "{files:?}");
    }

    async fn assert_no_orphaned_state(&self, of: &Object) {
        let lake = &self.house.services.lake;
        let folder = lake.root_path().clone().join("_lakewire").join("jobs").join(job_of(of).to_string()).join("state");
        let objects: Vec<_> = lake.store().list(Some(&folder)).try_collect().await.unwrap();
        let found: BTreeSet<_> = objects.iter().map(|object| object.location.filename().unwrap().to_string()).collect();
        let manifest = self.house.manifests(of).newest().await.unwrap().unwrap();
        let named = manifest.state.unwrap().objects.into_iter().map(|object| object.name);
        assert_eq!(found, named.chain(manifest.retired.into_iter().map(|retired| retired.name)).collect());
    }

    fn retries(&self) -> usize {
        self.house.times(EventKind::JobRetries)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_an_epoch_that_was_not_decided_are_gone() {
    for (table, troubles) in [("keep", [".parquet", ".parquet"]), ("first", ["/state/", ".parquet"])] {
        let scene = Scene::open().await;
        let pipeline = scene.pipeline(table).await;
        scene.house.flush().await;
        let rows = scene.house.rows(table).await;
        for trouble in troubles {
            // It is there, and the answer is lost.
            scene.store.play(trouble, &[Trouble::LoseAnswer]);
        }
        scene.clock.advance(Duration::from_secs(1));
        scene.house.flush().await;
        assert!(scene.store.is_through());
        assert_eq!(scene.retries(), troubles.len());
        assert!(scene.house.rows(table).await > rows);
        scene.assert_no_orphans(table).await;
        if table == "first" {
            scene.assert_no_orphaned_state(&pipeline).await;
        }
    }
}

/// What it has written may have been taken for orphans meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_that_slept_for_two_days_begins_anew() {
    for table in ["keep", "first"] {
        let scene = Scene::open().await;
        let pipeline = scene.pipeline(table).await;
        scene.house.flush().await;
        scene.store.play(&format!("{table}/part-"), &[Trouble::Wait]);
        scene.clock.advance(Duration::from_secs(1));
        let two_days_pass = async {
            scene.store.falls_asleep().await;
            scene.clock.advance(Duration::from_secs(2 * 24 * 3600));
            scene.store.wake();
        };
        tokio::join!(scene.house.flush(), two_days_pass);
        assert_eq!(scene.retries(), 1);
        let told = scene.house.services.events.list().iter().any(|event| event.message.contains("too old to be committed"));
        assert!(told, "{:?}", scene.house.services.events.list());
        let rows = scene.house.manifests(&pipeline).newest().await.unwrap().unwrap().totals.rows_out;
        assert_eq!(scene.house.rows(table).await, rows);
        scene.assert_no_orphans(table).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_be_decided_is_kept() {
    for answer in [Trouble::LoseAnswer, Trouble::Refuse] {
        let scene = Scene::open().await;
        let table = scene.house.table().await;
        let source = scene.house.source().await;
        let pipelines = [scene.house.pipeline("keep", &source).await, scene.house.kept_pipeline("first", &source).await];
        let view = scene.house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
        scene.house.flush().await;
        for of in pipelines.iter().chain([&view]) {
            scene.store.play(&format!("{}/manifest/", job_of(of)), &[answer, Trouble::Refuse]);
        }
        scene.house.insert(&[(1, 1)]).await;
        scene.clock.advance(Duration::from_secs(1));
        scene.house.flush().await;
        assert!(scene.store.is_through());
        for pipeline in &pipelines {
            let rows = scene.house.manifests(pipeline).newest().await.unwrap().unwrap().totals.rows_out;
            assert_eq!(scene.house.rows(pipeline.name.as_str()).await, rows);
        }
        assert_eq!(scene.house.read(&view), sums(&[(1, 1)]));
    }
}

/// A pipeline appends: what it costs does not depend on the files that are there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pipeline_does_not_read_the_list_of_its_tables_files() {
    let scene = Scene::open().await;
    let _pipeline = scene.pipeline("keep").await;
    let table = scene.house.services.lake.table("keep").unwrap();
    for _ in 0..3 {
        scene.clock.advance(Duration::from_secs(1));
        scene.house.flush().await;
        assert!(table.head().unwrap().version().is_some());
        assert!(table.snapshot().is_none());
    }
    assert!(scene.house.rows("keep").await > 0);
    assert!(table.snapshot().is_some());
}
