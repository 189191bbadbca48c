//! TEMPORARY: runs statements on a plain DataFusion context, until the real session takes its place.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::scalar::ScalarValue;
use parking_lot::Mutex;
use sqlparser::ast::Statement;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::{Error, Result};
use crate::model::SqlType;
use crate::query::pg_catalog::{self, RelationInfo, RelationKind, Relations};

pub struct Services;

pub struct Session {
    context: SessionContext,
    notices: Mutex<Vec<Notice>>,
    status: Mutex<TransactionStatus>,
}

pub struct StatementText {
    pub text: String,
    pub offset: usize,
}

pub struct Prepared {
    pub parameters: Vec<SqlType>,
    pub columns: Option<SchemaRef>,
    run: Run,
}

enum Run {
    Plan(Box<LogicalPlan>),
    Tag(&'static str),
}

pub enum Outcome {
    Rows { schema: SchemaRef, rows: SendableRecordBatchStream, tag: &'static str },
    Done { tag: String },
}

#[derive(Debug, Clone)]
pub struct Notice {
    pub severity: &'static str,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    InTransaction,
    Failed,
}

#[derive(Debug)]
struct ContextRelations(std::sync::Weak<dyn datafusion::catalog::CatalogProvider>);

impl Relations for ContextRelations {
    fn schemas(&self) -> Vec<String> {
        vec!["public".into()]
    }

    fn relations(&self, schema: &str) -> Vec<RelationInfo> {
        let Some(provider) = self.0.upgrade().and_then(|catalog| catalog.schema(schema)) else { return vec![] };
        let info = |name: String| {
            let table = futures::executor::block_on(provider.table(&name)).ok()??;
            let kind = match table.table_type() {
                datafusion::logical_expr::TableType::View => RelationKind::View,
                _ => RelationKind::Table,
            };
            Some(RelationInfo { name, kind, columns: table.schema() })
        };
        provider.table_names().into_iter().filter_map(info).collect()
    }
}

impl Session {
    pub fn new(_services: Arc<Services>, user: &str, database: &str) -> Session {
        let config = SessionConfig::new().with_default_catalog_and_schema("lakewire", "public");
        let context = SessionContext::new_with_config(config);
        let catalog = context.catalog("lakewire").expect("the default catalog exists");
        let relations = Arc::new(ContextRelations(Arc::downgrade(&catalog)));
        pg_catalog::register(&context, relations, user, database).expect("the catalog tables register");
        Session { context, notices: Mutex::default(), status: Mutex::new(TransactionStatus::Idle) }
    }

    pub fn split(&self, sql: &str) -> Result<Vec<StatementText>> {
        let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().map_err(|error| Error::syntax(error.message))?;
        let lines: Vec<usize> =
            std::iter::once(0).chain(sql.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(at, _)| at + 1)).collect();
        let mut statements = Vec::new();
        let mut start = 0;
        let characters: Vec<char> = sql.chars().collect();
        let mut push = |from: usize, to: usize, some: bool| {
            if some {
                statements.push(StatementText { text: characters[from..to].iter().collect(), offset: from });
            }
        };
        let mut some = false;
        for token in tokens {
            match token.token {
                Token::SemiColon => {
                    let at = lines[token.span.start.line as usize - 1] + token.span.start.column as usize - 1;
                    push(start, at, some);
                    start = at + 1;
                    some = false;
                }
                Token::Whitespace(_) | Token::EOF => {}
                _ => some = true,
            }
        }
        push(start, characters.len(), some);
        Ok(statements)
    }

