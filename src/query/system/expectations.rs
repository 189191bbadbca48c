//! `lakewire.expectations`: how many rows met each constraint of a pipeline, as of its last epoch.

use async_trait::async_trait;
use datafusion::common::ScalarValue;

use super::super::QueryServices;
use super::{SystemTable, bigint, text};
use crate::catalog::{Definition, OnViolation};
use crate::error::Result;
use crate::model::SqlType;

pub struct Expectations;

#[async_trait]
impl SystemTable for Expectations {
    fn name(&self) -> &'static str {
        "expectations"
    }

    fn columns(&self) -> Vec<(&'static str, SqlType)> {
        vec![
            ("pipeline", SqlType::Text),
            ("name", SqlType::Text),
            ("condition", SqlType::Text),
            ("on_violation", SqlType::Text),
            ("passed", SqlType::BigInt),
            ("violated", SqlType::BigInt),
        ]
    }

    async fn rows(&self, services: &QueryServices) -> Result<Vec<Vec<ScalarValue>>> {
        let catalog = services.flow.catalog.snapshot();
        let mut rows = vec![];
        for (id, name, status) in services.supervisor.statuses() {
            let Some(Definition::Pipeline(pipeline)) = catalog.get(id).map(|object| &object.definition) else { continue };
            for expectation in &pipeline.expectations {
                let tally = status.totals.expectations.get(&expectation.name).copied().unwrap_or_default();
                let on_violation = match expectation.on_violation {
                    OnViolation::DropRow => "drop row",
                    OnViolation::Fail => "fail",
                    OnViolation::Warn => "warn",
                };
                rows.push(vec![
                    text(&name),
                    text(&expectation.name),
                    text(&expectation.condition),
                    text(on_violation),
                    bigint(tally.passed),
                    bigint(tally.violated),
                ]);
            }
        }
        Ok(rows)
    }
}
