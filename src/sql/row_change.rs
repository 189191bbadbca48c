//! What `UPDATE`, `DELETE` and `MERGE` have in common: a table whose rows they change, and a query that finds these rows where they stand.

use sqlparser::ast::{
    self, CastKind, Expr, Ident, Query, Select, SelectItem, SetExpr, TableAlias, TableFactor, TableWithJoins, Value, Visit, VisitMut,
};
use sqlparser::parser::Parser;

use super::dialect::LakewireDialect;
use super::object::{PlacedName, object_name};
use super::reader::Reader;
use super::{query, windows};
use crate::error::{Error, Result};
use crate::model::SqlType;
use crate::model::name::{fold, quote};

/// The table that is changed.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangedTable {
    pub name: PlacedName,
    /// What the statement calls it.
    pub alias: Ident,
}

/// `column = value`; no value is `DEFAULT`.
#[derive(Debug, Clone, PartialEq)]
pub struct SetColumn {
    pub column: PlacedName,
    pub value: Option<Expr>,
}

/// What a query for rows calls things that no statement can name: the relation whose rows have addresses, and the columns of these.
#[derive(Debug, Clone, Copy)]
pub struct Addressed<'a> {
    pub schema: &'a str,
    pub file: &'a str,
    pub row: &'a str,
    pub action: &'a str,
}

impl ChangedTable {
    /// `[ONLY] name [[AS] alias]`, where the next clause begins with one of `ends`.
    pub(super) fn parse(reader: &mut Reader, ends: &[&str]) -> Result<ChangedTable> {
        if matches!(reader.peek_word(1), Some(word) if !ends.contains(&word.as_str())) {
            reader.accept(&["ONLY"]);
        }
        let name = object_name(reader)?;
        let is_named =
            reader.accept(&["AS"]) || reader.peek_word(0).is_some_and(|word| !ends.contains(&word.as_str())) || reader.peek_quoted();
        let alias = match is_named {
            true => reader.identifier("an alias")?,
            false => Ident::with_quote('"', name.name.as_str()),
        };
        Ok(ChangedTable { name, alias })
    }

    /// Of the rows of this table and what it is joined with those for which `selection` holds: their addresses, `action`, and the values.
    pub(super) fn rows(&self, search: Search, named: Addressed) -> Result<Query> {
        let alias = &self.alias;
        let [schema, table, file, row, action] = [named.schema, self.name.name.as_str(), named.file, named.row, named.action].map(quoted);
        let template = format!(
            "SELECT {alias}.{file} AS {file}, {alias}.{row} AS {row}, 0 AS {action} FROM {schema}.{table} AS {alias} ORDER BY {file} NULLS LAST, {row}"
        );
        let mut query = parse_template(&template)?;
        let select = select_of(&mut query)?;
        select.projection[2] = aliased(search.action, named.action);
        select.projection.extend(search.values.into_iter().enumerate().map(|(n, value)| aliased(value, &format!("__lakewire_value_{n}"))));
        select.from[0].joins.extend(search.join);
        select.from.extend(search.from);
        select.selection = search.selection;
        Ok(query)
    }
}

/// How rows to change are found, and what is to be known of them.
pub(super) struct Search {
    pub action: Expr,
    pub values: Vec<Expr>,
    pub join: Option<ast::Join>,
    pub from: Vec<TableWithJoins>,
    pub selection: Option<Expr>,
}

/// The value as it is assigned to a column: what has no type of its own (a string, a parameter, NULL) takes the column's.
pub(super) fn assigned(value: Option<Expr>, to: &SqlType) -> Result<Expr> {
    let value = value.unwrap_or_else(|| Expr::Value(Value::Null.into()));
    let Expr::Value(literal) = &value else { return Ok(value) };
    let name = match (&literal.value, to) {
        // Text is looked at when it comes whether it is json.
        (Value::Null, SqlType::Json) => "text".to_string(),
        (Value::Null, to) => to.to_string(),
        (_, SqlType::Text | SqlType::Json) => return Ok(value),
        (Value::Placeholder(_), to) => to.to_string(),
        (_, SqlType::Array(_)) => return Ok(value),
        (Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_) | Value::DollarQuotedString(_), to) => to.to_string(),
        _ => return Ok(value),
    };
    let mut parser = Parser::new(&LakewireDialect).try_with_sql(&name).map_err(template_failed)?;
    let data_type = parser.parse_data_type().map_err(template_failed)?;
    Ok(Expr::Cast { kind: CastKind::Cast, expr: Box::new(value), data_type, array: false, format: None })
}

/// `(SELECT *, TRUE AS marker FROM source) AS alias`: the same rows, of which a join can tell whether they are there.
pub(super) fn marked(source: &TableFactor, marker: &str) -> Result<TableFactor> {
    let alias = match source {
        TableFactor::Table { alias: Some(alias), .. } | TableFactor::Derived { alias: Some(alias), .. } => alias.name.clone(),
        TableFactor::Table { name, alias: None, args: None, .. } => match name.0.last().and_then(|part| part.as_ident()) {
            Some(last) => last.clone(),
            None => return Err(Error::unsupported(format!("MERGE with the source {source} is not supported"))),
        },
        _ => {
            return Err(Error::unsupported("a MERGE source that is neither a table nor a query with an alias is not supported")
                .with_hint("write USING (SELECT …) AS s"));
        }
    };
    let mut subquery = parse_template(&format!("SELECT *, TRUE AS {} FROM x", quoted(marker)))?;
    select_of(&mut subquery)?.from = vec![TableWithJoins { relation: source.clone(), joins: vec![] }];
    let alias = TableAlias { explicit: true, name: alias, columns: vec![], at: None };
    Ok(TableFactor::Derived { lateral: false, subquery: Box::new(subquery), alias: Some(alias), sample: None })
}

