//! `lakewire.views`: the materialized views and how they are.

use async_trait::async_trait;
use datafusion::common::ScalarValue;

use super::super::QueryServices;
use super::{SystemTable, bigint, bigint_or_null, text, text_or_null, time, time_or_null};
use crate::catalog::{Definition, Emit, ObjectKind};
use crate::error::Result;
use crate::model::SqlType;

pub struct Views;

#[async_trait]
impl SystemTable for Views {
    fn name(&self) -> &'static str {
        "views"
    }

    fn columns(&self) -> Vec<(&'static str, SqlType)> {
        vec![
            ("name", SqlType::Text),
            ("state", SqlType::Text),
            ("since", SqlType::TimestampTz),
            ("inputs", SqlType::Text),
            ("columns", SqlType::BigInt),
            ("emit", SqlType::Text),
            ("rows", SqlType::BigInt),
            ("state_bytes", SqlType::BigInt),
            ("tick", SqlType::BigInt),
            ("epoch", SqlType::BigInt),
            ("freshness_seconds", SqlType::Double),
            ("error", SqlType::Text),
            ("created_at", SqlType::TimestampTz),
            ("definition", SqlType::Text),
        ]
    }

    async fn rows(&self, services: &QueryServices) -> Result<Vec<Vec<ScalarValue>>> {
        let catalog = services.flow.catalog.snapshot();
        let statuses = services.supervisor.statuses();
        let mut rows = vec![];
        for object in catalog.iter_kind(ObjectKind::View) {
            let Definition::View(view) = &object.definition else { continue };
            let status = statuses.iter().find(|(id, ..)| *id == object.id).map(|(.., status)| status);
            let published = services.flow.views.get(object.id);
            let (newest, progress) = (published.newest(), published.progress());
            let age = newest.as_ref().and_then(|version| published.age(version, services.flow.clock.now_micros()));
            let inputs = view.inputs.iter().filter_map(|input| catalog.get(input.relation));
            let emit = match view.emit {
                Emit::OnChange => "on change",
                Emit::OnWindowClose => "on window close",
            };
            rows.push(vec![
                text(&object.name),
                text_or_null(status.map(|status| status.state.as_str())),
                time_or_null(status.map(|status| status.since)),
                text(inputs.map(|input| input.name.quoted()).collect::<Vec<_>>().join(", ")),
                bigint(view.columns.len() as u64),
                text(emit),
                bigint_or_null(newest.as_ref().map(|version| version.rows)),
                bigint(progress.sizes.iter().map(|size| size.bytes as u64).sum()),
                bigint_or_null(newest.as_ref().map(|version| version.stamp.tick)),
                bigint_or_null(status.map(|status| status.epoch.0)),
                ScalarValue::Float64(age.map(|age| age.as_secs_f64())),
                text_or_null(status.and_then(|status| status.error.clone())),
                time(object.created_at),
                text(&object.sql),
            ]);
        }
        Ok(rows)
    }
}
