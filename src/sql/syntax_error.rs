//! What sqlparser's complaints are in PostgreSQL's words: `syntax error at or near "x"`, with the position.

use sqlparser::parser::ParserError;
use sqlparser::tokenizer::{Location, Token, TokenWithSpan, TokenizerError};

use super::{position, tokens};
use crate::error::Error;

/// Shown instead of a string literal: it may be a secret that stands in the wrong place.
const HIDDEN_LITERAL: &str = "'…'";

/// The parser's error about `text`, which the tokenizer had no trouble with.
pub fn from_parser(error: ParserError, text: &str) -> Error {
    let message = match error {
        ParserError::RecursionLimitExceeded => {
            return super::nesting::too_deep();
        }
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let (message, location) = split_location(&message);
    let (expected, found) = match message.strip_prefix("Expected: ").and_then(|rest| rest.split_once(", found: ")) {
        Some((expected, found)) => (Some(expected), found),
        None => (None, message),
    };
    let error = match location {
        Some(location) => near(text, location),
        None if found == "EOF" => at_end(text),
        None => Error::syntax(lower_first(message)),
    };
    match expected {
        Some(expected) => error.with_detail(format!("expected {expected}")),
        None if location.is_some() => error.with_detail(lower_first(message)),
        None => error,
    }
}

/// The tokenizer's error about `text`: a quote or a comment that does not end, mostly.
pub fn from_tokenizer(error: TokenizerError, text: &str) -> Error {
    let message = match error.message.as_str() {
        "Unterminated string literal" | "Unterminated encoded string literal" => "unterminated quoted string".to_string(),
        other if other.starts_with("Unterminated dollar-quoted") => "unterminated dollar-quoted string".to_string(),
        other if other.starts_with("Expected close delimiter") => "unterminated quoted identifier".to_string(),
        other if other.contains("multi-line comment") => "unterminated /* comment".to_string(),
        other => lower_first(other),
    };
    Error::syntax(message).at(position::position(text, error.location))
}

/// `syntax error at or near "token"`
pub fn at_token(text: &str, token: &TokenWithSpan) -> Error {
    let near = match &token.token {
        Token::EOF => return at_end(text),
        Token::SingleQuotedString(_) | Token::DollarQuotedString(_) | Token::EscapedStringLiteral(_) => HIDDEN_LITERAL,
        _ => &text[position::byte_offset(text, token.span.start)..position::byte_offset(text, token.span.end)],
    };
    Error::syntax(format!("syntax error at or near \"{near}\"")).at(position::position(text, token.span.start))
}

fn near(text: &str, location: Location) -> Error {
    let token = tokens(text).ok().and_then(|tokens| tokens.into_iter().find(|token| token.span.start == location));
    match token {
        Some(token) => at_token(text, &token),
        None => Error::syntax("syntax error").at(position::position(text, location)),
    }
}

fn at_end(text: &str) -> Error {
    Error::syntax("syntax error at end of input").at(position::end(text))
}

/// Takes ` at Line: 3, Column: 7` off the end of a message.
fn split_location(message: &str) -> (&str, Option<Location>) {
    let parsed = message.rsplit_once(" at Line: ").and_then(|(message, place)| {
        let (line, column) = place.split_once(", Column: ")?;
        Some((message, Location::new(line.parse().ok()?, column.parse().ok()?)))
    });
    match parsed {
        Some((message, location)) => (message, Some(location)),
        None => (message, None),
    }
}

fn lower_first(message: &str) -> String {
    let mut characters = message.trim_end_matches('.').chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}
