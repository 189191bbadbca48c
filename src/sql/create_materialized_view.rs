//! `CREATE [OR REPLACE] MATERIALIZED VIEW [IF NOT EXISTS] name [WITH (…)] AS SELECT … [EMIT ON WINDOW CLOSE]`

use sqlparser::ast::Query;
use sqlparser::tokenizer::Token;

use super::emit;
use super::object::{if_not_exists, object_name};
use super::reader::Reader;
use super::with_options;
use crate::catalog::Emit;
use crate::error::{Error, Result};
use crate::model::{Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateMaterializedView {
    pub name: Name,
    pub name_position: usize,
    /// Never together with `if_not_exists`.
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub options: Options,
    pub query: Box<Query>,
    /// The query as written, without `EMIT`.
    pub query_text: String,
    /// Characters before the query, in the statement.
    pub query_offset: usize,
    pub emit: Emit,
}

pub fn parse(reader: &mut Reader) -> Result<CreateMaterializedView> {
    reader.expect(&["CREATE"])?;
    let or_replace = reader.accept(&["OR", "REPLACE"]);
    reader.expect(&["MATERIALIZED", "VIEW"])?;
    let position = reader.position();
    let if_not_exists = if_not_exists(reader);
    if or_replace && if_not_exists {
        return Err(Error::syntax("OR REPLACE and IF NOT EXISTS cannot be used together").at(position));
    }
    let name = object_name(reader)?;
    refuse_columns(reader)?;
    let options = with_options::optional(reader)?;
    if !reader.accept(&["AS"]) {
        return Err(reader.unexpected("AS SELECT …"));
    }
    let (query_offset, first_byte) = (reader.position() - 1, reader.byte_offset());
    let query = reader.query()?;
    let query_text = reader.text()[first_byte..reader.byte_offset_behind()].to_string();
    let emit = emit::optional(reader)?;
    refuse_population(reader)?;
    Ok(CreateMaterializedView {
        name: name.name,
        name_position: name.position,
        or_replace,
        if_not_exists,
        options,
        query,
        query_text,
        query_offset,
        emit,
    })
}

/// PostgreSQL's `v (a, b) AS …`, and what it says of storage.
fn refuse_columns(reader: &Reader) -> Result<()> {
    if reader.peek_token(&Token::LParen) {
        return Err(Error::unsupported("a list of column names for a materialized view is not supported")
            .with_hint("name the columns in the query, with AS")
            .at(reader.position()));
    }
    match ["USING", "TABLESPACE"].into_iter().find(|word| reader.peek(&[word])) {
        Some(word) => Err(Error::unsupported(format!("{word} is not supported for a materialized view")).at(reader.position())),
        None => Ok(()),
    }
}

fn refuse_population(reader: &Reader) -> Result<()> {
    let refused: [&[&str]; 2] = [&["WITH", "NO", "DATA"], &["WITH", "DATA"]];
    match refused.iter().find(|words| reader.peek(words)) {
        Some(words) => Err(Error::unsupported(format!("{} is not supported for a materialized view", words.join(" ")))
            .with_hint("leave it out: a view is always filled, and kept up to date")
            .at(reader.position())),
        None => Ok(()),
    }
}
