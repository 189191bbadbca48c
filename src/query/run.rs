//! Runs a planned query on the compute threads, and hands its batches over as fast as they are taken.

use std::time::Duration;

use datafusion::execution::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::{SendableRecordBatchStream, execute_stream};
use futures::StreamExt;
use tokio::runtime::Handle;

use super::view;
use crate::error::Result;

/// Batches that wait between the threads.
const BATCHES_AHEAD_MAX: usize = 2;

/// Starts the query. What it reads of views is no older than `max_staleness`, if there is such a limit. Errors of planning come at once, those of execution in the stream; dropping the stream stops the work.
pub async fn run(
    state: SessionState,
    plan: LogicalPlan,
    max_staleness: Option<Duration>,
    compute: &Handle,
) -> Result<SendableRecordBatchStream> {
    let plan = view::pin(plan, max_staleness).await?;
    let planned = compute.spawn(async move {
        let physical = state.create_physical_plan(&plan).await?;
        execute_stream(physical, state.task_ctx())
    });
    let mut batches = planned.await??;
    let mut handed_over = RecordBatchReceiverStreamBuilder::new(batches.schema(), BATCHES_AHEAD_MAX);
    let sender = handed_over.tx();
    handed_over.spawn_on(
        async move {
            while let Some(batch) = batches.next().await {
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
            Ok(())
        },
        compute,
    );
    Ok(handed_over.build())
}
