//! `CREATE INDEX [CONCURRENTLY] [[IF NOT EXISTS] name] ON [ONLY] view [USING hash] (column, …)`

use sqlparser::tokenizer::Token;

use super::object::{PlacedName, if_not_exists, object_name};
use super::reader::Reader;
use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateIndex {
    /// `None`: it is named after the view and its columns.
    pub name: Option<PlacedName>,
    pub if_not_exists: bool,
    pub view: PlacedName,
    pub columns: Vec<PlacedName>,
}

/// What PostgreSQL has behind the columns, and what is to be said of it.
const CLAUSES: [(&str, &str); 6] = [
    ("INCLUDE", "a row that is found has all its columns"),
    ("NULLS", "nothing is equal to NULL, which is not looked up"),
    ("WITH", "an index has no options"),
    ("TABLESPACE", "an index is in memory, beside its view"),
    ("WHERE", "an index has all rows of its view"),
    ("COMMENT", "an index has no comment"),
];

pub fn parse(reader: &mut Reader) -> Result<CreateIndex> {
    reader.expect(&["CREATE"])?;
    let start = reader.position();
    if reader.accept(&["UNIQUE"]) {
        return Err(Error::unsupported("CREATE UNIQUE INDEX is not supported")
            .with_hint("a view is what its query says; leave UNIQUE out")
            .at(start));
    }
    reader.expect(&["INDEX"])?;
    // No index keeps anybody waiting.
    reader.accept(&["CONCURRENTLY"]);
    let if_not_exists = if_not_exists(reader);
    let name = if reader.peek(&["ON"]) && !if_not_exists { None } else { Some(object_name(reader)?) };
    reader.expect(&["ON"])?;
    reader.accept(&["ONLY"]);
    let view = object_name(reader)?;
    method(reader)?;
    reader.expect_token(&Token::LParen)?;
    let columns = reader.comma_separated(column)?;
    reader.expect_token(&Token::RParen)?;
    refuse_clauses(reader)?;
    Ok(CreateIndex { name, if_not_exists, view, columns })
}

fn method(reader: &mut Reader) -> Result<()> {
    if !reader.accept(&["USING"]) {
        return Ok(());
    }
    let PlacedName { name, position } = reader.name("a method")?;
    match name.as_str() {
        "hash" => Ok(()),
        other => Err(Error::unsupported(format!("indexes of the method \"{other}\" are not supported"))
            .with_hint("rows are looked up by equality: leave USING out, or write USING hash")
            .at(position)),
    }
}

fn column(reader: &mut Reader) -> Result<PlacedName> {
    let position = reader.position();
    let is_expression = reader.peek_token(&Token::LParen) || *reader.peek_nth_token(1) == Token::LParen;
    if is_expression {
        return Err(Error::unsupported("indexes on expressions are not supported")
            .with_hint("make the expression a column of the view")
            .at(position));
    }
    let column = reader.name("a column")?;
    let position = reader.position();
    if reader.peek_token(&Token::Comma) || reader.peek_token(&Token::RParen) {
        return Ok(column);
    }
    // An order, a collation or an operator class.
    Err(match reader.peek_word(0) {
        Some(word) => Error::unsupported(format!("{word} is not supported in an index"))
            .with_hint("rows are looked up by equality: write the columns alone")
            .at(position),
        None => reader.unexpected("\",\" or \")\""),
    })
}

fn refuse_clauses(reader: &mut Reader) -> Result<()> {
    match CLAUSES.into_iter().find(|(word, _)| reader.peek(&[word])) {
        Some((word, hint)) => {
            Err(Error::unsupported(format!("{word} is not supported in CREATE INDEX")).with_hint(hint).at(reader.position()))
        }
        None => Ok(()),
    }
}
