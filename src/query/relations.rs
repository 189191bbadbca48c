//! What names mean in a query: tables and sources in `public`, the server's own tables in `lakewire`.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, SchemaProvider, TableProvider};
use datafusion::error::Result as DataFusionResult;
use datafusion::prelude::SessionContext;

use super::QueryServices;
use super::freshness;
use super::peek::Peek;
use super::pg_catalog::{self, RelationInfo, RelationKind, Relations};
use super::system::{SYSTEM_TABLES, SystemRelation, schema_of};
use super::view::{self, View};
use crate::catalog::{Definition, Object, ObjectKind, TableDef};
use crate::error::{Error, Result};
use crate::flow::rejects;
use crate::lake::LakeTable;
use crate::model::Name;
use crate::sql::{self, planner};

/// The context that all sessions share; a session plans with its own copy of the state.
pub fn context(services: &Arc<QueryServices>) -> Result<SessionContext> {
    let context = planner::context(services.runtime.clone(), services.config.worker_threads)?;
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(sql::PUBLIC_SCHEMA, Arc::new(PublicSchema { services: services.clone() }))?;
    catalog.register_schema(sql::SYSTEM_SCHEMA, Arc::new(SystemSchema { services: services.clone() }))?;
    context.register_catalog(sql::DATABASE, Arc::new(catalog));
    let browsable = Arc::new(Browsable { services: Arc::downgrade(services) });
    context.register_udf(freshness::function(services));
    pg_catalog::register(&context, browsable, "lakewire", sql::DATABASE)?;
    Ok(context)
}

struct PublicSchema {
    services: Arc<QueryServices>,
}

impl PublicSchema {
    async fn provider(&self, object: &Object) -> Result<Option<Arc<dyn TableProvider>>> {
        match &object.definition {
            Definition::Table(table) => {
                let table = self.services.flow.lake.table(&table.location)?;
                let snapshot = table.refresh().await?;
                Ok(Some(Arc::new(LakeTable::new(table, snapshot))))
            }
            Definition::Source(_) => Ok(Some(Arc::new(Peek::new(object.clone(), self.services.clone())))),
            Definition::View(view) => Ok(Some(Arc::new(View::new(object, view, self.services.clone())))),
            Definition::Pipeline(_) | Definition::Secret(_) | Definition::Index(_) => Ok(None),
        }
    }
}

#[async_trait]
impl SchemaProvider for PublicSchema {
    fn table_names(&self) -> Vec<String> {
        let catalog = self.services.flow.catalog.snapshot();
        let kinds = [ObjectKind::Source, ObjectKind::Table, ObjectKind::View];
        kinds.iter().flat_map(|kind| catalog.iter_kind(*kind).map(|object| object.name.to_string())).collect()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        let catalog = self.services.flow.catalog.snapshot();
        let Some(object) = Name::new(name).ok().and_then(|name| catalog.relation(&name).cloned()) else { return Ok(None) };
        Ok(self.provider(&object).await?)
    }

    fn table_exist(&self, name: &str) -> bool {
        Name::new(name).is_ok_and(|name| self.services.flow.catalog.snapshot().relation(&name).is_some())
    }
}

impl fmt::Debug for PublicSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicSchema")
    }
}

struct SystemSchema {
    services: Arc<QueryServices>,
}

#[async_trait]
impl SchemaProvider for SystemSchema {
    fn table_names(&self) -> Vec<String> {
        SYSTEM_TABLES.iter().map(|table| table.name().to_string()).chain(["rejects".to_string()]).collect()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        if name == "rejects" {
            return Ok(Some(self.rejects().await?));
        }
        let table = SYSTEM_TABLES.iter().find(|table| table.name() == name);
        Ok(table.map(|table| Arc::new(SystemRelation::new(*table, self.services.clone())) as Arc<dyn TableProvider>))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.table_names().iter().any(|table| table == name)
    }
}

impl SystemSchema {
    /// A table of the lake like any other, made when it is first needed.
    async fn rejects(&self) -> Result<Arc<dyn TableProvider>> {
        let table = self.services.flow.lake.table(rejects::LOCATION)?;
        let mut snapshot = table.refresh().await?;
        if snapshot.version().is_none() {
            table
                .evolve(&rejects::fields(), &[])
                .await
                .map_err(|error| Error::unavailable("cannot make the table of rejects").with_cause(error))?;
            snapshot = table.refresh().await?;
        }
        Ok(Arc::new(LakeTable::new(table, snapshot)))
    }
}

impl fmt::Debug for SystemSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SystemSchema")
    }
}

/// What tools that browse see.
#[derive(Debug)]
struct Browsable {
    services: std::sync::Weak<QueryServices>,
}

impl Relations for Browsable {
    fn schemas(&self) -> Vec<String> {
        vec![sql::PUBLIC_SCHEMA.to_string(), sql::SYSTEM_SCHEMA.to_string()]
    }

    fn relations(&self, schema: &str) -> Vec<RelationInfo> {
        let Some(services) = self.services.upgrade() else { return vec![] };
        match schema {
            sql::PUBLIC_SCHEMA => browse_public(&services),
            sql::SYSTEM_SCHEMA => browse_system(),
            _ => vec![],
        }
    }
}

fn browse_public(services: &Arc<QueryServices>) -> Vec<RelationInfo> {
    let catalog = services.flow.catalog.snapshot();
    let mut found = vec![];
    let kinds = [ObjectKind::Table, ObjectKind::Source, ObjectKind::View];
    for object in kinds.iter().flat_map(|kind| catalog.iter_kind(*kind)) {
        let (kind, columns) = match &object.definition {
            Definition::Table(table) => (RelationKind::Table, columns_of(services, table)),
            Definition::View(view) => (RelationKind::MaterializedView, view::schema_of(view)),
            _ => (RelationKind::Source, Peek::new(object.as_ref().clone(), services.clone()).data_schema()),
        };
        found.push(RelationInfo { name: object.name.to_string(), kind, columns });
    }
    found
}

/// As the log was last seen, else as declared: browsing does no I/O.
fn columns_of(services: &QueryServices, table: &TableDef) -> SchemaRef {
    let seen = services.flow.lake.table(&table.location).ok().and_then(|table| table.head());
    match seen {
        Some(head) => head.schema().clone(),
        None => {
            let fields = table.columns.iter().map(|column| column.data_type.to_field(&column.name, !column.not_null));
            Arc::new(Schema::new(fields.collect::<Vec<_>>()))
        }
    }
}

/// The tables of the schema `lakewire`.
pub fn browse_system() -> Vec<RelationInfo> {
    let view = |name: &str, columns| RelationInfo { name: name.to_string(), kind: RelationKind::View, columns };
    let tables = SYSTEM_TABLES.iter().map(|table| view(table.name(), schema_of(*table)));
    tables.chain([view("rejects", rejects::schema())]).collect()
}
