//! Views over a lake in memory: what a server saved, the next goes on from, and nobody is told more than once to begin anew.

mod agreement;
mod anew;
mod large;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::execution::runtime_env::RuntimeEnv;
use object_store::memory::InMemory;
use tempfile::TempDir;
use tokio::runtime::Handle;
use url::Url;

use super::super::super::FlowServices;
use super::super::super::events::{EventKind, EventLog};
use super::super::super::feed::Feeds;
use super::super::super::manifest::Manifests;
use super::super::super::published::{Version, Views};
use super::super::super::saved::PartKind;
use super::super::super::supervisor::Supervisor;
use crate::catalog::{
    Catalog, Change, Definition, DesiredState, Emit, Object, SecretKey, TableColumn, TableDef, ViewColumn, ViewDef, ViewInput,
};
use crate::clock::Clock;
use crate::lake::{AddedFile, Commit, Lake, Operation};
use crate::model::{JobId, Name, ObjectId, SchemaMode, SqlType};

const MEMORY_BYTES: u64 = 64 << 20;
const FILE_BYTES: u64 = 1 << 20;

/// One server. Another may be opened over the same store: it takes the jobs over.
struct House {
    services: Arc<FlowServices>,
    supervisor: Supervisor,
}

impl House {
    async fn open(store: &Arc<InMemory>, folder: &TempDir) -> House {
        House::open_at(store, folder, Clock::wall()).await
    }

    async fn open_at(store: &Arc<InMemory>, folder: &TempDir, clock: Clock) -> House {
        let key = SecretKey::load_or_create(&folder.path().join("key")).unwrap();
        let place = format!("sqlite:{}", folder.path().join("catalog.db").display());
        let catalog = Catalog::open(&place, key, clock.clone()).await.unwrap();
        let lake = Lake::with_store(store.clone(), Url::parse("memory:///lake").unwrap(), clock.clone());
        let events = EventLog::new(clock.clone());
        let feeds = Feeds::new(catalog.clone(), events.clone(), clock.clone(), Handle::current(), Handle::current(), MEMORY_BYTES);
        let runtime = Arc::new(RuntimeEnv::default());
        lake.register(&runtime);
        let services = Arc::new(FlowServices { lake, catalog, clock, feeds, events, views: Views::default(), runtime });
        let supervisor = Supervisor::new(services.clone(), Handle::current());
        supervisor.start_all().unwrap();
        House { services, supervisor }
    }

    async fn create(&self, name: &str, definition: Definition) -> Object {
        let created_at = self.services.clock.now();
        let object = Object { id: ObjectId::new(), name: Name::new(name).unwrap(), sql: String::new(), created_at, definition };
        self.services.catalog.commit(vec![Change::Create(object.clone())]).await.unwrap();
        object
    }

    /// `t (k bigint, v bigint)`
    async fn table(&self) -> Object {
        let columns = ["k", "v"].map(|name| TableColumn { name: name.to_string(), data_type: SqlType::BigInt, not_null: false });
        make_table(&self.services.lake).await;
        let definition = TableDef {
            location: "t".to_string(),
            columns: columns.to_vec(),
            partition_by: vec![],
            mode: SchemaMode::Evolve,
            target_file_bytes: FILE_BYTES,
        };
        self.create("t", Definition::Table(definition)).await
    }

    async fn view(&self, name: &str, query: &str, of: &Object, columns: [&[&str]; 2]) -> Object {
        self.view_of(name, query, &[(of, columns[0])], columns[1]).await
    }

    /// A view of several relations, of each of which it reads some columns.
    async fn view_of(&self, name: &str, query: &str, of: &[(&Object, &[&str])], columns: &[&str]) -> Object {
        let view = self.define(name, query, of, columns).await;
        self.supervisor.start(&view).unwrap();
        self.supervisor.populated(view.id, &view.name).await.unwrap();
        view
    }

