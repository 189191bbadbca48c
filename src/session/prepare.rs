//! Parses and plans a statement before it runs: clients ask for the types of parameters and columns first.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::{ParamValues, ScalarValue};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as DataFusionStatement;
use parking_lot::RwLock;
use sqlparser::ast;

use super::{Session, change, run};
use crate::catalog::{Catalog, ObjectKind};
use crate::error::{Error, Result, SqlState};
use crate::flow::compile::METADATA_COLUMNS;
use crate::model::SqlType;
use crate::query::look_up::LookUp;
use crate::query::pg_catalog;
use crate::sql::{self, ChangedTable, Parsed, Statement, result_names};

/// A statement whose parameters and columns are known.
pub struct Prepared {
    pub parameters: Vec<SqlType>,
    /// None where it answers without rows.
    pub columns: Option<SchemaRef>,
    parsed: Parsed,
    look_up: RwLock<Option<Arc<LookUp>>>,
}

impl Prepared {
    pub fn statement(&self) -> &Statement {
        &self.parsed.statement
    }

    /// What it looks up, if it does no more.
    pub fn look_up(&self) -> Option<Arc<LookUp>> {
        self.look_up.read().clone()
    }

    /// The same where names have come to mean something else: as the statement is planned now, if its columns are what the client knows of.
    pub fn renew_look_up(&self, plan: &LogicalPlan) {
        let types = |schema: &Schema| schema.fields().iter().map(|field| field.data_type().clone()).collect::<Vec<_>>();
        let is_known = self.columns.as_ref().is_some_and(|columns| types(columns) == types(plan.schema().as_arrow()));
        *self.look_up.write() = LookUp::of(plan).filter(|_| is_known).map(Arc::new);
    }

    /// The statement as it was written.
    pub fn text(&self) -> &str {
        &self.parsed.text
    }
}

pub async fn prepare(session: &Session, text: &str, given: &[Option<SqlType>]) -> Result<Prepared> {
    let mut statements = sql::parse(text)?;
    let (Some(parsed), None) = (statements.pop(), statements.pop()) else {
        return Err(Error::syntax("cannot insert multiple commands into a prepared statement"));
    };
    let mut look_up = None;
    let (parameters, columns) = match &parsed.statement {
        Statement::Query(query) => {
            let plan = plan_query(session, query, &parsed.text).await?;
            look_up = LookUp::of(&plan);
            let parameters = parameter_types(&plan, given, &cast_parameters(query.as_ref()))?;
            let columns = result_names::rename(query, &typed_columns(plan, &parameters)?);
            (parameters, Some(columns))
        }
        Statement::Insert(insert) => {
            let plan = run::insert::plan(session, insert, &parsed.text).await?;
            (parameter_types(&plan, given, &cast_parameters(insert.query()))?, None)
        }
        Statement::Update(update) => {
            changed(session, &update.table, &|schema| run::update::wanted(update, schema), &parsed.text, given).await?
        }
        Statement::Delete(delete) => changed(session, &delete.table, &|_| run::delete::wanted(delete), &parsed.text, given).await?,
        Statement::Merge(merge) => changed(session, &merge.table, &|schema| run::merge::wanted(merge, schema), &parsed.text, given).await?,
        Statement::Subscribe(subscribe) => {
            let (plan, columns) = run::subscribe::prepare(session, subscribe, &parsed.text).await?;
            (parameter_types(&plan, given, &cast_parameters(&subscribe.rows_query()?))?, Some(columns))
        }
        Statement::Declare(declare) => {
            let plan = run::cursor::plan(session, declare, &parsed.text).await?;
            (parameter_types(&plan, given, &cast_parameters(&declare.rows_query()?))?, None)
        }
        Statement::Fetch(fetch) => (vec![], Some(run::cursor::columns(session, fetch)?)),
        Statement::Explain(_) => (vec![], Some(text_columns(&["QUERY PLAN"]))),
        other => (vec![], run::show::columns(session, other).await?),
    };
    Ok(Prepared { parameters, columns, parsed, look_up: RwLock::new(look_up.map(Arc::new)) })
}

/// The parameters of a statement that changes rows.
async fn changed(
    session: &Session,
    table: &ChangedTable,
    want: change::Want<'_>,
    text: &str,
    given: &[Option<SqlType>],
) -> Result<(Vec<SqlType>, Option<SchemaRef>)> {
    let (plan, query) = change::plan(session, table, want, text).await?;
    Ok((parameter_types(&plan, given, &cast_parameters(&query))?, None))
}

