//! One run of a pipeline's job: from the newest manifest until it is told to stop, or fails.
//!
//! 1. `recover` reads the newest manifest, publishes its epoch again (a repeat is harmless), and takes the job over by committing an empty
//!    epoch as a new owner.
//! 2. `work` hands batches from the shared reader through the query into the target's files, and rejects into theirs.
//! 3. `commit` ends an epoch: files, manifest, publication (`epoch.rs`). When it is due says `Epoch`.
//!
//! Nothing here is remembered between runs but what the manifests say, and whether this server was overtaken.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until};

use super::super::FlowServices;
use super::super::compile::{Compiled, Input};
use super::super::events::EventKind;
use super::super::feed::FeedBatch;
use super::super::manifest::PreparedCommit;
use super::super::rejects;
use super::super::target::Target;
use super::epoch::{Contents, OpenEpoch};
use super::inputs::{Found, Inputs};
use super::spec::PipelineSpec;
use super::{Control, JobSpec, JobStatus, LISTING_INTERVAL, StandingOrders};
use crate::error::Result;
use crate::model::PartitionId;

/// So many batches are worked on before the job looks up: at its orders, and at the clock.
const BATCHES_AT_ONCE_MAX: usize = 16;

/// Runs until it is told to stop. An error ends the run; whether it can be tried again says its kind.
pub async fn run(
    spec: &JobSpec,
    pipeline: &PipelineSpec,
    services: &FlowServices,
    status: &JobStatus,
    control: &mut mpsc::Receiver<Control>,
    standing: &mut StandingOrders,
) -> Result<()> {
    let (epoch, found) = OpenEpoch::recover(spec, services, status, standing).await?;
    let target = Target::open(pipeline.target.clone()).await?;
    let inputs = Inputs::open(&spec.sources, &services.feeds, found.positions).await?;
    let mut job = Job { spec, pipeline, services, status, epoch, target, inputs, compiled: None };
    job.epoch.take_over(Contents { positions: job.inputs.positions(), ..Contents::default() }, standing).await?;
    status.running(job.inputs.status());
    services.events.add(EventKind::JobStarted, spec.name.as_str(), &format!("running from epoch {}", job.epoch.number()));
    let ended = job.work(control, standing).await;
    if ended.is_err() {
        job.give_up().await;
    }
    ended
}

struct Job<'a> {
    spec: &'a JobSpec,
    pipeline: &'a PipelineSpec,
    services: &'a FlowServices,
    status: &'a JobStatus,
    epoch: OpenEpoch<'a>,
    target: Target,
    inputs: Inputs,
    compiled: Option<Compiled>,
}

impl Job<'_> {
    async fn work(&mut self, control: &mut mpsc::Receiver<Control>, standing: &mut StandingOrders) -> Result<()> {
        let mut listing = interval(LISTING_INTERVAL);
        listing.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let wake = self.inputs.wake();
        if standing.has_waiting() {
            self.inputs.mark().await?;
        }
        loop {
            let is_busy = self.take_batches().await?;
            self.commit_if_due().await?;
            self.answer_flushes(standing).await?;
            tokio::select! {
                biased;
                order = control.recv() => match order {
                    Some(Control::Flush(answer)) => {
                        standing.add(answer);
                        self.inputs.mark().await?;
                    }
                    Some(Control::Stop) | None => {
                        standing.is_stopping = true;
                        return self.commit().await;
                    }
                },
                _ = listing.tick() => self.inputs.begin_listing(),
                listing = self.inputs.next_listing() => {
                    let begun = self.inputs.admit(listing?).await?;
                    self.tell_begun(begun);
                }
                // Others on this thread have their turn too.
                () = tokio::task::yield_now(), if is_busy => {}
                () = wake.notified() => {}
                () = sleep_until(self.epoch.due()), if self.is_dirty() => {}
            }
        }
    }

    /// Works on what is there. True if there is probably more.
    async fn take_batches(&mut self) -> Result<bool> {
        for _ in 0..BATCHES_AT_ONCE_MAX {
            match self.inputs.look()? {
                Found::Batch { source, batch } => self.process(source, &batch).await?,
                Found::PartitionEnded { source, partition } => {
                    let what = format!("all of partition {partition} is read");
                    self.services.events.add(EventKind::PartitionEnded, self.inputs.name(source).as_str(), &what);
                    self.list_partitions().await?;
                }
                Found::Nothing => return Ok(false),
            }
            if self.is_full() {
                return Ok(true);
            }
        }
        Ok(true)
    }

    async fn process(&mut self, source: usize, batch: &Arc<FeedBatch>) -> Result<()> {
        if batch.rows.num_rows() > 0 {
            self.compile_for(source, batch).await?;
            let compiled = self.compiled.as_ref().expect("compiled just above");
            let output = compiled.run(self.inputs.id(source), batch).await?;
            self.epoch.count_output(&output);
            self.target.write(&output.rows).await?;
        }
        if !batch.rejects.is_empty() {
            let rows = rejects::rows(&self.spec.name, self.inputs.name(source), batch)?;
            self.epoch.reject(&rows).await?;
        }
        self.epoch.count(batch);
        self.inputs.advance(source, batch);
        Ok(())
    }

    async fn compile_for(&mut self, source: usize, batch: &FeedBatch) -> Result<()> {
        let id = self.inputs.id(source);
        if self.compiled.as_ref().is_some_and(|compiled| compiled.knows(id, batch.rows.num_columns())) {
            return Ok(());
        }
        let inputs: Vec<Input> = self.inputs.compile_inputs();
        self.compiled = Some(Compiled::anew(&self.pipeline.query, &inputs, &self.pipeline.expectations).await?);
        Ok(())
    }

    async fn list_partitions(&mut self) -> Result<()> {
        let begun = self.inputs.list_partitions().await?;
        self.tell_begun(begun);
        Ok(())
    }

    fn tell_begun(&self, begun: Vec<(usize, PartitionId)>) {
        for (source, partition) in begun {
            let what = format!("partition {partition} is read");
            self.services.events.add(EventKind::PartitionBegun, self.inputs.name(source).as_str(), &what);
        }
        self.status.inputs(self.inputs.status());
    }

    fn is_dirty(&self) -> bool {
        self.inputs.has_advanced()
    }

    fn is_full(&self) -> bool {
        self.epoch.is_full() || self.target.is_full()
    }

    async fn commit_if_due(&mut self) -> Result<()> {
        match self.is_dirty() && (self.is_full() || self.epoch.due() <= Instant::now()) {
            true => self.commit().await,
            false => Ok(()),
        }
    }

    async fn commit(&mut self) -> Result<()> {
        if self.is_dirty() {
            let target = PreparedCommit { table: self.pipeline.target.location.clone(), files: self.target.seal().await? };
            self.epoch.commit(Contents { positions: self.inputs.positions(), target: Some(target), ..Contents::default() }).await?;
            self.inputs.committed();
        }
        self.status.inputs(self.inputs.status());
        Ok(())
    }

    /// After an error: what is not sealed yet, and what sealed files are still in the target's hands, are named by nothing.
    async fn give_up(&mut self) {
        self.target.discard().await;
        self.epoch.give_up().await;
    }

    async fn answer_flushes(&mut self, standing: &mut StandingOrders) -> Result<()> {
        if standing.has_waiting() && self.inputs.have_passed_mark() {
            self.commit().await?;
            standing.answer_all();
        }
        Ok(())
    }
}
