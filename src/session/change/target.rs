//! The table that a statement changes, pinned at one version under both of its names: its own, and the one whose rows have addresses.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList, MemorySchemaProvider, SchemaProvider,
    TableProvider,
};
use datafusion::common::tree_node::TreeNode;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::expr_rewriter::unnormalize_cols;
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::sql::parser::Statement as DataFusionStatement;
use sqlparser::ast;

use super::super::Session;
use super::super::prepare::hide_metadata_columns;
use super::ACTION;
use crate::catalog::{Catalog, Definition, Object, TableDef};
use crate::error::{Error, Result, SqlState};
use crate::lake::{AddressedTable, DataFile, LakeTable, Snapshot, Table};
use crate::sql::{self, PlacedName};

/// No user can name a schema so: there are no others than `public` and the system's.
pub const ADDRESSED_SCHEMA: &str = "__lakewire_addressed";

pub struct Target {
    pub table: Arc<Table>,
    pub rows: Arc<AddressedTable>,
    pub state: SessionState,
    pub max_staleness: Option<Duration>,
    catalog: Catalog,
}

/// The table of a name, if rows of it can be changed.
pub fn find(session: &Session, name: &PlacedName) -> Result<(Arc<Object>, TableDef)> {
    let catalog = session.services.flow.catalog.snapshot();
    let Some(object) = catalog.relation(&name.name) else {
        return Err(Error::undefined(format!("relation \"{}\" does not exist", name.name))
            .with_state(SqlState::UNDEFINED_TABLE)
            .at(name.position));
    };
    match &object.definition {
        Definition::Table(table) => Ok((object.clone(), table.clone())),
        _ => Err(Error::invalid(format!("cannot change rows of {}", object.as_ref()))
            .with_state(SqlState::WRONG_OBJECT_TYPE)
            .with_hint("rows of tables can be changed")
            .at(name.position)),
    }
}

impl Target {
    pub async fn open(session: &Session, object: &Object, table: &Arc<Table>) -> Result<Target> {
        let snapshot = table.refresh().await?;
        let rows = Arc::new(AddressedTable::new(table.clone(), snapshot.clone())?);
        let as_it_is = Arc::new(LakeTable::new(table.clone(), snapshot));
        let state = pinned(&session.state, object.name.as_str(), as_it_is, rows.clone())?;
        Ok(Target {
            table: table.clone(),
            rows,
            state,
            max_staleness: session.max_staleness(),
            catalog: session.services.flow.catalog.clone(),
        })
    }

    pub fn snapshot(&self) -> &Arc<Snapshot> {
        self.rows.snapshot()
    }

    /// Plans a query for rows.
    pub async fn plan(&self, query: &ast::Query, text: &str) -> Result<LogicalPlan> {
        let mut query = query.clone();
        hide_metadata_columns(&self.catalog, &mut query)?;
        let statement = DataFusionStatement::Statement(Box::new(ast::Statement::Query(Box::new(query))));
        let plan = self.state.statement_to_plan(statement).await;
        let plan = plan.map_err(Error::from).map_err(|error| sql::locate(error, text))?;
        refuse_dice(&plan)?;
        Ok(plan)
    }

    /// The files that the rows of a query are in, if the log alone tells that these are all rows of them.
    pub fn whole_files(&self, plan: &LogicalPlan) -> Result<Option<Vec<DataFile>>> {
        let mut plan = &self.state.optimize(plan)?;
        let filters = loop {
            plan = match plan {
                LogicalPlan::Sort(sort) if sort.fetch.is_none() => &sort.input,
                LogicalPlan::Projection(projection) => &projection.input,
                LogicalPlan::SubqueryAlias(alias) => &alias.input,
                LogicalPlan::TableScan(scan) if scan.fetch.is_none() && scan.table_name.schema() == Some(ADDRESSED_SCHEMA) => {
                    break unnormalize_cols(scan.filters.iter().cloned());
                }
                _ => return Ok(None),
            };
        };
        Ok(self.rows.files_of_exactly(&filters, &self.state)?)
    }
}

/// Which clause is about a row is asked once for each value: each time with the same answer.
fn refuse_dice(plan: &LogicalPlan) -> Result<()> {
    let is_dice = |node: &LogicalPlan| match node {
        LogicalPlan::Projection(projection) => {
            let is_action = |expr: &&Expr| matches!(expr, Expr::Alias(alias) if alias.name == ACTION);
            Ok(projection.expr.iter().filter(is_action).any(Expr::is_volatile))
        }
        _ => Ok(false),
    };
    match plan.exists(is_dice)? {
        true => Err(Error::unsupported("a condition of MERGE whose value changes from call to call is not supported")
            .with_hint("work it out in the source: USING (SELECT random() AS chance, … FROM …)")),
        false => Ok(()),
    }
}

fn pinned(state: &SessionState, name: &str, table: Arc<LakeTable>, rows: Arc<AddressedTable>) -> Result<SessionState> {
    let catalog = MemoryCatalogProvider::new();
    if let Some(shared) = state.catalog_list().catalog(sql::DATABASE) {
        for schema_name in shared.schema_names() {
            let Some(below) = shared.schema(&schema_name) else { continue };
            let schema = match schema_name == sql::PUBLIC_SCHEMA {
                true => Arc::new(Pinned { below, name: name.to_string(), table: table.clone() }),
                false => below,
            };
            catalog.register_schema(&schema_name, schema)?;
        }
    }
    let addressed = MemorySchemaProvider::new();
    addressed.register_table(name.to_string(), rows)?;
    catalog.register_schema(ADDRESSED_SCHEMA, Arc::new(addressed))?;
    let catalogs = MemoryCatalogProviderList::new();
    catalogs.register_catalog(sql::DATABASE.to_string(), Arc::new(catalog));
    Ok(SessionStateBuilder::new_from_existing(state.clone()).with_catalog_list(Arc::new(catalogs)).build())
}

/// A schema of which one table stands still.
struct Pinned {
    below: Arc<dyn SchemaProvider>,
    name: String,
    table: Arc<LakeTable>,
}

#[async_trait]
impl SchemaProvider for Pinned {
    fn table_names(&self) -> Vec<String> {
        self.below.table_names()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        match name == self.name {
            true => Ok(Some(self.table.clone())),
            false => self.below.table(name).await,
        }
    }

    fn table_exist(&self, name: &str) -> bool {
        self.below.table_exist(name)
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned({})", self.name)
    }
}
