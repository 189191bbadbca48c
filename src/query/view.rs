//! A materialized view as a relation: a version of what its job has published.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::{TableType, provider_as_source, source_as_provider};
use datafusion::error::Result as DataFusionResult;
use datafusion::logical_expr::{Expr, LogicalPlan, TableProviderFilterPushDown, TableScan};
use datafusion::physical_plan::ExecutionPlan;
use futures::FutureExt;
use futures::future::select_all;
use tokio::time::{Instant, sleep, timeout};

use super::QueryServices;
use super::freshness;
use super::view_keys::{keys, wanted};
use super::view_scan::ViewScan;
use crate::catalog::{IndexDef, Object, ViewDef};
use crate::error::{Error, Result, SqlState};
use crate::flow::job;
use crate::flow::published::{Cut, Keys, Published, Version, cut, newest};
use crate::model::{Name, ObjectId};

/// How long a query waits for views to agree that were computed from one table. All stop at every 16th version of it, so they come to agree
/// unless one is far behind.
const AGREEMENT_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a query waits for views to become as fresh as it wants them.
const FRESHNESS_WAIT_MAX: Duration = Duration::from_secs(10);
const FRESHNESS_LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// How often views that are waited for are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// A view can be planned with as soon as it is defined; it is read once its job has published it.
#[derive(Clone)]
pub struct View {
    pub(super) id: ObjectId,
    pub(super) name: Name,
    pub(super) schema: SchemaRef,
    /// By what rows are looked up: the columns in which no two are alike, if there are some, and those of its indexes.
    pub(super) paths: Vec<Vec<usize>>,
    services: Arc<QueryServices>,
    /// What is read, whatever is published meanwhile. `None`: the newest.
    version: Option<Arc<Version>>,
}

impl View {
    pub fn new(object: &Object, view: &ViewDef, services: Arc<QueryServices>) -> View {
        let schema = schema_of(view);
        let catalog = services.flow.catalog.snapshot();
        let columns = |index: &IndexDef| index.columns.iter().map(|name| schema.index_of(name).ok()).collect::<Option<Vec<_>>>();
        let paths = view.unique.clone().into_iter().chain(catalog.indexes_of(object.id).filter_map(columns)).collect();
        View { id: object.id, name: object.name.clone(), schema, paths, services, version: None }
    }

    pub(super) fn published(&self) -> Arc<Published> {
        self.services.flow.views.get(self.id)
    }
}

/// The columns of a view as Arrow has them. All may be null.
pub fn schema_of(view: &ViewDef) -> SchemaRef {
    job::schema_of(view)
}

/// Whether rows can be looked up by a column of this type.
pub fn can_be_looked_up(data_type: &DataType) -> bool {
    Keys::allow(data_type)
}

/// Chooses for all views in a plan versions that agree with each other. Waits for those that have not been populated.
///
/// Errors: 55000 if they cannot be had in time with what came in the last `max_staleness`.
pub async fn pin(plan: LogicalPlan, max_staleness: Option<Duration>) -> Result<LogicalPlan> {
    let views = views_in(&plan)?;
    if views.is_empty() {
        return Ok(plan);
    }
    for view in &views {
        view.services.supervisor.populated(view.id, &view.name).await?;
    }
    let versions = match max_staleness {
        Some(limit) => fresh(&views, limit).await?,
        None => agreed(&views).await?,
    };
    let pinned = plan.transform_down_with_subqueries(|node| match node {
        LogicalPlan::TableScan(scan) => Ok(match view_of(&scan) {
            Some(view) => {
                let view = View { version: versions.get(&view.id).cloned(), ..view };
                Transformed::yes(LogicalPlan::TableScan(TableScan { source: provider_as_source(Arc::new(view)), ..scan }))
            }
            None => Transformed::no(LogicalPlan::TableScan(scan)),
        }),
        other => Ok(Transformed::no(other)),
    });
    Ok(pinned?.data)
}

