//! The housekeeper over real folders, with the hands of the clock in ours.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use tempfile::TempDir;

use super::super::events::EventLog;
use super::super::feed::Feeds;
use super::super::manifest::{Decision, Manifest, Manifests, PreparedCommit, SavedState, ShownBefore, Totals};
use super::super::published::{Bases, Views};
use super::super::saved::{Retired, StateObject};
use super::*;
use crate::catalog::{Catalog, Change, Object, SecretKey, TableDef};
use crate::clock::Clock;
use crate::config::S3Config;
use crate::lake::{AddedFile, Commit, Lake, Operation};
use crate::model::{Epoch, JobId, Name, ObjectId, PartitionId, PartitionState, Position, Positions, SchemaMode};

const DAY: Duration = Duration::from_secs(24 * 3600);

struct House {
    folder: TempDir,
    services: Arc<FlowServices>,
    housekeeper: Housekeeper,
    object: Object,
    table: Arc<Table>,
}

impl House {
    /// With a table `t (n bigint)`.
    async fn open() -> House {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::mock(Clock::wall().now());
        let key = SecretKey::load_or_create(&folder.path().join("key")).unwrap();
        let place = format!("sqlite:{}", folder.path().join("catalog.db").display());
        let catalog = Catalog::open(&place, key, clock.clone()).await.unwrap();
        let lake = Lake::open(folder.path().join("lake").to_str().unwrap(), &S3Config::default(), clock.clone()).await.unwrap();
        let events = EventLog::new(clock.clone());
        let feeds = Feeds::new(catalog.clone(), events.clone(), clock.clone(), Handle::current(), Handle::current(), 64 << 20);
        let services = Arc::new(FlowServices { lake, catalog, clock, feeds, events, views: Views::default(), runtime: Arc::default() });
        let table = services.lake.table("t").unwrap();
        let schema = Schema::new(vec![Field::new("n", DataType::Int64, true)]);
        table.create(Arc::new(schema), &[], "t").await.unwrap();
        let definition = Definition::Table(TableDef {
            location: "t".to_string(),
            columns: vec![],
            partition_by: vec![],
            mode: SchemaMode::Evolve,
            target_file_bytes: 1 << 20,
        });
        let (name, created_at) = (Name::new("t").unwrap(), services.clock.now());
        let object = Object { id: ObjectId::new(), name, sql: String::new(), created_at, definition };
        services.catalog.commit(vec![Change::Create(object.clone())]).await.unwrap();
        let housekeeper = Housekeeper::new(services.clone());
        House { folder, services, housekeeper, object, table }
    }

    async fn file(&self) -> Vec<AddedFile> {
        let rows = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
        let mut writer = self.table.writer(&self.table.refresh().await.unwrap(), 1 << 20).unwrap();
        writer.write(rows).await.unwrap();
        writer.close().await.unwrap()
    }

    async fn append(&self) {
        let adds = self.file().await;
        self.table.commit(Commit { adds, transaction: None, operation: Operation::Write }).await.unwrap();
    }

    /// A job's first epoch.
    async fn decide(&self, inputs: BTreeMap<ObjectId, Positions>, files: Vec<AddedFile>) {
        let manifests = Manifests::new(self.services.lake.clone(), self.services.clock.clone(), JobId::new());
        let commits = vec![PreparedCommit { table: "t".to_string(), files }];
        let manifest = manifests.draft(Epoch(1), inputs, commits, Totals::default());
        assert_eq!(manifests.decide(&manifest).await.unwrap(), Decision::Committed);
    }

    fn at_version(&self, version: i64) -> BTreeMap<ObjectId, Positions> {
        let position = PartitionState::At(Position::new(version.to_string()));
        BTreeMap::from([(self.object.id, Positions::from([(PartitionId::new("log"), position)]))])
    }

    fn has_commit(&self, version: i64) -> bool {
        self.folder.path().join(format!("lake/t/_delta_log/{version:020}.json")).exists()
    }

    fn has(&self, file: &AddedFile) -> bool {
        self.folder.path().join("lake/t").join(file.path()).exists()
    }

    fn told(&self, kind: EventKind) -> usize {
        self.services.events.list().iter().filter(|event| event.kind == kind).count()
    }
}

#[tokio::test]
async fn logs_are_summed_up_as_they_grow() {
    let mut house = House::open().await;
    for _ in 0..120 {
        house.append().await;
        house.housekeeper.round().await;
    }
    assert_eq!(house.told(EventKind::CheckpointWritten), 1, "{:?}", house.services.events.list());
    assert!(house.table.last_checkpoint() >= Some(100));
    assert_eq!(house.told(EventKind::MaintenanceFailed), 0);
}

