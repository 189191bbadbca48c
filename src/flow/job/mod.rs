//! Jobs: what runs a pipeline or a materialized view, epoch by epoch.
//!
//! Both read sources through the shared reader (`inputs`) and commit by one protocol (`epoch`); what they do between is their own
//! (`pipeline`, `view`).

mod burial;
mod epoch;
mod inputs;
mod ownership;
mod pipeline;
mod spec;
mod status;
#[cfg(test)]
pub mod tests;
pub mod view;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::FlowServices;
use crate::error::Result;

use ownership::Ownership;
use spec::Work;

pub use burial::bury;
pub use spec::{JobSpec, schema_of, target_of};
pub use status::{InputStatus, JobState, JobStatus, Status};

/// How often the partitions of a source are listed anew.
const LISTING_INTERVAL: Duration = Duration::from_secs(5);

/// An order to a running job.
pub enum Control {
    /// Answer when everything that the inputs hold now is committed. If the job ends before, the sender is dropped.
    Flush(oneshot::Sender<()>),
    /// Commit the open epoch and end.
    Stop,
}

/// What outlives a run that fails and is tried again.
#[derive(Default)]
pub struct StandingOrders {
    waiting: Vec<oneshot::Sender<()>>,
    /// The job was told to stop. If its last commit fails, it stops all the same: what is not committed is read again later.
    pub is_stopping: bool,
    /// What a view has saved is of no use any more: the next run begins anew.
    is_outdated: bool,
    /// Whoever was overtaken does not take the job back by being tried again.
    ownership: Ownership,
}

impl StandingOrders {
    pub fn add(&mut self, answer: oneshot::Sender<()>) {
        self.waiting.push(answer);
    }

    fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn answer_all(&mut self) {
        for answer in self.waiting.drain(..) {
            // Whoever asked may have gone away.
            let _ = answer.send(());
        }
    }
}

/// Runs until it is told to stop. An error ends the run; whether it can be tried again says its kind.
pub async fn run(
    spec: &JobSpec,
    services: &FlowServices,
    status: &JobStatus,
    control: &mut mpsc::Receiver<Control>,
    standing: &mut StandingOrders,
) -> Result<()> {
    match &spec.work {
        Work::Pipeline(pipeline) => pipeline::run(spec, pipeline, services, status, control, standing).await,
        Work::View(view) => view::run(spec, view, services, status, control, standing).await,
    }
}
