//! Gives an error of the planner the position of the thing it is about: planners know names, not places.

use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::{position, tokens};
use crate::error::Error;
use crate::model::name::fold;

/// Words after which a relation is named.
const BEFORE_RELATION: [&str; 4] = ["FROM", "JOIN", "INTO", "TABLE"];

/// What an error says does not exist, or is not unique.
enum Subject<'a> {
    Column(&'a str),
    Relation(&'a str),
    Function(&'a str),
}

/// Finds the column, relation or function that the error names in the text it is about, and adds the position. An error that
/// has a position, or that names nothing the text has, stays as it is.
pub fn locate(error: Error, text: &str) -> Error {
    if error.position().is_some() {
        return error;
    }
    let position = subject(error.message()).and_then(|subject| find(&subject, text));
    match position {
        Some(position) => error.at(position),
        None => error,
    }
}

fn subject(message: &str) -> Option<Subject<'_>> {
    let quoted = |rest: &'_ str| -> Option<(usize, usize)> {
        let start = rest.find('"')? + 1;
        Some((start, start + rest[start..].find('"')?))
    };
    let name = |prefix: &str| {
        let rest = message.strip_prefix(prefix)?;
        let (start, end) = quoted(rest)?;
        Some(&rest[start..end])
    };
    if let Some(column) = name("column ") {
        return Some(Subject::Column(column));
    }
    if let Some(relation) = name("relation ") {
        return Some(Subject::Relation(relation));
    }
    message.strip_prefix("function ").and_then(|rest| rest.split([' ', '(']).next()).map(Subject::Function)
}

/// The first place where the name stands as what it is; else the first where it stands at all.
fn find(subject: &Subject, text: &str) -> Option<usize> {
    let tokens = tokens(text).ok()?;
    let tokens: Vec<_> = tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let name = match subject {
        Subject::Column(name) | Subject::Relation(name) | Subject::Function(name) => *name,
    };
    let places: Vec<usize> = (0..tokens.len()).filter(|&place| is_name(tokens[place], name)).collect();
    let place = places.iter().find(|&&place| stands_as(subject, &tokens, place)).or(places.first())?;
    Some(position::position(text, tokens[*place].span.start))
}

fn is_name(token: &TokenWithSpan, name: &str) -> bool {
    matches!(&token.token, Token::Word(word) if fold(&word.to_ident(token.span)) == name)
}

fn stands_as(subject: &Subject, tokens: &[&TokenWithSpan], place: usize) -> bool {
    let before = place.checked_sub(1).map(|before| &tokens[before].token);
    let after = tokens.get(place + 1).map(|after| &after.token);
    match subject {
        Subject::Function(_) => after == Some(&Token::LParen),
        Subject::Column(_) => !matches!(after, Some(Token::LParen | Token::Period)) && !is_any_word(before, &["AS"]) && !in_from(before),
        Subject::Relation(_) => in_from(before) || before == Some(&Token::Period) && in_qualified_from(tokens, place),
    }
}

fn in_from(before: Option<&Token>) -> bool {
    is_any_word(before, &BEFORE_RELATION)
}

/// Goes back over `a.b.` to what stands before it.
fn in_qualified_from(tokens: &[&TokenWithSpan], mut place: usize) -> bool {
    while place >= 2 && tokens[place - 1].token == Token::Period {
        place -= 2;
    }
    in_from(place.checked_sub(1).map(|before| &tokens[before].token))
}

fn is_any_word(token: Option<&Token>, words: &[&str]) -> bool {
    match token {
        Some(Token::Word(Word { value, quote_style: None, .. })) => words.iter().any(|word| value.eq_ignore_ascii_case(word)),
        _ => false,
    }
}
