//! The query of a materialized view: what it reads, and what its result looks like.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::TableReference;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::empty::EmptyTable;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{Expr, LogicalPlan, Volatility};
use datafusion::sql::parser::Statement as DataFusionStatement;
use sqlparser::ast::{Query, Statement, Value, visit_expressions};

use super::Session;
use crate::catalog::{Definition, Object, ObjectKind, Snapshot};
use crate::error::{Error, Result, SqlState};
use crate::flow::compile::{METADATA_COLUMNS, metadata_field};
use crate::model::column;
use crate::query::view;
use crate::sql::{self, result_names};

/// Functions that give another result each time they are called and yet have a meaning in a view: rows come and go as time passes.
const CLOCKS: [&str; 4] = ["now", "current_timestamp", "current_date", "today"];

/// A relation that the query reads, with its columns as of now.
pub struct Input {
    pub object: Arc<Object>,
    pub schema: SchemaRef,
}

/// The relations that a query reads, each once, in the order of the text. Errors name the relation and its place in `text`: it is not
/// there, or it is nothing that a view can follow.
pub async fn inputs(session: &Session, query: &Query, text: &str) -> Result<Vec<Input>> {
    let catalog = session.services.flow.catalog.snapshot();
    let mut inputs: Vec<Input> = vec![];
    for relation in sql::identifiers::relations(query)? {
        let object = resolve(&relation, &catalog).map_err(|error| error.at(relation.position(text)))?;
        if !inputs.iter().any(|input| input.object.id == object.id) {
            let schema = schema_of(session, &object).await?;
            inputs.push(Input { object, schema });
        }
    }
    Ok(inputs)
}

/// Plans the query over nothing but these columns. The plan's columns have PostgreSQL's names, each once. What has no lasting result is
/// refused. `text` is what the query was parsed from.
pub async fn plan(query: &Query, inputs: &[Input], text: &str) -> Result<LogicalPlan> {
    refuse_parameters(query)?;
    let mut prepared = query.clone();
    let named: Vec<&str> = METADATA_COLUMNS.into_iter().filter(|name| sql::identifiers::mentions(query, name)).collect();
    let is_source = |input: &Input| input.object.kind() == ObjectKind::Source;
    result_names::make_unique(&mut prepared);
    sql::metadata_columns::hide_from_wildcards(&mut prepared, &named, &|name| {
        inputs.iter().any(|input| is_source(input) && input.object.name == *name)
    })?;
    let context = sql::planner::context(Arc::new(RuntimeEnv::default()), 1)?;
    for input in inputs {
        let metadata = if is_source(input) { named.as_slice() } else { &[] };
        let table = EmptyTable::new(with_metadata(&input.schema, metadata));
        context.register_table(TableReference::bare(input.object.name.as_str()), Arc::new(table))?;
    }
    let statement = DataFusionStatement::Statement(Box::new(Statement::Query(Box::new(prepared))));
    let planned = context.state().statement_to_plan(statement).await.map_err(Error::from);
    let plan = planned.and_then(|plan| refuse_volatile(&plan).map(|()| plan)).and_then(|plan| result_names::rename_plan(query, plan));
    plan.map_err(|error| sql::locate(explain(error, inputs), text))
}

fn resolve(relation: &sql::identifiers::Relation, catalog: &Snapshot) -> Result<Arc<Object>> {
    match relation.schema.as_deref() {
        None | Some(sql::PUBLIC_SCHEMA) => {}
        Some(schema @ (sql::SYSTEM_SCHEMA | "pg_catalog" | "information_schema")) => {
            return Err(Error::unsupported(format!("a materialized view cannot read system table {schema}.{}", relation.name.quoted()))
                .with_hint("a materialized view reads sources, tables and other materialized views"));
        }
        Some(other) => {
            return Err(Error::undefined(format!("schema \"{other}\" does not exist")).with_state(SqlState::INVALID_SCHEMA_NAME));
        }
    }
    if let Some(object) = catalog.relation(&relation.name) {
        return Ok(object.clone());
    }
    match catalog.find(ObjectKind::Pipeline, &relation.name) {
        Some(pipeline) => Err(Error::unsupported(format!("a materialized view cannot read {}", pipeline.as_ref()))
            .with_hint("read the table that the pipeline writes")),
        None => Err(Error::undefined(format!("relation \"{}\" does not exist", relation.name)).with_state(SqlState::UNDEFINED_TABLE)),
    }
}

async fn schema_of(session: &Session, object: &Object) -> Result<SchemaRef> {
    let flow = &session.services.flow;
    match &object.definition {
        Definition::Source(source) => Ok(match flow.feeds.columns(object.id) {
            Some(live) => column::to_arrow_schema(&live.current()),
            None => column::to_arrow_schema(&source.columns),
        }),
        Definition::Table(table) => Ok(flow.lake.table(&table.location)?.refresh().await?.schema().clone()),
        Definition::View(definition) => Ok(view::schema_of(definition)),
        Definition::Pipeline(_) | Definition::Secret(_) => Err(Error::internal(format!("{object} is no relation"))),
    }
}

fn with_metadata(schema: &Schema, metadata: &[&str]) -> SchemaRef {
    let mut fields: Vec<Arc<Field>> = schema.fields().to_vec();
    fields.extend(metadata.iter().map(|name| Arc::new(metadata_field(name))));
    Arc::new(Schema::new(fields))
}

fn refuse_parameters(query: &Query) -> Result<()> {
    let found = visit_expressions(query, |expression| match expression {
        sqlparser::ast::Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::unsupported("a materialized view cannot be defined with parameters")),
    }
}

/// A view equals its query at all times, so the query must have one result.
fn refuse_volatile(plan: &LogicalPlan) -> Result<()> {
    let mut found = None;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Expr::ScalarFunction(call) = part
                    && call.func.signature().volatility == Volatility::Volatile
                    && !CLOCKS.contains(&call.name())
                {
                    found = Some(call.name().to_string());
                    return Ok(TreeNodeRecursion::Stop);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    match found {
        None => Ok(()),
        Some(name) => Err(Error::unsupported(format!("function {name}() cannot be used in a materialized view"))
            .with_detail("it gives another result each time it is called, so there is nothing that the view could be kept equal to")
            .with_hint("compute the value where rows are made, in a pipeline")),
    }
}

fn explain(error: Error, inputs: &[Input]) -> Error {
    let unknown = error.sqlstate() == SqlState::UNDEFINED_COLUMN && error.hint().is_none();
    match unknown && inputs.iter().any(|input| input.schema.fields().is_empty()) {
        true => error.with_hint("no data was found yet; declare the columns in CREATE SOURCE or CREATE TABLE"),
        false => error,
    }
}
