//! One server over a lake in memory, without sockets. Another may be opened over the same store: it takes the jobs over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
use object_store::ObjectStore;
use tempfile::TempDir;
use tokio::runtime::Handle;
use url::Url;

use super::super::super::FlowServices;
use super::super::super::events::{EventKind, EventLog};
use super::super::super::feed::Feeds;
use super::super::super::manifest::Manifests;
use super::super::super::published::{Version, Views};
use super::super::super::supervisor::Supervisor;
use super::super::Status;
use crate::catalog::{
    Catalog, Change, Definition, DesiredState, Emit, Format, Object, PipelineDef, SecretKey, SourceDef, TableColumn, TableDef, ViewColumn,
    ViewDef, ViewInput,
};
use crate::clock::Clock;
use crate::lake::{AddedFile, Commit, Lake, LakeTable, Operation};
use crate::model::{JobId, Name, ObjectId, Options, SchemaMode, SqlType};

const MEMORY_BYTES: u64 = 64 << 20;
const FILE_BYTES: u64 = 1 << 20;

pub struct House {
    pub services: Arc<FlowServices>,
    pub supervisor: Supervisor,
}

impl House {
    pub async fn open(store: &Arc<impl ObjectStore>, folder: &TempDir) -> House {
        House::open_at(store, folder, Clock::wall()).await
    }

