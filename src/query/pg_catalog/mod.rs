//! PostgreSQL's own catalog, as tools read it: psql's `\d`, drivers that look up types, BI tools that browse.
//!
//! What depends on our relations is made here, afresh for every query; what never changes (types, functions, operators) and
//! what is always empty comes from `datafusion-pg-catalog`. Catalog queries use SQL that DataFusion has not; `rewrite` turns
//! them into what it has. It costs the positions of errors, so only statements that `touches_catalog` go through it.

mod functions;
mod information_schema;
mod pg_attribute;
mod pg_class;
mod pg_database;
mod pg_foreign;
mod pg_namespace;
mod pg_views;
mod provider;
mod rewrite;
mod size;
mod snapshot;
mod table;
mod type_of;
mod visible;

#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Arc;

use arrow::datatypes::{Field, SchemaRef};
use datafusion::prelude::SessionContext;

use crate::error::Result;

pub use rewrite::{rewrite, touches_catalog};

/// What is in the database, as far as the user may see it. Asked anew for every catalog query, so it answers from memory.
pub trait Relations: Send + Sync + Debug {
    /// Without `pg_catalog` and `information_schema`.
    fn schemas(&self) -> Vec<String>;

    /// In any order; none for a schema that does not exist.
    fn relations(&self, schema: &str) -> Vec<RelationInfo>;
}

#[derive(Debug, Clone)]
pub struct RelationInfo {
    pub name: String,
    pub kind: RelationKind,
    pub columns: SchemaRef,
}

/// What PostgreSQL calls `relkind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RelationKind {
    Table,
    View,
    MaterializedView,
    /// Shown as a foreign table: its rows live elsewhere.
    Source,
}

impl RelationKind {
    fn relkind(self) -> &'static str {
        match self {
            RelationKind::Table => "r",
            RelationKind::View => "v",
            RelationKind::MaterializedView => "m",
            RelationKind::Source => "f",
        }
    }
}

/// Puts the schemas `pg_catalog` and `information_schema` into the context's default catalog, and PostgreSQL's information functions beside it.
pub fn register(context: &SessionContext, relations: Arc<dyn Relations>, user: &str, database: &str) -> Result<()> {
    functions::register(context, user, database)?;
    context.register_udf(visible::table_is_visible(relations.clone()));
    context.register_udf(type_of::type_of());
    provider::register(context, relations, user, database)?;
    Ok(())
}

/// The type `oid` for columns that hold one, which Arrow knows as integers only.
pub fn alias_oid(field: &Field) -> Option<u32> {
    const OID_OID: u32 = 26;
    field.metadata().contains_key(datafusion_pg_catalog::pg_catalog::oid_field::OID_ALIAS_KEY).then_some(OID_OID)
}
