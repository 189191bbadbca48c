//! What the columns of a result are called when the query does not say: PostgreSQL's names, for tools and people know those.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::logical_expr::{Expr as PlannedExpr, LogicalPlan, LogicalPlanBuilder};
use sqlparser::ast::{DataType, Expr, Ident, Query, SelectItem, SetExpr};

use crate::error::{Error, Result, SqlState};
use crate::model::SqlType;
use crate::model::name::fold;

const NAMELESS: &str = "?column?";

/// The columns of a query's result under PostgreSQL's names.
pub fn rename(query: &Query, columns: &SchemaRef) -> SchemaRef {
    let planned = columns.fields().iter().map(|field| field.name().clone()).collect();
    let fields = columns.fields().iter().zip(names(query, planned)).map(|(field, name)| Arc::new(field.as_ref().clone().with_name(name)));
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), columns.metadata().clone()))
}

/// The plan with PostgreSQL's names, for a result that becomes a table: there each name stands once.
pub fn rename_plan(query: &Query, plan: LogicalPlan) -> Result<LogicalPlan> {
    let planned = plan.schema().fields().iter().map(|field| field.name().clone()).collect();
    let names = names(query, planned);
    let mut seen = HashSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(named_twice(twice));
    }
    let columns: Vec<_> =
        plan.schema().columns().into_iter().zip(names).map(|(column, name)| PlannedExpr::Column(column).alias(name)).collect();
    Ok(LogicalPlanBuilder::from(plan).project(columns)?.build()?)
}

/// Refuses a query that itself gives two columns of its result one name. What a `*` brings is not seen.
pub fn refuse_twins(query: &Query) -> Result<()> {
    let mut seen = HashSet::new();
    let names = items(query.body.as_ref()).unwrap_or_default().iter().filter_map(item_name);
    match names.into_iter().find(|name| !seen.insert(name.clone())) {
        None => Ok(()),
        Some(twice) => Err(named_twice(&twice)),
    }
}

pub fn named_twice(name: &str) -> Error {
    Error::duplicate(format!("column \"{name}\" specified more than once"))
        .with_state(SqlState::DUPLICATE_COLUMN)
        .with_hint("name the columns with AS")
}

/// Gives each column of the result a name of its own, which the planner insists on and PostgreSQL does not: `SELECT 1, 1`. The result
/// is renamed by the query as it was.
pub fn make_unique(query: &mut Query) {
    make_body_unique(query.body.as_mut());
}

fn make_body_unique(body: &mut SetExpr) {
    match body {
        SetExpr::Select(select) => {
            let mut seen = HashSet::new();
            for (number, item) in select.projection.iter_mut().enumerate() {
                let is_new = match &*item {
                    SelectItem::UnnamedExpr(expression) => seen.insert(likeness(expression)),
                    SelectItem::ExprWithAlias { alias, .. } => seen.insert(fold(alias)),
                    _ => true,
                };
                if let (false, SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = (is_new, &*item) {
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: Ident::with_quote('"', format!("{NAMELESS}{number}")) };
                }
            }
        }
        SetExpr::SetOperation { left, right, .. } => {
            make_body_unique(left);
            make_body_unique(right);
        }
        SetExpr::Query(query) => make_unique(query),
        _ => {}
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

/// The same for expressions that the planner may call the same.
fn likeness(expression: &Expr) -> String {
    match expression {
        Expr::Identifier(ident) => fold(ident),
        other => other.to_string().to_lowercase(),
    }
}

/// What the query says of the names, and for the columns of its `*` what the planner says.
fn names(query: &Query, planned: Vec<String>) -> Vec<String> {
    let Some(items) = items(query.body.as_ref()) else { return planned };
    let is_wildcard = |item: &&SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
    let wildcards = items.iter().filter(is_wildcard).count();
    let Some(of_wildcard) = (planned.len() + wildcards).checked_sub(items.len()) else { return planned };
    if wildcards > 1 || (wildcards == 0 && of_wildcard > 0) {
        return planned;
    }
    let mut planned = planned.into_iter();
    let mut names = vec![];
    for item in items {
        match item_name(item) {
            Some(name) => {
                planned.next();
                names.push(name);
            }
            None => names.extend(planned.by_ref().take(of_wildcard)),
        }
    }
    names
}

fn items(body: &SetExpr) -> Option<&[SelectItem]> {
    match body {
        SetExpr::Select(select) => Some(&select.projection),
        SetExpr::SetOperation { left, .. } => items(left),
        SetExpr::Query(query) => items(query.body.as_ref()),
        _ => None,
    }
}

pub(super) fn item_name(item: &SelectItem) -> Option<String> {
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
        Expr::Subquery(query) => items(query.body.as_ref())?.first().and_then(item_name).filter(|name| name != NAMELESS),
        Expr::Extract { .. } => Some("extract".to_string()),
        Expr::Substring { .. } => Some("substring".to_string()),
        Expr::Trim { .. } => Some("btrim".to_string()),
        Expr::Array(_) => Some("array".to_string()),
        _ => None,
    }
}

/// `1::bigint` is called `int8`, and an array like its elements.
fn cast_name(data_type: &DataType) -> Option<String> {
    Some(SqlType::from_ast(data_type).ok()?.internal_name().trim_start_matches('_').to_string())
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
