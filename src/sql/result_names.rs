//! What the columns of a result are called when the query does not say: PostgreSQL's names, for tools and people know those.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr};

use crate::model::name::fold;

const NAMELESS: &str = "?column?";

/// The columns of a query's result under PostgreSQL's names. A query with `*` keeps the planner's, which are right but for nameless expressions.
pub fn rename(query: &Query, columns: &SchemaRef) -> SchemaRef {
    match names(query.body.as_ref()) {
        Some(names) if names.len() == columns.fields().len() => {
            let fields = columns.fields().iter().zip(names).map(|(field, name)| Arc::new(field.as_ref().clone().with_name(name)));
            Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), columns.metadata().clone()))
        }
        _ => columns.clone(),
    }
}

/// Writes the names into the query, for where the planner's own would last: as the columns of a table. Also beside a `*`.
pub fn spell_out(query: &mut Query) {
    spell_out_in(query.body.as_mut());
}

fn spell_out_in(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => select.projection.iter_mut().for_each(spell_out_item),
        SetExpr::SetOperation { left, .. } => spell_out_in(left),
        SetExpr::Query(query) => spell_out_in(query.body.as_mut()),
        _ => {}
    }
}

fn spell_out_item(item: &mut SelectItem) {
    let SelectItem::UnnamedExpr(expression) = item else { return };
    if !matches!(expression, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
        let alias = Ident::with_quote('"', expression_name(expression).unwrap_or_else(|| NAMELESS.to_string()));
        *item = SelectItem::ExprWithAlias { expr: expression.clone(), alias };
    }
}

fn names(body: &SetExpr) -> Option<Vec<String>> {
    match body {
        SetExpr::Select(select) => select.projection.iter().map(item_name).collect(),
        SetExpr::SetOperation { left, .. } => names(left),
        SetExpr::Query(query) => names(query.body.as_ref()),
        _ => None,
    }
}

fn item_name(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::UnnamedExpr(expression) => Some(expression_name(expression).unwrap_or_else(|| NAMELESS.to_string())),
        SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
        _ => None,
    }
}

fn expression_name(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Identifier(ident) => Some(fold(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold),
        Expr::Function(function) => function.name.0.last().and_then(|part| part.as_ident()).map(fold),
        Expr::Cast { expr, data_type, .. } => expression_name(expr).or_else(|| cast_name(data_type)),
        Expr::Nested(inner) => expression_name(inner),
        Expr::Case { else_result, .. } => {
            else_result.as_ref().and_then(|result| expression_name(result)).or_else(|| Some("case".to_string()))
        }
        Expr::Exists { .. } => Some("exists".to_string()),
        Expr::Subquery(query) => names(query.body.as_ref()).and_then(|names| names.into_iter().next()).filter(|name| name != NAMELESS),
        Expr::Extract { .. } => Some("extract".to_string()),
        Expr::Substring { .. } => Some("substring".to_string()),
        Expr::Trim { .. } => Some("btrim".to_string()),
        Expr::Array(_) => Some("array".to_string()),
        _ => None,
    }
}

/// `1::bigint` is called `int8`: PostgreSQL's internal name of the type.
fn cast_name(data_type: &sqlparser::ast::DataType) -> Option<String> {
    use crate::model::SqlType;
    let name = match SqlType::from_ast(data_type).ok()? {
        SqlType::Boolean => "bool",
        SqlType::SmallInt => "int2",
        SqlType::Integer => "int4",
        SqlType::BigInt => "int8",
        SqlType::Real => "float4",
        SqlType::Double => "float8",
        SqlType::Numeric { .. } => "numeric",
        SqlType::Text => "text",
        SqlType::Json => "json",
        SqlType::Bytea => "bytea",
        SqlType::Date => "date",
        SqlType::Time => "time",
        SqlType::Timestamp => "timestamp",
        SqlType::TimestampTz => "timestamptz",
        SqlType::Interval => "interval",
        SqlType::Array(_) => "array",
    };
    Some(name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_get_their_names_beside_a_star() {
        let mut query = crate::sql::parse_query("SELECT *, a, a::bigint, upper(b), 1 + 1, c AS d FROM s").unwrap();
        spell_out(&mut query);
        let spelled = r#"SELECT *, a, a::BIGINT AS "a", upper(b) AS "upper", 1 + 1 AS "?column?", c AS d FROM s"#;
        assert_eq!(query.to_string(), spelled);
    }
}
