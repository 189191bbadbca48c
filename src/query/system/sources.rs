//! `lakewire.sources`: what can be read.

use async_trait::async_trait;
use datafusion::common::ScalarValue;

use super::super::QueryServices;
use super::{SystemTable, bigint, text, time};
use crate::catalog::{Definition, ObjectKind};
use crate::error::Result;
use crate::model::{SchemaMode, SqlType};

pub struct Sources;

#[async_trait]
impl SystemTable for Sources {
    fn name(&self) -> &'static str {
        "sources"
    }

    fn columns(&self) -> Vec<(&'static str, SqlType)> {
        vec![
            ("name", SqlType::Text),
            ("connector", SqlType::Text),
            ("schema", SqlType::Text),
            ("columns", SqlType::BigInt),
            ("readers", SqlType::BigInt),
            ("created_at", SqlType::TimestampTz),
            ("definition", SqlType::Text),
        ]
    }

    async fn rows(&self, services: &QueryServices) -> Result<Vec<Vec<ScalarValue>>> {
        let catalog = services.flow.catalog.snapshot();
        let mut rows = vec![];
        for object in catalog.iter_kind(ObjectKind::Source) {
            let Definition::Source(source) = &object.definition else { continue };
            let mode = match source.mode {
                SchemaMode::Fixed => "fixed",
                SchemaMode::Evolve => "evolve",
            };
            rows.push(vec![
                text(&object.name),
                text(&source.connector),
                text(mode),
                bigint(source.columns.len() as u64),
                bigint(catalog.dependents_of(object.id).len() as u64),
                time(object.created_at),
                text(&object.sql),
            ]);
        }
        Ok(rows)
    }
}
