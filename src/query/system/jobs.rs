//! `lakewire.jobs`: what runs, how far it is, and what is wrong with it.

use async_trait::async_trait;
use datafusion::common::ScalarValue;

use super::super::QueryServices;
use super::{SystemTable, bigint, text, text_or_null, time, time_or_null};
use crate::error::Result;
use crate::flow::job::Status;
use crate::model::{Name, ObjectId, SqlType};

pub struct Jobs;

#[async_trait]
impl SystemTable for Jobs {
    fn name(&self) -> &'static str {
        "jobs"
    }

    fn columns(&self) -> Vec<(&'static str, SqlType)> {
        vec![
            ("name", SqlType::Text),
            ("kind", SqlType::Text),
            ("state", SqlType::Text),
            ("since", SqlType::TimestampTz),
            ("epoch", SqlType::BigInt),
            ("committed_at", SqlType::TimestampTz),
            ("records_in", SqlType::BigInt),
            ("bytes_in", SqlType::BigInt),
            ("rows_out", SqlType::BigInt),
            ("rejected", SqlType::BigInt),
            ("late", SqlType::BigInt),
            ("error", SqlType::Text),
            ("hint", SqlType::Text),
            ("next_retry", SqlType::TimestampTz),
        ]
    }

    async fn rows(&self, services: &QueryServices) -> Result<Vec<Vec<ScalarValue>>> {
        let catalog = services.flow.catalog.snapshot();
        let row = |(id, name, status): (ObjectId, Name, Status)| {
            vec![
                text(name),
                text_or_null(catalog.get(id).map(|object| object.kind())),
                text(status.state.as_str()),
                time(status.since),
                bigint(status.epoch.0),
                time_or_null(status.committed_at),
                bigint(status.totals.records_in),
                bigint(status.totals.bytes_in),
                bigint(status.totals.rows_out),
                bigint(status.totals.rejected),
                bigint(status.totals.late),
                text_or_null(status.error),
                text_or_null(status.hint),
                time_or_null(status.next_retry),
            ]
        };
        Ok(services.supervisor.statuses().into_iter().map(row).collect())
    }
}
