//! `lakewire.job_inputs`: where each job stands in each partition it reads.

use async_trait::async_trait;
use datafusion::common::ScalarValue;

use super::super::QueryServices;
use super::{SystemTable, bigint_or_null, text, text_or_null};
use crate::error::Result;
use crate::model::{PartitionState, SqlType};

pub struct JobInputs;

#[async_trait]
impl SystemTable for JobInputs {
    fn name(&self) -> &'static str {
        "job_inputs"
    }

    fn columns(&self) -> Vec<(&'static str, SqlType)> {
        vec![
            ("job", SqlType::Text),
            ("source", SqlType::Text),
            ("partition", SqlType::Text),
            ("state", SqlType::Text),
            ("position", SqlType::Text),
            ("lag_records", SqlType::BigInt),
            ("lag_seconds", SqlType::Double),
        ]
    }

    async fn rows(&self, services: &QueryServices) -> Result<Vec<Vec<ScalarValue>>> {
        let mut rows = vec![];
        for (_, job, status) in services.supervisor.statuses() {
            for input in status.inputs {
                let (state, position) = match &input.state {
                    PartitionState::At(position) => ("reading", Some(position.as_str())),
                    PartitionState::Done => ("done", None),
                };
                let lag_seconds = input.behind.milliseconds.map(|milliseconds| milliseconds as f64 / 1000.0);
                rows.push(vec![
                    text(&job),
                    text(&input.source),
                    text(&input.partition),
                    text(state),
                    text_or_null(position),
                    bigint_or_null(input.behind.records),
                    ScalarValue::Float64(lag_seconds),
                ]);
            }
        }
        Ok(rows)
    }
}
