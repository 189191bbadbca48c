//! The schema `pg_catalog`: our own tables where they depend on our relations, the library's otherwise. And `information_schema`.

use std::fmt::{self, Debug};
use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{CatalogProviderList, MemoryCatalogProviderList, SchemaProvider, TableProvider};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::prelude::SessionContext;
use datafusion_pg_catalog::pg_catalog::context::{PgCatalogContextProvider, Role};
use datafusion_pg_catalog::pg_catalog::{PgCatalogSchemaProvider, PgCatalogStaticTables};

use super::snapshot::Snapshot;
use super::{Relations, information_schema, pg_attribute, pg_class, pg_database, pg_foreign, pg_namespace, pg_views};

/// A table of the catalog that is made of a snapshot.
pub struct Derived {
    pub name: &'static str,
    pub schema: fn() -> SchemaRef,
    pub rows: fn(&Snapshot, &str, SchemaRef) -> Result<RecordBatch>,
}

const DERIVED: &[&Derived] = &[
    &pg_class::TABLE,
    &pg_attribute::TABLE,
    &pg_namespace::TABLE,
    &pg_database::TABLE,
    &pg_foreign::SERVERS,
    &pg_foreign::TABLES,
    &pg_views::TABLES,
    &pg_views::VIEWS,
    &pg_views::MATERIALIZED_VIEWS,
];

/// Read once: unpacking them takes longer than most queries.
static STATIC_TABLES: LazyLock<Result<Arc<PgCatalogStaticTables>, String>> =
    LazyLock::new(|| PgCatalogStaticTables::try_new().map(Arc::new).map_err(|error| error.to_string()));

pub fn register(context: &SessionContext, relations: Arc<dyn Relations>, user: &str, database: &str) -> Result<()> {
    let catalog_name = context.state().config_options().catalog.default_catalog.clone();
    let statics = STATIC_TABLES.clone().map_err(DataFusionError::Internal)?;
    let none: Arc<dyn CatalogProviderList> = Arc::new(MemoryCatalogProviderList::new());
    let library = PgCatalogSchemaProvider::try_new(none, statics, OneUser(user.into()))?;
    let database: Arc<str> = database.into();
    let information = InformationSchema { relations: relations.clone(), database: database.clone() };
    let schema = PgCatalogSchema { library, relations, database };
    let catalog = context.catalog(&catalog_name);
    let catalog = catalog.ok_or_else(|| DataFusionError::Internal(format!("the default catalog {catalog_name} does not exist")))?;
    catalog.register_schema("pg_catalog", Arc::new(schema))?;
    catalog.register_schema("information_schema", Arc::new(information))?;
    Ok(())
}

#[derive(Debug)]
struct PgCatalogSchema {
    library: PgCatalogSchemaProvider<Arc<dyn CatalogProviderList>, OneUser>,
    relations: Arc<dyn Relations>,
    database: Arc<str>,
}

#[async_trait]
impl SchemaProvider for PgCatalogSchema {
    fn table_names(&self) -> Vec<String> {
        self.library.table_names()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(derived) = DERIVED.iter().find(|table| table.name == name) else {
            return self.library.table(name).await;
        };
        Ok(Some(DerivedRows::table(derived, &self.relations, &self.database)?))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.library.table_exist(name)
    }
}

#[derive(Debug)]
struct InformationSchema {
    relations: Arc<dyn Relations>,
    database: Arc<str>,
}

#[async_trait]
impl SchemaProvider for InformationSchema {
    fn table_names(&self) -> Vec<String> {
        information_schema::TABLES.iter().map(|table| table.name.to_string()).collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let derived = information_schema::TABLES.iter().find(|table| table.name == name);
        derived.map(|derived| DerivedRows::table(derived, &self.relations, &self.database)).transpose()
    }

    fn table_exist(&self, name: &str) -> bool {
        information_schema::TABLES.iter().any(|table| table.name == name)
    }
}

/// Takes its snapshot when it runs, not when it is planned: a prepared statement sees what is there then.
struct DerivedRows {
    derived: &'static Derived,
    schema: SchemaRef,
    relations: Arc<dyn Relations>,
    database: Arc<str>,
}

impl DerivedRows {
    fn table(derived: &'static Derived, relations: &Arc<dyn Relations>, database: &Arc<str>) -> Result<Arc<dyn TableProvider>> {
        let schema = (derived.schema)();
        let rows = DerivedRows { derived, schema: schema.clone(), relations: relations.clone(), database: database.clone() };
        Ok(Arc::new(StreamingTable::try_new(schema, vec![Arc::new(rows)])?))
    }
}

impl Debug for DerivedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.derived.name)
    }
}

impl PartitionStream for DerivedRows {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (derived, schema) = (self.derived, self.schema.clone());
        let (relations, database) = (self.relations.clone(), self.database.clone());
        let rows = async move { (derived.rows)(&Snapshot::take(relations.as_ref()), &database, schema) };
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::once(rows)))
    }
}

/// The one role there is: whoever is connected.
#[derive(Debug, Clone)]
struct OneUser(Arc<str>);

#[async_trait]
impl PgCatalogContextProvider for OneUser {
    async fn roles(&self) -> Vec<String> {
        vec![self.0.to_string()]
    }

    async fn role(&self, name: &str) -> Option<Role> {
        (name == &*self.0).then(|| Role {
            name: name.to_string(),
            is_superuser: true,
            can_login: true,
            can_create_db: true,
            can_create_role: true,
            can_create_user: true,
            can_replication: false,
            grants: vec![],
            inherited_roles: vec![],
        })
    }
}