    pub async fn open_at(store: &Arc<impl ObjectStore>, folder: &TempDir, clock: Clock) -> House {
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

    pub async fn create(&self, name: &str, definition: Definition) -> Object {
        let created_at = self.services.clock.now();
        let object = Object { id: ObjectId::new(), name: Name::new(name).unwrap(), sql: String::new(), created_at, definition };
        self.services.catalog.commit(vec![Change::Create(object.clone())]).await.unwrap();
        object
    }

    /// `t (k bigint, v bigint)`
    pub async fn table(&self) -> Object {
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

    /// Records of the generator, of which a thousand a second come due by the clock.
    pub async fn source(&self) -> Object {
        let definition = SourceDef {
            connector: "generator".to_string(),
            format: Format::Json,
            flatten: false,
            mode: SchemaMode::Evolve,
            start: None,
            options: Options::default().with("rate", "1000"),
            columns: vec![],
            watermark: None,
        };
        self.create("s", Definition::Source(definition)).await
    }

    /// A table named like the pipeline, which gets the offset of each record as `o`.
    pub async fn pipeline(&self, name: &str, source: &Object) -> Object {
        self.pipeline_with(name, source, "SELECT _offset AS o FROM s", vec![]).await
    }

    /// The same for a pipeline that remembers what it has seen.
    pub async fn kept_pipeline(&self, name: &str, source: &Object) -> Object {
        let kept_inputs = vec![ViewInput { relation: source.id, columns: vec![], called: None }];
        self.pipeline_with(name, source, "SELECT DISTINCT _offset AS o FROM s", kept_inputs).await
    }

    async fn pipeline_with(&self, name: &str, source: &Object, query: &str, kept_inputs: Vec<ViewInput>) -> Object {
        let table = TableDef {
            location: name.to_string(),
            columns: vec![],
            partition_by: vec![],
            mode: SchemaMode::Evolve,
            target_file_bytes: FILE_BYTES,
        };
        let table = self.create(name, Definition::Table(table)).await;
        let definition = PipelineDef {
            job: JobId::new(),
            query: query.to_string(),
            sources: vec![source.id],
            target: table.id,
            target_columns: None,
            expectations: vec![],
            commit_interval_ms: 3_600_000,
            start: None,
            emit: Emit::OnChange,
            kept_inputs,
            state: DesiredState::Running,
        };
        let pipeline = self.create(name, Definition::Pipeline(definition)).await;
        self.supervisor.start(&pipeline).unwrap();
        pipeline
    }

    pub async fn view(&self, name: &str, query: &str, of: &Object, columns: [&[&str]; 2]) -> Object {
        self.view_of(name, query, &[(of, columns[0])], columns[1]).await
    }

    /// A view of several relations, of each of which it reads some columns.
    pub async fn view_of(&self, name: &str, query: &str, of: &[(&Object, &[&str])], columns: &[&str]) -> Object {
        let view = self.define(name, query, of, columns).await;
        self.supervisor.start(&view).unwrap();
        self.supervisor.populated(view.id, &view.name).await.unwrap();
        view
    }

    /// The same, without running it.
    pub async fn define(&self, name: &str, query: &str, of: &[(&Object, &[&str])], columns: &[&str]) -> Object {
        let column = |name: &&str| ViewColumn { name: name.to_string(), data_type: SqlType::BigInt };
        let input = |(of, columns): &(&Object, &[&str])| ViewInput {
            relation: of.id,
            columns: columns.iter().map(|name| name.to_string()).collect(),
            called: None,
        };
        let definition = ViewDef {
            job: JobId::new(),
            query: query.to_string(),
            inputs: of.iter().map(input).collect(),
            columns: columns.iter().map(column).collect(),
            unique: None,
            emit: Emit::OnChange,
            commit_interval_ms: 3_600_000,
            start: None,
            state: DesiredState::Running,
            replaces: None,
        };
        self.create(name, Definition::View(definition)).await
    }

    /// `t`, the sums of it, and a view that shows these.
    pub async fn stacked(&self) -> [Object; 3] {
        let table = self.table().await;
        let lower = self.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
        let upper = self.view("same", "SELECT k, s FROM sums", &lower, [&["k", "s"], &["k", "s"]]).await;
        [table, lower, upper]
    }

    /// Has a view be another query, as an upgrade of the server might.
    pub async fn plan_otherwise(&self, view: &Object, query: &str) {
        let update = |object: &mut Object| {
            let Definition::View(definition) = &mut object.definition else { panic!("not a view") };
            definition.query = query.to_string();
            Ok(())
        };
        self.services.catalog.update(view.id, update).await.unwrap();
    }

    pub async fn insert(&self, rows: &[(i64, i64)]) {
        let adds = self.write(rows).await;
        self.commit(adds).await;
    }

    /// Writes files that no commit names yet.
    pub async fn write(&self, rows: &[(i64, i64)]) -> Vec<AddedFile> {
        let table = self.services.lake.table("t").unwrap();
        let column = |of: fn(&(i64, i64)) -> i64| Arc::new(Int64Array::from_iter_values(rows.iter().map(of))) as ArrayRef;
        let rows = RecordBatch::try_from_iter([("k", column(|row| row.0)), ("v", column(|row| row.1))]).unwrap();
        let mut writer = table.writer(&table.refresh().await.unwrap(), FILE_BYTES).unwrap();
        writer.write(rows).await.unwrap();
        writer.close().await.unwrap()
    }

    pub async fn commit(&self, adds: Vec<AddedFile>) {
        let table = self.services.lake.table("t").unwrap();
        table.commit(Commit { adds, transaction: None, operation: Operation::Write }).await.unwrap();
    }

    pub async fn flush(&self) {
        let not_flushed: Vec<_> = self.supervisor.flush().await.into_iter().map(|job| job.name).collect();
        assert_eq!(not_flushed, [], "{:?}", self.services.events.list());
    }

    /// The rows of a view of two columns.
    pub fn read(&self, view: &Object) -> BTreeMap<i64, i64> {
        rows(&self.services.views.get(view.id).newest().unwrap())
    }

    /// Waits until a view shows this.
    pub async fn wait_for(&self, view: &Object, expected: &BTreeMap<i64, i64>) {
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

    pub fn times(&self, kind: EventKind) -> usize {
        self.services.events.list().iter().filter(|event| event.kind == kind).count()
    }

    /// How many rows the table of a pipeline has, each with another offset.
    pub async fn rows(&self, table: &str) -> u64 {
        let table = self.services.lake.table(table).unwrap();
        let context = SessionContext::new();
        self.services.lake.register(&context.runtime_env());
        context.register_table("t", Arc::new(LakeTable::new(table.clone(), table.refresh().await.unwrap()))).unwrap();
        let rows = context.sql("SELECT o FROM t").await.unwrap().count().await.unwrap();
        let offsets = context.sql("SELECT DISTINCT o FROM t").await.unwrap().count().await.unwrap();
        assert_eq!(rows, offsets, "rows are doubled");
        rows as u64
    }

    pub fn manifests(&self, of: &Object) -> Manifests {
        Manifests::new(self.services.lake.clone(), self.services.clock.clone(), job_of(of))
    }

    /// How the job of this object is.
    pub fn status(&self, of: &Object) -> Status {
        self.supervisor.statuses().into_iter().find(|(id, ..)| *id == of.id).unwrap().2
    }
}

pub async fn make_table(lake: &Lake) {
    let schema = Schema::new(["k", "v"].map(|name| Field::new(name, DataType::Int64, true)).to_vec());
    lake.table("t").unwrap().create(Arc::new(schema), &[], "t").await.unwrap();
}

/// When a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The rows of two columns.
pub fn rows(version: &Version) -> BTreeMap<i64, i64> {
    let mut rows = BTreeMap::new();
    for chunk in version.chunks() {
        let batch = chunk.read(&[0, 1]).unwrap();
        let [keys, values] = [0, 1].map(|column| batch.column(column).as_primitive::<Int64Type>().values().to_vec());
        rows.extend(keys.into_iter().zip(values));
    }
    rows
}

pub fn job_of(object: &Object) -> JobId {
    object.definition.job().unwrap().0
}

/// The query of a view over `t`, and what it answers.
pub const SUMS: &str = "SELECT k, CAST(sum(v) AS bigint) AS s FROM t GROUP BY k";

pub fn sums(rows: &[(i64, i64)]) -> BTreeMap<i64, i64> {
    let mut sums = BTreeMap::new();
    rows.iter().for_each(|(k, v)| *sums.entry(*k).or_default() += v);
    sums
}