/// An expression of a template.
pub(super) fn expression(text: &str) -> Result<Expr> {
    Parser::new(&LakewireDialect).try_with_sql(text).and_then(|mut parser| parser.parse_expr()).map_err(template_failed)
}

pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `WHERE condition`
pub(super) fn selection(reader: &mut Reader) -> Result<Option<Expr>> {
    if !reader.accept(&["WHERE"]) {
        return Ok(None);
    }
    let start = reader.position();
    match reader.accept(&["CURRENT", "OF"]) {
        true => Err(Error::unsupported("WHERE CURRENT OF is not supported").at(start)),
        false => checked(reader.expression()?, reader).map(Some),
    }
}

/// Relations with their joins, after `FROM` or `USING`.
pub(super) fn relations(reader: &mut Reader) -> Result<Vec<TableWithJoins>> {
    let relations = reader.relations()?;
    relations.into_iter().map(|relation| checked(relation, reader)).collect()
}

/// Refuses what a query within would not do, and has its windows be subqueries.
pub(super) fn checked<T: Visit + VisitMut>(mut part: T, reader: &Reader) -> Result<T> {
    query::check_within(&part, reader.text())?;
    windows::expand(&mut part, reader.text())?;
    Ok(part)
}

pub(super) fn refuse_returning(reader: &Reader) -> Result<()> {
    match reader.peek(&["RETURNING"]) {
        true => Err(Error::unsupported("RETURNING is not supported yet").at(reader.position())),
        false => Ok(()),
    }
}

/// The values of `SET a = 1, (b, c) = (2, DEFAULT)`, in the order of the text.
pub(super) fn set_columns(reader: &mut Reader) -> Result<Vec<SetColumn>> {
    use sqlparser::tokenizer::Token;
    reader.expect(&["SET"])?;
    let groups = reader.comma_separated(|reader| {
        let start = reader.position();
        let is_list = reader.accept_token(&Token::LParen);
        let columns = match is_list {
            true => reader.comma_separated(|reader| reader.name("a column"))?,
            false => vec![reader.name("a column")?],
        };
        if is_list {
            reader.expect_token(&Token::RParen)?;
        }
        reader.expect_token(&Token::Eq)?;
        let values = match is_list {
            true => row_values(reader)?,
            false => vec![value(reader)?],
        };
        match columns.len() == values.len() {
            true => Ok(columns.into_iter().zip(values).map(|(column, value)| SetColumn { column, value }).collect::<Vec<_>>()),
            false => Err(Error::syntax("number of columns does not match number of values").at(start)),
        }
    })?;
    let columns = groups.concat();
    for (n, set) in columns.iter().enumerate() {
        if columns[..n].iter().any(|earlier| earlier.column.name == set.column.name) {
            return Err(Error::syntax(format!("multiple assignments to same column \"{}\"", set.column.name)).at(set.column.position));
        }
    }
    Ok(columns)
}

/// `(1, DEFAULT)` or `ROW (1, DEFAULT)`
pub(super) fn row_values(reader: &mut Reader) -> Result<Vec<Option<Expr>>> {
    use sqlparser::tokenizer::Token;
    reader.accept(&["ROW"]);
    reader.expect_token(&Token::LParen)?;
    if reader.peek(&["SELECT"]) || reader.peek(&["WITH"]) || reader.peek(&["VALUES"]) {
        return Err(Error::unsupported("a list of columns that is set to a query is not supported")
            .with_hint("write one subquery for each column")
            .at(reader.position()));
    }
    let values = reader.comma_separated(value)?;
    reader.expect_token(&Token::RParen)?;
    Ok(values)
}

fn value(reader: &mut Reader) -> Result<Option<Expr>> {
    match reader.accept(&["DEFAULT"]) {
        true => Ok(None),
        false => checked(reader.expression()?, reader).map(Some),
    }
}

fn aliased(expr: Expr, name: &str) -> SelectItem {
    SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) }
}

fn parse_template(text: &str) -> Result<Query> {
    Parser::new(&LakewireDialect)
        .try_with_sql(text)
        .and_then(|mut parser| parser.parse_query())
        .map(|query| *query)
        .map_err(template_failed)
}

fn select_of(query: &mut Query) -> Result<&mut Select> {
    match query.body.as_mut() {
        SetExpr::Select(select) => Ok(select),
        _ => Err(Error::internal("a template is no SELECT")),
    }
}

fn template_failed(error: sqlparser::parser::ParserError) -> Error {
    Error::internal("a query that was made for a statement cannot be read").with_cause(error)
}

/// `"t"` where an alias was written as `T`.
pub(super) fn folded(alias: &Ident) -> String {
    quote(&fold(alias))
}
