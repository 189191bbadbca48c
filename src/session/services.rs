//! Everything that runs behind the sessions, put together at start and taken down in order.

use std::sync::Arc;
use std::time::Duration;

use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::SessionContext;
use tokio::runtime::Handle;

use super::replacing;
use crate::catalog::{Catalog, SecretKey};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::flow::FlowServices;
use crate::flow::events::EventLog;
use crate::flow::feed::Feeds;
use crate::flow::maintenance::Maintenance;
use crate::flow::published::Views;
use crate::flow::supervisor::Supervisor;
use crate::lake::Lake;
use crate::query::{QueryServices, relations};

/// How many consumers a "resources exhausted" error names.
const MEMORY_CONSUMERS_NAMED: usize = 5;
const SECRET_KEY_FILE: &str = "secret.key";

/// One per server.
pub struct Services {
    pub query: Arc<QueryServices>,
    pub flow: Arc<FlowServices>,
    pub supervisor: Arc<Supervisor>,
    pub context: SessionContext,
    maintenance: Maintenance,
}

impl Services {
    /// Opens the catalog and the lake and starts every job. `network` serves sockets, `compute` runs queries and jobs.
    pub async fn start(config: Config, clock: Clock, network: Handle, compute: Handle) -> Result<Arc<Services>> {
        std::fs::create_dir_all(&config.data_dir)
            .map_err(|error| Error::unavailable(format!("cannot make the folder {}", config.data_dir.display())).with_cause(error))?;
        let key = SecretKey::load_or_create(&config.data_dir.join(SECRET_KEY_FILE))?;
        let catalog = Catalog::open(&config.catalog, key, clock.clone()).await?;
        let lake = Lake::open(&config.lake, &config.s3, clock.clone()).await?;
        lake.check().await?;
        replacing::remove_leftovers(&catalog, &lake, &clock).await?;
        Services::start_on(config, catalog, lake, clock, network, compute)
    }

    /// The same over a catalog and a lake that are open already.
    pub fn start_on(config: Config, catalog: Catalog, lake: Lake, clock: Clock, network: Handle, compute: Handle) -> Result<Arc<Services>> {
        let events = EventLog::new(clock.clone());
        let feeds = Feeds::new(catalog.clone(), events.clone(), clock.clone(), network, compute.clone(), config.memory_limit_bytes);
        let runtime = runtime(&config)?;
        lake.register(&runtime);
        let flow = FlowServices { lake, catalog, clock, feeds, events, views: Views::default(), runtime: runtime.clone() };
        let flow = Arc::new(flow);
        let supervisor = Arc::new(Supervisor::new(flow.clone(), compute.clone()));
        let maintenance = Maintenance::start(flow.clone(), &compute);
        let query = Arc::new(QueryServices { config, flow: flow.clone(), supervisor: supervisor.clone(), runtime, compute });
        let context = relations::context(&query)?;
        supervisor.start_all()?;
        Ok(Arc::new(Services { query, flow, supervisor, context, maintenance }))
    }

    /// Commits what the jobs have, within `limit`.
    pub async fn shut_down(&self, limit: Duration) {
        self.maintenance.stop().await;
        self.supervisor.shut_down(limit).await;
        self.flow.feeds.keep_tallies().await;
    }
}

fn runtime(config: &Config) -> Result<Arc<RuntimeEnv>> {
    let pool = FairSpillPool::new(config.memory_limit_bytes as usize);
    let named = std::num::NonZeroUsize::new(MEMORY_CONSUMERS_NAMED).expect("the number is not zero");
    Ok(RuntimeEnvBuilder::new().with_memory_pool(Arc::new(TrackConsumersPool::new(pool, named))).build_arc()?)
}
