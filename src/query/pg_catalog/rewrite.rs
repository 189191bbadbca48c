//! Catalog queries → SQL that DataFusion has. The library's rules, and one of ours.

use std::ops::ControlFlow;
use std::sync::LazyLock;

use datafusion_pg_catalog::pg_catalog::PG_CATALOG_TABLES;
use datafusion_pg_catalog::sql::PostgresCompatibilityParser;
use sqlparser::ast::{
    ArrayElemTypeDef, CastKind, DataType, Expr, FunctionArguments, ObjectName, Statement, Value, visit_expressions, visit_expressions_mut,
    visit_relations,
};

const SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];
/// Functions that a query about the server itself calls without a schema, and words that stand for such a function.
const FUNCTIONS: [&str; 8] =
    ["version", "current_user", "session_user", "current_catalog", "current_database", "current_schema", "current_schemas", "format_type"];
const OID_TYPES: [&str; 7] = ["regclass", "regproc", "regprocedure", "regtype", "regnamespace", "regrole", "oid"];

static PARSER: LazyLock<PostgresCompatibilityParser> = LazyLock::new(PostgresCompatibilityParser::new);

/// Whether the statement asks PostgreSQL's catalog, by a table, a function or a type of it.
pub fn touches_catalog(statement: &Statement) -> bool {
    let relation = visit_relations(statement, |name| match is_catalog_relation(name) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    relation.is_break()
        || visit_expressions(statement, |expression| match is_catalog_expression(expression) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
        .is_break()
}

/// The statement as DataFusion can plan it. `text` is what it was parsed from: a few of psql's queries are known by their
/// words. The result has no positions.
pub fn rewrite(statement: Statement, text: &str) -> Statement {
    let mut statement = match PARSER.parse(text).map(|mut statements| (statements.pop(), statements.len())) {
        Ok((Some(rewritten), 0)) => rewritten,
        _ => PARSER.rewrite(statement),
    };
    let _ = visit_expressions_mut(&mut statement, |expression| {
        if is_array_of_query(expression) {
            *expression = null_text_array();
        }
        ControlFlow::<()>::Continue(())
    });
    statement
}

fn is_catalog_relation(name: &ObjectName) -> bool {
    let parts = parts(name);
    match parts.as_slice() {
        [.., schema, _] => SCHEMAS.contains(&schema.as_str()),
        [name] => PG_CATALOG_TABLES.contains(&name.as_str()),
        [] => false,
    }
}

fn is_catalog_expression(expression: &Expr) -> bool {
    match expression {
        Expr::Function(function) => match parts(&function.name).as_slice() {
            [.., schema, _] => SCHEMAS.contains(&schema.as_str()),
            [name] => FUNCTIONS.contains(&name.as_str()) || name.starts_with("pg_") || name.starts_with("has_"),
            [] => false,
        },
        Expr::Identifier(name) => name.quote_style.is_none() && FUNCTIONS[1..6].contains(&name.value.to_lowercase().as_str()),
        Expr::Cast { data_type, .. } => is_catalog_type(data_type),
        _ => false,
    }
}

fn is_catalog_type(data_type: &DataType) -> bool {
    match data_type {
        DataType::Regclass => true,
        DataType::Custom(name, _) => match parts(name).as_slice() {
            [.., schema, _] => SCHEMAS.contains(&schema.as_str()),
            [name] => OID_TYPES.contains(&name.as_str()),
            [] => false,
        },
        DataType::Array(ArrayElemTypeDef::SquareBracket(element, _)) => is_catalog_type(element),
        _ => false,
    }
}

fn parts(name: &ObjectName) -> Vec<String> {
    let identifiers = name.0.iter().filter_map(|part| part.as_ident());
    identifiers.map(crate::model::name::fold).collect()
}

/// `ARRAY(SELECT …)`, with which psql lists options and roles. DataFusion has no such expression, and we have no such options.
fn is_array_of_query(expression: &Expr) -> bool {
    match expression {
        Expr::Function(function) => {
            matches!(function.args, FunctionArguments::Subquery(_)) && parts(&function.name).as_slice() == ["array"]
        }
        _ => false,
    }
}

fn null_text_array() -> Expr {
    Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(Expr::Value(Value::Null.with_empty_span())),
        data_type: DataType::Array(ArrayElemTypeDef::SquareBracket(Box::new(DataType::Text), None)),
        array: false,
        format: None,
    }
}
