//! A text with several statements, cut at its top-level semicolons.

use sqlparser::dialect::Dialect;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer};

use super::dialect::LakewireDialect;
use super::position::Cursor;
use super::syntax_error;
use crate::error::Result;

/// One statement of a text: from its first token to its last, so without comments around it and without its semicolon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementText {
    pub text: String,
    /// Characters before `text` in the whole.
    pub offset: usize,
}

/// A statement's tokens, located within its own text.
pub(super) struct Piece {
    pub text: StatementText,
    pub tokens: Vec<TokenWithSpan>,
}

/// The statements of a text. Semicolons in quotes, dollar quotes and comments do not count; empty statements are left out.
pub fn split(sql: &str) -> Result<Vec<StatementText>> {
    Ok(extents(&tokens(sql)?).into_iter().scan(Cursor::new(sql), |cursor, extent| Some(cut(sql, cursor, extent))).collect())
}

pub(super) fn split_tokens(sql: &str) -> Result<Vec<Piece>> {
    let all = tokens(sql)?;
    let extents = extents(&all);
    if let [(start, _)] = extents[..]
        && start == Location::new(1, 1)
    {
        let text = cut(sql, &mut Cursor::new(sql), extents[0]);
        let end = all.iter().position(|token| token.token == Token::SemiColon).unwrap_or(all.len());
        return Ok(vec![Piece { text, tokens: all.into_iter().take(end).collect() }]);
    }
    let mut cursor = Cursor::new(sql);
    extents
        .into_iter()
        .map(|extent| {
            let text = cut(sql, &mut cursor, extent);
            Ok(Piece { tokens: tokens(&text.text)?, text })
        })
        .collect()
}

pub(super) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>> {
    let dialect: &dyn Dialect = &LakewireDialect;
    Tokenizer::new(dialect, sql).tokenize_with_location().map_err(|error| syntax_error::from_tokenizer(error, sql))
}

type Extent = (Location, Location);

/// The first and last place of each statement that is not empty.
fn extents(tokens: &[TokenWithSpan]) -> Vec<Extent> {
    tokens
        .split(|token| token.token == Token::SemiColon)
        .filter_map(|statement| {
            let mut significant = statement.iter().filter(|token| !matches!(token.token, Token::Whitespace(_)));
            let first = significant.next()?;
            let last = significant.next_back().unwrap_or(first);
            Some((first.span.start, last.span.end))
        })
        .collect()
}

fn cut(sql: &str, cursor: &mut Cursor, (start, end): Extent) -> StatementText {
    cursor.advance_to(start);
    let (offset, first_byte) = (cursor.characters(), cursor.bytes());
    cursor.advance_to(end);
    StatementText { text: sql[first_byte..cursor.bytes()].to_string(), offset }
}
