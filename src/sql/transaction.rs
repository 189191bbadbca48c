//! `BEGIN`, `COMMIT`, `ROLLBACK` in their many spellings, the modes of a transaction, and `DEALLOCATE`.

use sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::statement::Statement;
use crate::error::{Error, Result};
use crate::model::name::fold;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionMode {
    Isolation(Isolation),
    ReadOnly,
    ReadWrite,
    Deferrable,
    NotDeferrable,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    ReadUncommitted,
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deallocate {
    All,
    Named(String),
}

const MODES: [(&[&str], TransactionMode); 8] = [
    (&["ISOLATION", "LEVEL", "READ", "UNCOMMITTED"], TransactionMode::Isolation(Isolation::ReadUncommitted)),
    (&["ISOLATION", "LEVEL", "READ", "COMMITTED"], TransactionMode::Isolation(Isolation::ReadCommitted)),
    (&["ISOLATION", "LEVEL", "REPEATABLE", "READ"], TransactionMode::Isolation(Isolation::RepeatableRead)),
    (&["ISOLATION", "LEVEL", "SERIALIZABLE"], TransactionMode::Isolation(Isolation::Serializable)),
    (&["READ", "ONLY"], TransactionMode::ReadOnly),
    (&["READ", "WRITE"], TransactionMode::ReadWrite),
    (&["DEFERRABLE"], TransactionMode::Deferrable),
    (&["NOT", "DEFERRABLE"], TransactionMode::NotDeferrable),
];

/// `BEGIN [WORK | TRANSACTION] [mode, …]`, `START TRANSACTION [mode, …]`
pub fn begin(reader: &mut Reader) -> Result<Statement> {
    match reader.accept(&["START", "TRANSACTION"]) {
        true => {}
        false => {
            reader.expect(&["BEGIN"])?;
            skip_noise(reader);
        }
    }
    Ok(Statement::Begin(modes(reader)))
}

/// `COMMIT`, `END`
pub fn commit(reader: &mut Reader) -> Result<Statement> {
    reader.next_token();
    skip_noise(reader);
    refuse_chain(reader)?;
    Ok(Statement::Commit)
}

/// `ROLLBACK`, `ABORT`
pub fn rollback(reader: &mut Reader) -> Result<Statement> {
    reader.next_token();
    skip_noise(reader);
    refuse_chain(reader)?;
    match reader.peek(&["TO"]) {
        true => Err(Error::unsupported("ROLLBACK TO SAVEPOINT is not supported").at(reader.position())),
        false => Ok(Statement::Rollback),
    }
}

/// `DISCARD ALL`; of its parts there is none of which a session has more than `ALL` resets.
pub fn discard(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["DISCARD"])?;
    match reader.accept(&["ALL"]) {
        true => Ok(Statement::Discard),
        false => Err(reader.unexpected("ALL")),
    }
}

/// `DEALLOCATE [PREPARE] name | ALL`
pub fn deallocate(reader: &mut Reader) -> Result<Statement> {
    reader.expect(&["DEALLOCATE"])?;
    if reader.peek(&["PREPARE"]) && !matches!(reader.peek_nth_token(1), Token::EOF) {
        reader.accept(&["PREPARE"]);
    }
    let what = match reader.accept(&["ALL"]) {
        true => Deallocate::All,
        false => Deallocate::Named(fold(&reader.identifier("a prepared statement's name or ALL")?)),
    };
    Ok(Statement::Deallocate(what))
}

/// `mode, …`; the commas can be left out.
pub fn modes(reader: &mut Reader) -> Vec<TransactionMode> {
    let mut modes = Vec::new();
    while let Some((_, mode)) = MODES.iter().find(|(words, _)| reader.accept(words)) {
        modes.push(*mode);
        let goes_on = matches!(reader.peek_nth_token(1), Token::Word(_));
        if goes_on {
            reader.accept_token(&Token::Comma);
        }
    }
    modes
}

fn skip_noise(reader: &mut Reader) {
    if !reader.accept(&["WORK"]) {
        reader.accept(&["TRANSACTION"]);
    }
}

fn refuse_chain(reader: &mut Reader) -> Result<()> {
    let position = reader.position();
    if reader.accept(&["AND", "CHAIN"]) {
        return Err(Error::unsupported("AND CHAIN is not supported").with_hint("begin the next transaction with BEGIN").at(position));
    }
    reader.accept(&["AND", "NO", "CHAIN"]);
    Ok(())
}
