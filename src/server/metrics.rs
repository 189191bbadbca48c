//! What `/metrics` tells, in the names that Prometheus users expect: a prefix, the unit last, counters that end in `_total`.

use std::sync::OnceLock;

use metrics::{counter, gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::error::{Error, Result};
use crate::flow::job::JobState;
use crate::session::Services;

const STATES: [JobState; 5] = [JobState::Starting, JobState::Running, JobState::Retrying, JobState::Failed, JobState::Paused];

/// The recorder of this process, made on first use.
pub fn install() -> Result<PrometheusHandle> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = HANDLE.get_or_init(|| recorder.handle());
    metrics::set_global_recorder(recorder)
        .map_err(|error| Error::internal("cannot install the metrics recorder").with_cause(error.to_string()))?;
    Ok(handle.clone())
}

/// Brings the metrics of the jobs up to date. Reads memory only.
pub fn refresh(services: &Services) {
    let reader = services.flow.feeds.budget();
    gauge!("lakewire_reader_bytes").set(reader.held_bytes() as f64);
    gauge!("lakewire_reader_peak_bytes").set(reader.peak_bytes() as f64);
    gauge!("lakewire_reader_limit_bytes").set(reader.bytes_max() as f64);
    for (_, name, status) in services.supervisor.statuses() {
        let job = name.to_string();
        counter!("lakewire_job_records_in_total", "job" => job.clone()).absolute(status.totals.records_in);
        counter!("lakewire_job_bytes_in_total", "job" => job.clone()).absolute(status.totals.bytes_in);
        counter!("lakewire_job_rows_out_total", "job" => job.clone()).absolute(status.totals.rows_out);
        counter!("lakewire_job_rejected_total", "job" => job.clone()).absolute(status.totals.rejected);
        gauge!("lakewire_job_epoch", "job" => job.clone()).set(status.epoch.0 as f64);
        for state in STATES {
            let is_in = if status.state == state { 1.0 } else { 0.0 };
            gauge!("lakewire_job_state", "job" => job.clone(), "state" => state.as_str()).set(is_in);
        }
        for input in status.inputs {
            let labels = [("job", job.clone()), ("partition", input.partition.to_string())];
            if let Some(milliseconds) = input.behind.milliseconds {
                gauge!("lakewire_job_input_lag_seconds", &labels).set(milliseconds as f64 / 1000.0);
            }
            if let Some(records) = input.behind.records {
                gauge!("lakewire_job_input_lag_records", &labels).set(records as f64);
            }
        }
    }
}
