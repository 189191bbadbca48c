//! `SET [SESSION | LOCAL] name {= | TO} value`, in PostgreSQL's many special forms, and `RESET`.

use sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::transaction::{self, TransactionMode};
use crate::error::{Error, Result};
use crate::model::name::fold;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Set {
    Variable {
        scope: SetScope,
        name: String,
        name_position: usize,
        value: SetValue,
    },
    /// `SET TRANSACTION …` is for the transaction, `SET SESSION CHARACTERISTICS AS TRANSACTION …` for all that follow.
    Transaction {
        scope: SetScope,
        modes: Vec<TransactionMode>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetScope {
    Session,
    /// Until the transaction ends.
    Local,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetValue {
    Default,
    /// As `SHOW` would give it back; a list is joined with `, `.
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reset {
    All,
    Named { name: String, position: usize },
}

/// Names that PostgreSQL spells with several words, or that have an alias.
const SPELLINGS: [(&[&str], &str); 4] = [
    (&["TIME", "ZONE"], "timezone"),
    (&["TRANSACTION", "ISOLATION", "LEVEL"], "transaction_isolation"),
    (&["SESSION", "AUTHORIZATION"], "session_authorization"),
    (&["NAMES"], "client_encoding"),
];

pub fn parse(reader: &mut Reader) -> Result<Set> {
    reader.expect(&["SET"])?;
    if reader.accept(&["SESSION", "CHARACTERISTICS", "AS", "TRANSACTION"]) {
        return transaction_modes(reader, SetScope::Session);
    }
    let scope = scope(reader);
    if reader.accept(&["TRANSACTION"]) {
        return transaction_modes(reader, SetScope::Local);
    }
    let name_position = reader.position();
    let is_special = ["TIME", "NAMES", "ROLE", "SESSION"].iter().any(|word| reader.peek(&[word])) && !has_assignment(reader);
    let name = variable_name(reader)?;
    if !is_special && !reader.accept_token(&Token::Eq) && !reader.accept(&["TO"]) {
        return Err(reader.unexpected("= or TO"));
    }
    // `SET TIME ZONE LOCAL` is its default.
    let value = match is_special && reader.accept(&["LOCAL"]) {
        true => SetValue::Default,
        false => value(reader)?,
    };
    Ok(Set::Variable { scope, name, name_position, value })
}

pub fn reset(reader: &mut Reader) -> Result<Reset> {
    reader.expect(&["RESET"])?;
    let position = reader.position();
    match reader.accept(&["ALL"]) {
        true => Ok(Reset::All),
        false => Ok(Reset::Named { name: variable_name(reader)?, position }),
    }
}

/// A variable's name in lower case, maybe dotted.
pub fn variable_name(reader: &mut Reader) -> Result<String> {
    if let Some((_, name)) = SPELLINGS.iter().find(|(words, _)| reader.accept(words)) {
        return Ok(name.to_string());
    }
    let mut name = reader.identifier("a variable's name")?.value.to_lowercase();
    while reader.accept_token(&Token::Period) {
        name.push('.');
        name.push_str(&reader.identifier("a variable's name")?.value.to_lowercase());
    }
    Ok(name)
}

/// `SESSION` and `LOCAL` before a name; `SET SESSION AUTHORIZATION` is a name itself.
fn scope(reader: &mut Reader) -> SetScope {
    if reader.accept(&["LOCAL"]) {
        return SetScope::Local;
    }
    if !reader.peek(&["SESSION", "AUTHORIZATION"]) {
        reader.accept(&["SESSION"]);
    }
    SetScope::Session
}

fn has_assignment(reader: &Reader) -> bool {
    matches!(reader.peek_nth_token(1), Token::Eq) || reader.peek_word(1).is_some_and(|word| word == "TO")
}

fn transaction_modes(reader: &mut Reader, scope: SetScope) -> Result<Set> {
    if reader.peek(&["SNAPSHOT"]) {
        return Err(Error::unsupported("SET TRANSACTION SNAPSHOT is not supported").at(reader.position()));
    }
    let modes = transaction::modes(reader);
    match modes.is_empty() {
        true => Err(reader.unexpected("ISOLATION LEVEL, READ ONLY or READ WRITE")),
        false => Ok(Set::Transaction { scope, modes }),
    }
}

fn value(reader: &mut Reader) -> Result<SetValue> {
    if reader.accept(&["DEFAULT"]) {
        return Ok(SetValue::Default);
    }
    let values = reader.comma_separated(single_value)?;
    Ok(SetValue::Text(values.join(", ")))
}

/// A literal, a number, or a word, folded as an identifier is.
fn single_value(reader: &mut Reader) -> Result<String> {
    const EXPECTED: &str = "a value";
    if reader.peek_string() {
        return reader.string(EXPECTED);
    }
    let sign = match reader.accept_token(&Token::Minus) {
        true => "-",
        false => "",
    };
    match reader.peek_nth_token(0).clone() {
        Token::Number(digits, _) => {
            reader.next_token();
            Ok(format!("{sign}{digits}"))
        }
        Token::Word(_) if sign.is_empty() => Ok(fold(&reader.word(EXPECTED)?)),
        _ => Err(reader.unexpected(EXPECTED)),
    }
}
