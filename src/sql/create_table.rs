//! `CREATE TABLE [IF NOT EXISTS] name [(column, …)] [PARTITION BY (a, b)] [WITH (…)] [AS SELECT …]`

use sqlparser::ast::Query;
use sqlparser::tokenizer::Token;

use super::column_def::{self, ColumnDef};
use super::object::{ObjectKind, PlacedName, if_not_exists, object_name};
use super::reader::Reader;
use super::with_options;
use crate::error::{Error, Result};
use crate::model::{Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    pub name: Name,
    pub name_position: usize,
    pub if_not_exists: bool,
    /// Empty where the columns come from the query, or from what is inserted.
    pub columns: Vec<ColumnDef>,
    pub partition_by: Vec<PlacedName>,
    pub options: Options,
    pub query: Option<Box<Query>>,
    /// The query as written.
    pub query_text: Option<String>,
    /// Characters before the query, in the statement. 0 without a query.
    pub query_offset: usize,
}

pub fn parse(reader: &mut Reader) -> Result<CreateTable> {
    reader.expect(&["CREATE", "TABLE"])?;
    let if_not_exists = if_not_exists(reader);
    let name = object_name(reader)?;
    let has_columns = reader.peek_token(&Token::LParen);
    let columns = match has_columns {
        true => column_def::list(reader, ObjectKind::Table, |_| Ok(false))?,
        false => Vec::new(),
    };
    let partition_by = partition_by(reader)?;
    let options = with_options::optional(reader)?;
    if !has_columns && !reader.peek(&["AS"]) {
        return Err(reader
            .unexpected("a list of columns or AS SELECT …")
            .with_hint("write () after the name to take the columns from what is inserted"));
    }
    let mut table = CreateTable {
        name: name.name,
        name_position: name.position,
        if_not_exists,
        columns,
        partition_by,
        options,
        query: None,
        query_text: None,
        query_offset: 0,
    };
    if reader.accept(&["AS"]) {
        table.query_offset = reader.position() - 1;
        table.query_text = Some(reader.text()[reader.byte_offset()..].to_string());
        table.query = Some(reader.query()?);
        refuse_no_data(reader)?;
    }
    Ok(table)
}

/// `[PARTITION BY (a, b)]`
fn partition_by(reader: &mut Reader) -> Result<Vec<PlacedName>> {
    if reader.peek(&["PARTITIONED", "BY"]) {
        return Err(reader.unexpected("PARTITION BY").with_hint("write PARTITION BY (…)"));
    }
    let mut columns: Vec<PlacedName> = Vec::new();
    if !reader.accept(&["PARTITION", "BY"]) {
        return Ok(columns);
    }
    reader.expect_token(&Token::LParen)?;
    reader.comma_separated(|reader| {
        let column = reader.name("a column's name")?;
        if reader.peek_token(&Token::LParen) {
            return Err(Error::unsupported("partitioning by an expression is not supported")
                .with_hint("make it a column of the table, and fill that in the query")
                .at(column.position));
        }
        if columns.iter().any(|earlier| earlier.name == column.name) {
            return Err(column_def::duplicate(&column.name, column.position));
        }
        columns.push(column);
        Ok(())
    })?;
    reader.expect_token(&Token::RParen)?;
    Ok(columns)
}

/// `WITH NO DATA`; `WITH DATA` is what happens anyway.
fn refuse_no_data(reader: &mut Reader) -> Result<()> {
    let position = reader.position();
    if reader.accept(&["WITH", "NO", "DATA"]) {
        return Err(Error::unsupported("WITH NO DATA is not supported").with_hint("end the query with LIMIT 0").at(position));
    }
    Ok(())
}