    pub async fn prepare(&self, text: &str, parameter_types: &[Option<SqlType>]) -> Result<Prepared> {
        let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, text).map_err(|e| Error::syntax(e.to_string()).at(1))?;
        let statement = statements.pop().ok_or_else(|| Error::syntax("empty"))?;
        if *self.status.lock() == TransactionStatus::Failed && !matches!(statement, Statement::Rollback { .. } | Statement::Commit { .. }) {
            return Err(Error::state("current transaction is aborted, commands ignored until end of transaction block"));
        }
        if let Some(tag) = utility(&statement) {
            return Ok(Prepared { parameters: vec![], columns: None, run: Run::Tag(tag) });
        }
        let cast = cast_parameters(&statement);
        let statement = match pg_catalog::touches_catalog(&statement) {
            true => pg_catalog::rewrite(statement, text),
            false => statement,
        };
        let statement = datafusion::sql::parser::Statement::Statement(Box::new(statement));
        let plan = self.context.state().statement_to_plan(statement).await?;
        let inferred: HashMap<_, _> = plan.get_parameter_types()?;
        let parameters = (1..=inferred.len().max(parameter_types.len())).map(|number| {
            let name = format!("${number}");
            let declared = parameter_types.get(number - 1).cloned().flatten();
            let inferred = inferred.get(&name).cloned().flatten().map(|t| SqlType::from_arrow(&t));
            declared.or(cast.get(&name).cloned()).or(inferred).unwrap_or(SqlType::Text)
        });
        let parameters: Vec<SqlType> = parameters.collect();
        let typed = match parameters.is_empty() {
            true => plan.clone(),
            false => {
                let nulls = parameters.iter().map(|t| ScalarValue::try_from(&t.to_arrow())).collect::<Result<Vec<_>, _>>()?;
                plan.clone().with_param_values(nulls)?
            }
        };
        let columns = match &typed {
            LogicalPlan::Ddl(_) | LogicalPlan::Dml(_) | LogicalPlan::Statement(_) => None,
            query => Some(query.schema().inner().clone()),
        };
        Ok(Prepared { parameters, columns, run: Run::Plan(Box::new(plan)) })
    }

    pub async fn execute(&self, prepared: &Prepared, parameters: Vec<ScalarValue>) -> Result<Outcome> {
        let plan = match &prepared.run {
            Run::Tag(tag) => {
                let mut status = self.status.lock();
                *status = match (*tag, *status) {
                    ("BEGIN", _) => TransactionStatus::InTransaction,
                    ("COMMIT" | "ROLLBACK", _) => TransactionStatus::Idle,
                    (_, status) => status,
                };
                return Ok(Outcome::Done { tag: tag.to_string() });
            }
            Run::Plan(plan) => plan.as_ref().clone(),
        };
        let plan = match parameters.is_empty() {
            true => plan,
            false => plan.with_param_values(parameters)?,
        };
        let frame = self.context.execute_logical_plan(plan).await?;
        match prepared.columns {
            Some(_) => {
                let rows = frame.execute_stream().await?;
                Ok(Outcome::Rows { schema: rows.schema(), rows, tag: "SELECT" })
            }
            None => {
                frame.collect().await?;
                Ok(Outcome::Done { tag: "OK".into() })
            }
        }
    }

    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut self.notices.lock())
    }

    pub fn transaction_status(&self) -> TransactionStatus {
        *self.status.lock()
    }

    pub fn fail_transaction(&self) {
        let mut status = self.status.lock();
        if *status == TransactionStatus::InTransaction {
            *status = TransactionStatus::Failed;
        }
    }

    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        [("server_version", "15.10"), ("server_encoding", "UTF8"), ("client_encoding", "UTF8"), ("DateStyle", "ISO, MDY")]
            .into_iter()
            .chain([("TimeZone", "UTC"), ("integer_datetimes", "on"), ("standard_conforming_strings", "on")])
            .map(|(name, value)| (name, value.to_string()))
            .collect()
    }
}

/// `$1::bigint` says what the parameter is.
fn cast_parameters(statement: &Statement) -> HashMap<String, SqlType> {
    use sqlparser::ast::{Expr, Value, visit_expressions};
    let mut types = HashMap::new();
    let _ = visit_expressions(statement, |expression| {
        if let Expr::Cast { expr, data_type, .. } = expression
            && let Expr::Value(value) = expr.as_ref()
            && let Value::Placeholder(name) = &value.value
            && let Ok(sql_type) = SqlType::from_ast(data_type)
        {
            types.entry(name.clone()).or_insert(sql_type);
        }
        std::ops::ControlFlow::<()>::Continue(())
    });
    types
}

fn utility(statement: &Statement) -> Option<&'static str> {
    match statement {
        Statement::StartTransaction { .. } => Some("BEGIN"),
        Statement::Commit { .. } => Some("COMMIT"),
        Statement::Rollback { .. } => Some("ROLLBACK"),
        Statement::Set(_) => Some("SET"),
        _ => None,
    }
}