    /// The same, without running it.
    async fn define(&self, name: &str, query: &str, of: &[(&Object, &[&str])], columns: &[&str]) -> Object {
        let column = |name: &&str| ViewColumn { name: name.to_string(), data_type: SqlType::BigInt };
        let input = |(of, columns): &(&Object, &[&str])| ViewInput {
            relation: of.id,
            columns: columns.iter().map(|name| name.to_string()).collect(),
        };
        let definition = ViewDef {
            job: JobId::new(),
            query: query.to_string(),
            inputs: of.iter().map(input).collect(),
            columns: columns.iter().map(column).collect(),
            emit: Emit::OnChange,
            commit_interval_ms: 3_600_000,
            start: None,
            state: DesiredState::Running,
        };
        self.create(name, Definition::View(definition)).await
    }

    async fn insert(&self, rows: &[(i64, i64)]) {
        let adds = self.write(rows).await;
        self.commit(adds).await;
    }

    /// Writes files that no commit names yet.
    async fn write(&self, rows: &[(i64, i64)]) -> Vec<AddedFile> {
        let table = self.services.lake.table("t").unwrap();
        let column = |of: fn(&(i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
        let rows = RecordBatch::try_from_iter([("k", column(|row| row.0)), ("v", column(|row| row.1))]).unwrap();
        let mut writer = table.writer(&table.refresh().await.unwrap(), FILE_BYTES).unwrap();
        writer.write(rows).await.unwrap();
        writer.close().await.unwrap()
    }

    async fn commit(&self, adds: Vec<AddedFile>) {
        let table = self.services.lake.table("t").unwrap();
        table.commit(Commit { adds, transaction: None, operation: Operation::Write }).await.unwrap();
    }

    async fn flush(&self) {
        let not_flushed: Vec<_> = self.supervisor.flush().await.into_iter().map(|job| job.name).collect();
        assert_eq!(not_flushed, [], "{:?}", self.services.events.list());
    }

    /// The rows of a view of two columns.
    fn read(&self, view: &Object) -> BTreeMap<i64, i64> {
        rows(&self.services.views.get(view.id).newest().unwrap())
    }

    /// Waits until a view shows this.
    async fn wait_for(&self, view: &Object, expected: &BTreeMap<i64, i64>) {
        let mut changed = self.services.views.get(view.id).subscribe();
        let shows = || self.services.views.get(view.id).newest().is_some_and(|newest| rows(&newest) == *expected);
        let waits = async {
            while !shows() {
                changed.changed().await.unwrap();
            }
        };
        let waited = tokio::time::timeout(DEADLINE, waits).await;
        assert!(waited.is_ok(), "\"{}\" does not come to {expected:?}: {:?}", view.name, self.services.events.list());
    }

    fn times(&self, kind: EventKind) -> usize {
        self.services.events.list().iter().filter(|event| event.kind == kind).count()
    }

    fn manifests(&self, view: &Object) -> Manifests {
        let Definition::View(definition) = &view.definition else { panic!("not a view") };
        Manifests::new(self.services.lake.clone(), self.services.clock.clone(), definition.job)
    }
}

async fn make_table(lake: &Lake) {
    let schema = Schema::new(["k", "v"].map(|name| Field::new(name, DataType::Int64, true)).to_vec());
    lake.table("t").unwrap().create(Arc::new(schema), &[], "t").await.unwrap();
}

/// When a test gives up.
const DEADLINE: Duration = Duration::from_secs(60);

/// The rows of two columns.
fn rows(version: &Version) -> BTreeMap<i64, i64> {
    let mut rows = BTreeMap::new();
    for chunk in version.chunks() {
        let batch = chunk.read(&[0, 1]).unwrap();
        let [keys, values] = [0, 1].map(|column| batch.column(column).as_primitive::<Int64Type>().values().to_vec());
        rows.extend(keys.into_iter().zip(values));
    }
    rows
}

const SUMS: &str = "SELECT k, CAST(sum(v) AS bigint) AS s FROM t GROUP BY k";

fn sums(rows: &[(i64, i64)]) -> BTreeMap<i64, i64> {
    let mut sums = BTreeMap::new();
    rows.iter().for_each(|(k, v)| *sums.entry(*k).or_default() += v);
    sums
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_server_goes_on_from_the_bucket_alone() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let mut house = House::open(&store, &folder).await;
    let table = house.table().await;
    let view = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    let mut all = vec![];
    for round in 0..20i64 {
        let rows: Vec<_> = (0..50).map(|row| ((row * round) % 17, row)).collect();
        house.insert(&rows).await;
        all.extend(rows);
        house.flush().await;
        assert_eq!(house.read(&view), sums(&all), "round {round}");
        // What is not flushed is not lost either: the table has it.
        house.insert(&[(round, 1)]).await;
        all.push((round, 1));
        if round % 3 == 0 {
            house = House::open(&store, &folder).await;
            house.supervisor.populated(view.id, &view.name).await.unwrap();
        }
    }
    house.flush().await;
    assert_eq!(house.read(&view), sums(&all));
    assert_eq!(house.times(EventKind::ViewComputedAnew), 0);
    let state = house.manifests(&view).newest().await.unwrap().unwrap().state.unwrap();
    let parts: Vec<_> = state.objects.iter().flat_map(|object| &object.parts).collect();
    assert!(parts.iter().any(|part| part.kind == PartKind::Changes), "{parts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_happens_and_nothing_is_written() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    let view = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    let before = house.manifests(&view).newest().await.unwrap().unwrap().epoch;
    house.flush().await;
    house.flush().await;
    assert_eq!(house.manifests(&view).newest().await.unwrap().unwrap().epoch, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_plan_saved_is_of_no_use() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    let view = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    house.insert(&[(1, 1), (2, 2)]).await;
    house.flush().await;
    house.supervisor.stop(view.id).await;
    let other = "SELECT k, CAST(sum(v + 1) AS bigint) AS s FROM t GROUP BY k";
    let update = |object: &mut Object| {
        let Definition::View(definition) = &mut object.definition else { panic!("not a view") };
        definition.query = other.to_string();
        Ok(())
    };
    house.services.catalog.update(view.id, update).await.unwrap();
    let house = House::open(&store, &folder).await;
    house.wait_for(&view, &sums(&[(1, 2), (2, 3)])).await;
    // Until it is committed readers of a next server would be shown what was before.
    house.flush().await;
    assert_eq!(house.times(EventKind::ViewComputedAnew), 1);
    let house = House::open(&store, &folder).await;
    house.insert(&[(1, 1)]).await;
    house.supervisor.populated(view.id, &view.name).await.unwrap();
    house.flush().await;
    assert_eq!(house.read(&view), sums(&[(1, 4), (2, 3)]));
    assert_eq!(house.times(EventKind::ViewComputedAnew), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_of_a_view_goes_on_from_the_epoch_that_it_had() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    let lower = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    let upper = house.view("twice", "SELECT k, s * 2 AS s FROM sums WHERE s > 0", &lower, [&["k", "s"], &["k", "s"]]).await;
    house.insert(&[(1, 1), (2, 2)]).await;
    house.flush().await;
    assert_eq!(house.read(&upper), sums(&[(1, 2), (2, 4)]));
    house.supervisor.stop(upper.id).await;
    for value in 0..5 {
        house.insert(&[(value, 10), (1, -1)]).await;
        let _ = house.supervisor.flush().await;
    }
    let expected = BTreeMap::from([(0, 20), (1, 12), (2, 24), (3, 20), (4, 20)]);
    let house = House::open(&store, &folder).await;
    house.supervisor.populated(upper.id, &upper.name).await.unwrap();
    house.flush().await;
    assert_eq!(house.read(&upper), expected);
    assert_eq!(house.times(EventKind::ViewComputedAnew), 0);
}
