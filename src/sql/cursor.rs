//! `DECLARE c CURSOR [WITH HOLD] FOR SELECT … | SUBSCRIBE …`, `FETCH [n | ALL] FROM c [WITH (timeout = …)]`, `CLOSE c | ALL`

use std::time::Duration;

use sqlparser::ast::Query;
use sqlparser::tokenizer::Token;

use super::object::PlacedName;
use super::reader::Reader;
use super::statement::Statement;
use super::subscribe::{self, Subscribe};
use super::{emit, with_options};
use crate::error::{Error, Result, SqlState};

#[derive(Debug, Clone, PartialEq)]
pub struct Declare {
    pub cursor: PlacedName,
    /// Whether it outlives its transaction.
    pub hold: bool,
    pub of: CursorOf,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CursorOf {
    Query(Box<Query>),
    Subscribe(Box<Subscribe>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    pub cursor: PlacedName,
    pub count: FetchCount,
    /// How long to wait for rows that have yet to come.
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchCount {
    Rows(usize),
    All,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Close {
    All,
    Named(PlacedName),
}

pub fn declare(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["DECLARE"])?;
    let cursor = reader.name("a cursor's name")?;
    options(reader)?;
    reader.expect(&["CURSOR"])?;
    let hold = reader.accept(&["WITH", "HOLD"]);
    if !hold {
        reader.accept(&["WITHOUT", "HOLD"]);
    }
    reader.expect(&["FOR"])?;
    let of = match reader.peek(&["SUBSCRIBE"]) {
        true => CursorOf::Subscribe(Box::new(subscribe::parse(reader)?)),
        false => {
            let query = reader.query()?;
            emit::refuse(reader)?;
            CursorOf::Query(query)
        }
    };
    Ok(Statement::Declare(Box::new(Declare { cursor, hold, of })))
}

impl Declare {
    /// The query whose parameters it has.
    pub fn rows_query(&self) -> Result<Query> {
        match &self.of {
            CursorOf::Query(query) => Ok(query.as_ref().clone()),
            CursorOf::Subscribe(subscribe) => subscribe.rows_query(),
        }
    }
}

/// What a cursor is in PostgreSQL, where it is so here as well.
fn options(reader: &mut Reader) -> Result<()> {
    loop {
        if reader.accept(&["INSENSITIVE"]) || reader.accept(&["ASENSITIVE"]) || reader.accept(&["NO", "SCROLL"]) {
            continue;
        }
        match ["BINARY", "SCROLL"].into_iter().find(|word| reader.peek(&[word])) {
            Some(word) => return Err(Error::unsupported(format!("{word} cursors are not supported")).at(reader.position())),
            None => return Ok(()),
        }
    }
}

pub fn fetch(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["FETCH"])?;
    let count = count(reader)?;
    if !reader.accept(&["FROM"]) {
        reader.accept(&["IN"]);
    }
    let cursor = reader.name("a cursor's name")?;
    let mut options = with_options::optional(reader)?;
    let timeout = options.take_duration("timeout")?;
    options.finish("FETCH")?;
    Ok(Statement::Fetch(Fetch { cursor, count, timeout }))
}

/// Rows are read once, from the first on.
fn count(reader: &mut Reader) -> Result<FetchCount> {
    const BACK: [&str; 6] = ["PRIOR", "FIRST", "LAST", "ABSOLUTE", "RELATIVE", "BACKWARD"];
    // Any of these may be a cursor's name, if it comes last.
    let is_last = matches!(reader.peek_nth_token(1), Token::EOF);
    if is_last {
        return Ok(FetchCount::Rows(1));
    }
    if let Some(word) = BACK.into_iter().find(|word| reader.peek(&[word])) {
        return Err(Error::unsupported(format!("FETCH {word} is not supported"))
            .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
            .with_detail("a cursor can only go forward")
            .at(reader.position()));
    }
    if reader.accept(&["NEXT"]) {
        return Ok(FetchCount::Rows(1));
    }
    reader.accept(&["FORWARD"]);
    if reader.accept(&["ALL"]) {
        return Ok(FetchCount::All);
    }
    match reader.peek_nth_token(0).clone() {
        Token::Number(number, _) => {
            let rows = number.parse().map_err(|_| Error::syntax(format!("FETCH cannot count {number} rows")).at(reader.position()))?;
            reader.next_token();
            Ok(FetchCount::Rows(rows))
        }
        Token::Minus => Err(Error::unsupported("FETCH of rows before is not supported")
            .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
            .with_detail("a cursor can only go forward")
            .at(reader.position())),
        _ => Ok(FetchCount::Rows(1)),
    }
}

pub fn close(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["CLOSE"])?;
    let close = match reader.accept(&["ALL"]) {
        true => Close::All,
        false => Close::Named(reader.name("a cursor's name, or ALL")?),
    };
    Ok(Statement::Close(close))
}
