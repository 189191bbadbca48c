//! `lakewire.tables`: the tables of the lake and what is in them.

use async_trait::async_trait;
use datafusion::common::ScalarValue;

use super::super::QueryServices;
use super::{SystemTable, bigint, bigint_or_null, text, time, time_or_null};
use crate::catalog::{Definition, ObjectKind};
use crate::error::Result;
use crate::model::{SchemaMode, SqlType};

pub struct Tables;

#[async_trait]
impl SystemTable for Tables {
    fn name(&self) -> &'static str {
        "tables"
    }

    fn columns(&self) -> Vec<(&'static str, SqlType)> {
        vec![
            ("name", SqlType::Text),
            ("location", SqlType::Text),
            ("schema", SqlType::Text),
            ("partition_by", SqlType::Text),
            ("version", SqlType::BigInt),
            ("columns", SqlType::BigInt),
            ("files", SqlType::BigInt),
            ("rows", SqlType::BigInt),
            ("bytes", SqlType::BigInt),
            ("last_commit", SqlType::TimestampTz),
            ("last_checkpoint", SqlType::BigInt),
            ("created_at", SqlType::TimestampTz),
            ("definition", SqlType::Text),
        ]
    }

    async fn rows(&self, services: &QueryServices) -> Result<Vec<Vec<ScalarValue>>> {
        let catalog = services.flow.catalog.snapshot();
        let mut rows = vec![];
        for object in catalog.iter_kind(ObjectKind::Table) {
            let Definition::Table(table) = &object.definition else { continue };
            let handle = services.flow.lake.table(&table.location)?;
            let snapshot = handle.refresh().await?;
            let totals = snapshot.totals();
            let mode = match table.mode {
                SchemaMode::Fixed => "fixed",
                SchemaMode::Evolve => "evolve",
            };
            rows.push(vec![
                text(&object.name),
                text(services.flow.lake.url_of(&table.location)),
                text(mode),
                text(table.partition_by.join(", ")),
                bigint_or_null(snapshot.version().map(|version| version as u64)),
                bigint(snapshot.schema().fields().len() as u64),
                bigint(totals.files),
                bigint_or_null((totals.files_without_row_count == 0).then_some(totals.rows)),
                bigint(totals.bytes),
                time_or_null(snapshot.last_commit()),
                bigint_or_null(handle.last_checkpoint().map(|version| version as u64)),
                time(object.created_at),
                text(&object.sql),
            ]);
        }
        Ok(rows)
    }
}
