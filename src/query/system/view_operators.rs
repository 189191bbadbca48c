//! `lakewire.view_operators`: what each operator of a materialized view keeps, and of a pipeline that remembers something from row to row.

use async_trait::async_trait;
use datafusion::common::ScalarValue;

use super::super::QueryServices;
use super::{SystemTable, bigint, text};
use crate::catalog::ObjectKind;
use crate::error::Result;
use crate::model::SqlType;

pub struct ViewOperators;

#[async_trait]
impl SystemTable for ViewOperators {
    fn name(&self) -> &'static str {
        "view_operators"
    }

    fn columns(&self) -> Vec<(&'static str, SqlType)> {
        vec![
            ("view", SqlType::Text),
            ("number", SqlType::BigInt),
            ("operator", SqlType::Text),
            ("state_rows", SqlType::BigInt),
            ("state_bytes", SqlType::BigInt),
        ]
    }

    async fn rows(&self, services: &QueryServices) -> Result<Vec<Vec<ScalarValue>>> {
        let catalog = services.flow.catalog.snapshot();
        let mut rows = vec![];
        for object in catalog.iter_kind(ObjectKind::View).chain(catalog.iter_kind(ObjectKind::Pipeline)) {
            let sizes = services.flow.views.get(object.id).progress().sizes;
            rows.extend(sizes.into_iter().enumerate().map(|(number, size)| {
                vec![
                    text(&object.name),
                    bigint(number as u64 + 1),
                    text(size.operator),
                    bigint(size.rows as u64),
                    bigint(size.bytes as u64),
                ]
            }));
        }
        Ok(rows)
    }
}
