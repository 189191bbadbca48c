//! `lakewire.settings`: the settings in force. Credentials are not among them.

use async_trait::async_trait;
use datafusion::common::ScalarValue;

use super::super::QueryServices;
use super::{SystemTable, text, text_or_null};
use crate::error::Result;
use crate::model::SqlType;

pub struct Settings;

#[async_trait]
impl SystemTable for Settings {
    fn name(&self) -> &'static str {
        "settings"
    }

    fn columns(&self) -> Vec<(&'static str, SqlType)> {
        vec![("name", SqlType::Text), ("value", SqlType::Text)]
    }

    async fn rows(&self, services: &QueryServices) -> Result<Vec<Vec<ScalarValue>>> {
        let config = &services.config;
        let catalog_kind = config.catalog.split(':').next().unwrap_or_default();
        Ok(vec![
            vec![text("data_dir"), text(config.data_dir.display())],
            vec![text("lake"), text(&config.lake)],
            vec![text("s3_endpoint"), text_or_null(config.s3.endpoint.as_ref())],
            vec![text("s3_region"), text_or_null(config.s3.region.as_ref())],
            vec![text("s3_allow_http"), text(config.s3.allow_http)],
            vec![text("catalog"), text(catalog_kind)],
            vec![text("pg_listen"), text(&config.pg_listen)],
            vec![text("http_listen"), text(&config.http_listen)],
            vec![text("memory_limit_bytes"), text(config.memory_limit_bytes)],
            vec![text("worker_threads"), text(config.worker_threads)],
            vec![text("log"), text(&config.log)],
        ])
    }
}
