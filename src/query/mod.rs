//! Answers SELECT: what names mean (`relations`), what a source shows (`peek`), what the server tells of itself (`system`), where the
//! work is done (`run`), and what is answered without a plan (`look_up`).

mod freshness;
pub mod look_up;
pub mod peek;
pub mod pg_catalog;
pub mod relations;
pub mod run;
pub mod subscription;
pub mod system;
pub mod view;
mod view_keys;
mod view_scan;

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use tokio::runtime::Handle;

use crate::config::Config;
use crate::flow::FlowServices;
use crate::flow::supervisor::Supervisor;

/// What queries read.
pub struct QueryServices {
    pub config: Config,
    pub flow: Arc<FlowServices>,
    pub supervisor: Arc<Supervisor>,
    /// Memory and object stores, shared by all queries.
    pub runtime: Arc<RuntimeEnv>,
    /// Where queries compute. The threads that serve sockets do no more than look a few rows up (`look_up`).
    pub compute: Handle,
}
