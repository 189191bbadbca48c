//! `lakewire.indexes`: by what rows of views are looked up, beside their keys.

use async_trait::async_trait;
use datafusion::common::ScalarValue;

use super::super::QueryServices;
use super::{SystemTable, text, text_or_null, time};
use crate::catalog::{Definition, ObjectKind};
use crate::error::Result;
use crate::model::SqlType;

pub struct Indexes;

#[async_trait]
impl SystemTable for Indexes {
    fn name(&self) -> &'static str {
        "indexes"
    }

    fn columns(&self) -> Vec<(&'static str, SqlType)> {
        vec![
            ("name", SqlType::Text),
            ("view", SqlType::Text),
            ("columns", SqlType::Text),
            ("created_at", SqlType::TimestampTz),
            ("definition", SqlType::Text),
        ]
    }

    async fn rows(&self, services: &QueryServices) -> Result<Vec<Vec<ScalarValue>>> {
        let catalog = services.flow.catalog.snapshot();
        let mut rows = vec![];
        for object in catalog.iter_kind(ObjectKind::Index) {
            let Definition::Index(index) = &object.definition else { continue };
            let view = catalog.get(index.view).map(|view| view.name.clone());
            rows.push(vec![
                text(&object.name),
                text_or_null(view),
                text(index.columns.join(", ")),
                time(object.created_at),
                text(&object.sql),
            ]);
        }
        Ok(rows)
    }
}
