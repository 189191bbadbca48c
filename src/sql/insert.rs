//! `INSERT INTO t [(a, b)] VALUES … | SELECT …`: sqlparser reads it, we refuse what would not be done.

use sqlparser::ast::{self, ObjectName, TableObject};

use super::object::in_public_schema;
use super::reader::Reader;
use super::{position, query, windows};
use crate::error::{Error, Result};
use crate::model::Name;
use crate::model::name::fold;

#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    pub target: Name,
    pub target_position: usize,
    /// Empty where the statement names none.
    pub columns: Vec<Name>,
    /// For the planner.
    pub ast: ast::Insert,
}

impl Insert {
    /// What is inserted.
    pub fn query(&self) -> &ast::Query {
        self.ast.source.as_deref().expect("parsing refuses an INSERT without a query")
    }
}

pub fn parse(reader: &mut Reader) -> Result<Insert> {
    let start = reader.position();
    let ast::Statement::Insert(mut insert) = reader.statement()? else {
        return Err(Error::unsupported("this form of INSERT is not supported").at(start));
    };
    refuse_clauses(&insert).map_err(|error| error.at(start))?;
    let Some(source) = &mut insert.source else {
        return Err(Error::unsupported("INSERT without VALUES or SELECT is not supported").at(start));
    };
    query::check(source, reader.text())?;
    windows::expand(source.as_mut(), reader.text())?;
    let TableObject::TableName(written) = &insert.table else {
        return Err(Error::unsupported("INSERT into a function is not supported").at(start));
    };
    let target_position = place(written, reader.text()).unwrap_or(start);
    let target = in_public_schema(written).map_err(|error| error.at(target_position))?;
    let columns = insert.columns.iter().map(|column| self::column(column, reader.text())).collect::<Result<_>>()?;
    Ok(Insert { target, target_position, columns, ast: insert })
}

fn column(written: &ObjectName, text: &str) -> Result<Name> {
    let position = place(written, text);
    let name = match &written.0[..] {
        [only] => only.as_ident().map(fold),
        _ => None,
    };
    let name = name.ok_or_else(|| Error::unsupported(format!("INSERT into {written}, a part of a column, is not supported")));
    let name = name.and_then(Name::new);
    match position {
        Some(position) => name.map_err(|error| error.at(position)),
        None => name,
    }
}

fn place(written: &ObjectName, text: &str) -> Option<usize> {
    let ident = written.0.first()?.as_ident()?;
    Some(position::position(text, ident.span.start))
}

fn refuse_clauses(insert: &ast::Insert) -> Result<()> {
    let refused = [
        (insert.on.is_some(), "ON CONFLICT"),
        (insert.returning.is_some(), "RETURNING"),
        (insert.overwrite, "INSERT OVERWRITE"),
        (insert.or.is_some() || insert.replace_into || insert.ignore, "INSERT OR …"),
        (insert.partitioned.is_some(), "PARTITION in INSERT"),
        (!insert.assignments.is_empty(), "SET in INSERT"),
        (insert.table_alias.is_some(), "an alias of INSERT's table"),
        (insert.multi_table_insert_type.is_some(), "INSERT ALL"),
    ];
    match refused.iter().find(|(given, _)| *given) {
        Some((_, clause)) => Err(Error::unsupported(format!("{clause} is not supported yet"))),
        None => Ok(()),
    }
}