/// Plans a query over everything that a session can see.
pub async fn plan_query(session: &Session, query: &ast::Query, text: &str) -> Result<LogicalPlan> {
    let mut query = query.clone();
    result_names::make_unique(&mut query);
    hide_metadata_columns(&session.services.flow.catalog, &mut query)?;
    plan(session, ast::Statement::Query(Box::new(query)), text).await
}

/// Plans a query whose result becomes rows of a table: its columns have PostgreSQL's names, each once.
pub async fn plan_rows(session: &Session, query: &ast::Query, text: &str) -> Result<LogicalPlan> {
    result_names::rename_plan(query, plan_query(session, query, text).await?)
}

/// A source's `_offset` and the like are in no `*`.
pub fn hide_metadata_columns(catalog: &Catalog, query: &mut ast::Query) -> Result<()> {
    let catalog = catalog.snapshot();
    sql::metadata_columns::hide_from_wildcards(query, &METADATA_COLUMNS, &|name| catalog.find(ObjectKind::Source, name).is_some())
}

/// Plans a statement of the planner's own.
pub async fn plan(session: &Session, statement: ast::Statement, text: &str) -> Result<LogicalPlan> {
    let statement = match pg_catalog::touches_catalog(&statement) {
        true => pg_catalog::rewrite(statement, text),
        false => statement,
    };
    let statement = DataFusionStatement::Statement(Box::new(statement));
    let plan = session.state.statement_to_plan(statement).await;
    plan.map_err(Error::from).map_err(|error| sql::locate(error, text))
}

/// The plan with its parameters filled in.
pub fn bind(plan: LogicalPlan, parameters: &[ScalarValue]) -> Result<LogicalPlan> {
    match parameters.is_empty() {
        true => Ok(plan),
        false => Ok(plan.with_param_values(ParamValues::from(parameters.to_vec()))?),
    }
}

pub fn text_columns(names: &[&str]) -> SchemaRef {
    Arc::new(Schema::new(names.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect::<Vec<_>>()))
}

/// What the client said, else what the planner made of the place where the parameter stands, else text.
fn parameter_types(plan: &LogicalPlan, given: &[Option<SqlType>], cast: &HashMap<String, SqlType>) -> Result<Vec<SqlType>> {
    let inferred: HashMap<String, Option<DataType>> = plan.get_parameter_types()?;
    let numbers = inferred.keys().map(|name| number_of(name)).collect::<Result<Vec<_>>>()?;
    let count = numbers.into_iter().max().unwrap_or(0).max(given.len());
    (1..=count)
        .map(|number| {
            let given = given.get(number - 1).cloned().flatten();
            let name = format!("${number}");
            let inferred = inferred.get(&name).cloned().flatten();
            Ok(given
                .or_else(|| cast.get(&name).cloned())
                .or_else(|| inferred.map(|data_type| SqlType::from_arrow(&data_type)))
                .unwrap_or(SqlType::Text))
        })
        .collect()
}

/// `$1::bigint` says what the parameter is; the planner does not look there.
fn cast_parameters(query: &ast::Query) -> HashMap<String, SqlType> {
    let mut types = HashMap::new();
    let _ = ast::visit_expressions(query, |expression| {
        if let ast::Expr::Cast { expr, data_type, .. } = expression
            && let ast::Expr::Value(value) = expr.as_ref()
            && let ast::Value::Placeholder(name) = &value.value
            && let Ok(sql_type) = SqlType::from_ast(data_type)
        {
            types.entry(name.clone()).or_insert(sql_type);
        }
        ControlFlow::<()>::Continue(())
    });
    types
}

/// The columns of a plan once its parameters have types.
fn typed_columns(plan: LogicalPlan, parameters: &[SqlType]) -> Result<SchemaRef> {
    let nulls = parameters.iter().map(|parameter| ScalarValue::try_from(&parameter.to_arrow())).collect::<Result<Vec<_>, _>>()?;
    Ok(Arc::new(bind(plan, &nulls)?.schema().as_arrow().clone()))
}

fn number_of(parameter: &str) -> Result<usize> {
    parameter.strip_prefix('$').and_then(|number| number.parse().ok()).ok_or_else(|| {
        Error::undefined(format!("there is no parameter {parameter}"))
            .with_state(SqlState::UNDEFINED_PARAMETER)
            .with_hint("parameters are $1, $2, …")
    })
}
