//! `lakewire.events`: what the server did by itself, and why.

use async_trait::async_trait;
use datafusion::common::ScalarValue;

use super::super::QueryServices;
use super::{SystemTable, text, time};
use crate::error::Result;
use crate::model::SqlType;

pub struct Events;

#[async_trait]
impl SystemTable for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn columns(&self) -> Vec<(&'static str, SqlType)> {
        vec![("time", SqlType::TimestampTz), ("event", SqlType::Text), ("object", SqlType::Text), ("message", SqlType::Text)]
    }

    async fn rows(&self, services: &QueryServices) -> Result<Vec<Vec<ScalarValue>>> {
        let events = services.flow.events.list();
        Ok(events
            .iter()
            .map(|event| vec![time(event.time), text(event.kind.as_str()), text(&event.object), text(&event.message)])
            .collect())
    }
}