/// Versions that agree, and are no older than `limit`. They are waited for unless their jobs do not run.
async fn fresh(views: &[View], limit: Duration) -> Result<Cut> {
    let until = Instant::now() + FRESHNESS_WAIT_MAX;
    loop {
        let cut = agreed(views).await?;
        let mut ages = views.iter().map(|view| (view, cut.get(&view.id).and_then(|version| view.age(version))));
        let Some((stale, age)) = ages.find(|(_, age)| age.is_none_or(|age| age > limit)) else { return Ok(cut) };
        if Instant::now() >= until || !stale.services.supervisor.goes_on(stale.id) {
            return Err(freshness::too_old(&stale.name, age, limit));
        }
        sleep(FRESHNESS_LOOK_INTERVAL).await;
    }
}

/// Versions that agree. Where none do they are waited for. A view that does not go on, for it is paused or has failed, cannot come to agree:
/// then each is read as it is.
///
/// Errors: 40001 if they go on and have not come to agree in time.
async fn agreed(views: &[View]) -> Result<Cut> {
    let published: Vec<_> = views.iter().map(|view| (view.id, view.published())).collect();
    let mut changes: Vec<_> = published.iter().map(|(_, published)| published.subscribe()).collect();
    let until = Instant::now() + AGREEMENT_WAIT_MAX;
    loop {
        changes.iter_mut().for_each(|changes| changes.mark_unchanged());
        if let Some(cut) = cut(&published) {
            return Ok(cut);
        }
        let goes_on = |view: &View| view.services.supervisor.goes_on(view.id);
        if !views.iter().all(goes_on) {
            return newest(&published).ok_or_else(|| Error::internal("a view that was populated shows nothing"));
        }
        if Instant::now() >= until {
            return Err(of_different_moments(views));
        }
        // The state of a job tells nobody when it changes.
        let _ = timeout(LOOK_INTERVAL, select_all(changes.iter_mut().map(|changes| changes.changed().boxed()))).await;
    }
}

fn of_different_moments(views: &[View]) -> Error {
    let names = views.iter().map(|view| format!("\"{}\"", view.name)).collect::<Vec<_>>().join(", ");
    Error::unavailable(format!("materialized views {names} show nothing that is of one moment"))
        .with_state(SqlState::SERIALIZATION_FAILURE)
        .with_detail(format!(
            "they were computed from the same table, and did not come to agree within {} seconds",
            AGREEMENT_WAIT_MAX.as_secs()
        ))
        .with_hint("try again, or read them one by one; lakewire.views shows which one is behind")
}

/// Each view once.
fn views_in(plan: &LogicalPlan) -> Result<Vec<View>> {
    let mut views: Vec<View> = vec![];
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && let Some(view) = view_of(scan)
            && !views.iter().any(|known| known.id == view.id)
        {
            views.push(view);
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(views)
}

pub(super) fn view_of(scan: &TableScan) -> Option<View> {
    let provider = source_as_provider(&scan.source).ok()?;
    provider.as_ref().downcast_ref::<View>().cloned()
}

#[async_trait]
impl TableProvider for View {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    /// Keys are found by their hash, so that the query still looks at what is found.
    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> DataFusionResult<Vec<TableProviderFilterPushDown>> {
        let fields = self.schema.fields();
        let helps = |filter: &&Expr| self.paths.iter().flatten().any(|column| wanted(filter, fields[*column].name()).is_some());
        let answer = |filter: &&Expr| match helps(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(answer).collect())
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
        let version = match &self.version {
            Some(version) => version.clone(),
            None => self.published().newest().ok_or_else(|| self.unpopulated())?,
        };
        let columns: Vec<usize> = projection.cloned().unwrap_or_else(|| (0..self.schema.fields().len()).collect());
        let keys = keys(filters, &self.paths, &self.schema)?;
        let at_once = state.config().target_partitions();
        Ok(Arc::new(ViewScan::new(self.name.clone(), version, columns, keys, limit, at_once)?))
    }
}

impl View {
    fn age(&self, version: &Version) -> Option<Duration> {
        self.published().age(version, self.services.flow.clock.now_micros())
    }

    fn unpopulated(&self) -> Error {
        Error::state(format!("materialized view \"{}\" has not been populated", self.name))
            .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
            .with_hint("lakewire.views shows how it is")
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({})", self.name)
    }
}