#[tokio::test]
async fn a_sweep_spares_what_jobs_need() {
    let mut house = House::open().await;
    let (prepared, orphan) = (house.file().await, house.file().await);
    for _ in 0..3 {
        house.append().await;
    }
    house.table.checkpoint().await.unwrap();
    for _ in 0..3 {
        house.append().await;
    }
    house.table.checkpoint().await.unwrap();
    house.decide(house.at_version(4), prepared.clone()).await;

    house.services.clock.advance(2 * DAY);
    house.housekeeper.round().await;
    assert!(house.has(&orphan[0]), "a young file may be somebody's");

    house.services.clock.advance(29 * DAY);
    house.decide(BTreeMap::new(), vec![]).await;
    house.housekeeper.round().await;
    assert_eq!(house.told(EventKind::MaintenanceFailed), 0, "{:?}", house.services.events.list());
    assert!(house.has(&prepared[0]) && !house.has(&orphan[0]));
    assert!(!house.has_commit(0) && !house.has_commit(5), "nothing was heard of the job for 30 days");
    assert!(house.has_commit(6));
    assert_eq!((house.told(EventKind::Vacuumed), house.told(EventKind::LogCleaned)), (1, 1));
}

#[tokio::test]
async fn the_log_is_kept_for_those_who_follow_it() {
    let mut house = House::open().await;
    for _ in 0..2 {
        for _ in 0..3 {
            house.append().await;
        }
        house.table.checkpoint().await.unwrap();
    }
    house.services.clock.advance(31 * DAY);
    house.decide(house.at_version(4), vec![]).await;
    house.housekeeper.round().await;
    assert!(!house.has_commit(2), "version 3 has a checkpoint, from which version 4 can be had");
    assert!((3..=6).all(|version| house.has_commit(version)));
    assert_eq!(house.table.snapshot_at(4).await.unwrap().version(), Some(4));
}

#[tokio::test]
async fn while_a_manifest_cannot_be_read_nothing_is_removed() {
    let mut house = House::open().await;
    let orphan = house.file().await;
    let jobs = house.folder.path().join(format!("lake/_lakewire/jobs/{}/manifest", JobId::new()));
    std::fs::create_dir_all(&jobs).unwrap();
    std::fs::write(jobs.join(format!("{:020}.json", 1)), "{").unwrap();
    house.services.clock.advance(31 * DAY);
    house.housekeeper.round().await;
    assert!(house.has(&orphan[0]));
    assert_eq!(house.told(EventKind::MaintenanceFailed), 1);

    std::fs::remove_dir_all(&jobs).unwrap();
    house.services.clock.advance(Duration::from_secs(3600));
    house.housekeeper.round().await;
    assert!(!house.has(&orphan[0]), "it is tried again");
}

#[tokio::test]
async fn state_that_no_manifest_names_is_swept_when_it_is_old() {
    let mut house = House::open().await;
    let (job, object) = (JobId::new(), |name: &str| StateObject { name: name.to_string(), parts: vec![] });
    let manifests = Manifests::new(house.services.lake.clone(), house.services.clock.clone(), job);
    let before = ShownBefore { objects: vec![object("shown")], bases: Bases::new(), complete_micros: None };
    let state = SavedState {
        fingerprint: String::new(),
        now_micros: 0,
        objects: vec![object("needed")],
        has_begun: true,
        bases: Bases::new(),
        complete_micros: None,
        time_micros: None,
        before: Some(before),
    };
    let retired = vec![Retired { name: "retired".to_string(), at_micros: 0, epoch: Epoch(1) }];
    let draft = manifests.draft(Epoch(1), BTreeMap::new(), vec![], Totals::default());
    assert_eq!(manifests.decide(&Manifest { state: Some(state), retired, ..draft }).await.unwrap(), Decision::Committed);
    let folder = |job: JobId| house.folder.path().join(format!("lake/_lakewire/jobs/{job}/state"));
    let unknown = JobId::new();
    for (job, name) in [(job, "needed"), (job, "shown"), (job, "retired"), (job, "orphan"), (unknown, "whose")] {
        std::fs::create_dir_all(folder(job)).unwrap();
        std::fs::write(folder(job).join(name), "").unwrap();
    }
    let (job, unknown) = (folder(job), folder(unknown));

    house.services.clock.advance(6 * DAY);
    house.housekeeper.round().await;
    assert!(job.join("orphan").exists(), "a manifest may be about to name it");
    house.services.clock.advance(2 * DAY);
    house.housekeeper.round().await;
    assert!(!job.join("orphan").exists());
    assert!(["needed", "shown", "retired"].iter().all(|name| job.join(name).exists()));
    assert!(unknown.join("whose").exists(), "without a manifest nobody knows");
    assert_eq!(house.told(EventKind::MaintenanceFailed), 0, "{:?}", house.services.events.list());
}

#[tokio::test]
async fn it_stops_when_it_is_told() {
    let house = House::open().await;
    let maintenance = Maintenance::start(house.services.clone(), &Handle::current());
    maintenance.stop().await;
}
