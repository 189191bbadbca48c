//! `CREATE [OR REPLACE] PIPELINE [IF NOT EXISTS] name [WITH (…)] [CONSTRAINT c EXPECT (…) ON VIOLATION …] … AS INSERT INTO t SELECT …`

use sqlparser::ast::{Expr, Query};
use sqlparser::tokenizer::Token;

use super::column_def;
use super::emit;
use super::object::{PlacedName, if_not_exists, object_name};
use super::reader::Reader;
use super::with_options;
use crate::catalog::Emit;
use crate::error::{Error, Result};
use crate::model::{Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct CreatePipeline {
    pub name: Name,
    pub name_position: usize,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub options: Options,
    pub expectations: Vec<Expectation>,
    pub target: Name,
    pub target_position: usize,
    /// `INSERT INTO t (a, b)`
    pub target_columns: Option<Vec<Name>>,
    pub query: Box<Query>,
    /// The query as written, without `EMIT`.
    pub query_text: String,
    /// Characters before the query, in the statement.
    pub query_offset: usize,
    pub emit: Emit,
}

/// What each row that the query gives must fulfil.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    pub name: Name,
    pub condition: Expr,
    /// The condition as written, without its parentheses.
    pub condition_text: String,
    /// Characters before the condition, in the statement.
    pub condition_offset: usize,
    pub on_violation: OnViolation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnViolation {
    /// The row is left out, and counted.
    DropRow,
    /// The job stops.
    Fail,
    /// The row is kept, and counted.
    Warn,
}

pub fn parse(reader: &mut Reader) -> Result<CreatePipeline> {
    reader.expect(&["CREATE"])?;
    let or_replace = reader.accept(&["OR", "REPLACE"]);
    reader.expect(&["PIPELINE"])?;
    let if_not_exists = if_not_exists(reader);
    let name = object_name(reader)?;
    let options = with_options::optional(reader)?;
    let expectations = expectations(reader)?;
    if !reader.accept(&["AS"]) {
        return Err(reader.unexpected("AS INSERT INTO … SELECT …"));
    }
    let (target, target_columns) = target(reader)?;
    let (query_offset, first_byte) = (reader.position() - 1, reader.byte_offset());
    let query = reader.query()?;
    let query_text = reader.text()[first_byte..reader.byte_offset_behind()].to_string();
    let emit = emit::optional(reader)?;
    refuse_conflict_clauses(reader)?;
    Ok(CreatePipeline {
        name: name.name,
        name_position: name.position,
        or_replace,
        if_not_exists,
        options,
        expectations,
        target: target.name,
        target_position: target.position,
        target_columns,
        query,
        query_text,
        query_offset,
        emit,
    })
}

fn expectations(reader: &mut Reader) -> Result<Vec<Expectation>> {
    let mut expectations: Vec<Expectation> = Vec::new();
    while reader.accept(&["CONSTRAINT"]) {
        let name = reader.name("a constraint's name")?;
        if expectations.iter().any(|earlier| earlier.name == name.name) {
            return Err(Error::duplicate(format!("constraint \"{}\" is given twice", name.name)).at(name.position));
        }
        expectations.push(expectation(reader, name.name)?);
    }
    Ok(expectations)
}

/// `EXPECT (condition) ON VIOLATION DROP ROW | FAIL | WARN`
fn expectation(reader: &mut Reader, name: Name) -> Result<Expectation> {
    reader.expect(&["EXPECT"])?;
    reader.expect_token(&Token::LParen)?;
    let (condition_offset, start) = (reader.position() - 1, reader.byte_offset());
    let condition = reader.expression()?;
    let condition_text = reader.text()[start..reader.byte_offset_behind()].to_string();
    reader.expect_token(&Token::RParen)?;
    let on_violation = on_violation(reader)?;
    Ok(Expectation { name, condition, condition_text, condition_offset, on_violation })
}

fn on_violation(reader: &mut Reader) -> Result<OnViolation> {
    const EXPECTED: &str = "ON VIOLATION DROP ROW, FAIL or WARN";
    if !reader.accept(&["ON", "VIOLATION"]) {
        return Err(reader.unexpected(EXPECTED));
    }
    if reader.accept(&["DROP", "ROW"]) {
        Ok(OnViolation::DropRow)
    } else if reader.accept(&["FAIL"]) {
        Ok(OnViolation::Fail)
    } else if reader.accept(&["WARN"]) {
        Ok(OnViolation::Warn)
    } else {
        Err(reader.unexpected(EXPECTED))
    }
}

/// `INSERT INTO t [(a, b)]`
fn target(reader: &mut Reader) -> Result<(PlacedName, Option<Vec<Name>>)> {
    let position = reader.position();
    if reader.peek(&["MERGE"]) {
        return Err(Error::unsupported("MERGE in a pipeline is not supported yet").at(position));
    }
    if reader.peek(&["INSERT", "OVERWRITE"]) {
        return Err(Error::unsupported("INSERT OVERWRITE in a pipeline is not supported yet").at(position));
    }
    if !reader.accept(&["INSERT", "INTO"]) {
        return Err(reader.unexpected("INSERT INTO").with_hint("a pipeline writes what a query gives: AS INSERT INTO t SELECT …"));
    }
    let target = object_name(reader)?;
    let columns = match reader.peek_token(&Token::LParen) && !begins_query(reader) {
        true => Some(target_columns(reader)?),
        false => None,
    };
    Ok((target, columns))
}

/// Whether what stands in the parenthesis that comes next is a query, and not columns.
fn begins_query(reader: &Reader) -> bool {
    matches!(reader.peek_nth_token(1), Token::LParen)
        || reader.peek_word(1).is_some_and(|word| matches!(word.as_str(), "SELECT" | "WITH" | "VALUES"))
}

fn target_columns(reader: &mut Reader) -> Result<Vec<Name>> {
    let mut columns: Vec<Name> = Vec::new();
    reader.expect_token(&Token::LParen)?;
    reader.comma_separated(|reader| {
        let column = reader.name("a column's name")?;
        if columns.contains(&column.name) {
            return Err(column_def::duplicate(&column.name, column.position));
        }
        columns.push(column.name);
        Ok(())
    })?;
    reader.expect_token(&Token::RParen)?;
    Ok(columns)
}

fn refuse_conflict_clauses(reader: &Reader) -> Result<()> {
    let refused: &[&[&str]] = &[&["ON", "CONFLICT"], &["RETURNING"]];
    match refused.iter().find(|words| reader.peek(words)) {
        Some(words) => Err(Error::unsupported(format!("{} in a pipeline is not supported yet", words.join(" "))).at(reader.position())),
        None => Ok(()),
    }
}
