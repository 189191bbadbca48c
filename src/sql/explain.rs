//! `EXPLAIN [ANALYZE] [VERBOSE] statement`, `EXPLAIN (ANALYZE, FORMAT JSON) statement`

use sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::statement::{self, Statement};
use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    pub analyze: bool,
    pub verbose: bool,
    pub format: ExplainFormat,
    /// A query, an `INSERT`, or a definition that runs a query.
    pub of: Box<Statement>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainFormat {
    Text,
    Json,
}

pub fn parse(reader: &mut Reader) -> Result<Explain> {
    reader.expect(&["EXPLAIN"])?;
    let (mut analyze, mut verbose, mut format) = (false, false, ExplainFormat::Text);
    // `EXPLAIN (SELECT …)` is a query in parentheses.
    let has_option_list = reader.peek_token(&Token::LParen)
        && reader.peek_word(1).is_some_and(|word| !matches!(word.as_str(), "SELECT" | "WITH" | "VALUES" | "TABLE"));
    if has_option_list {
        reader.expect_token(&Token::LParen)?;
        reader.comma_separated(|reader| option(reader, &mut analyze, &mut verbose, &mut format))?;
        reader.expect_token(&Token::RParen)?;
    } else {
        analyze = reader.accept(&["ANALYZE"]) || reader.accept(&["ANALYSE"]);
        verbose = reader.accept(&["VERBOSE"]);
    }
    Ok(Explain { analyze, verbose, format, of: Box::new(explained(reader)?) })
}

fn option(reader: &mut Reader, analyze: &mut bool, verbose: &mut bool, format: &mut ExplainFormat) -> Result<()> {
    let position = reader.position();
    let name = reader.word("an option")?.value.to_lowercase();
    match name.as_str() {
        "analyze" | "analyse" => *analyze = switch(reader)?,
        "verbose" => *verbose = switch(reader)?,
        "format" => *format = explain_format(reader)?,
        _ => {
            return Err(Error::unsupported(format!("EXPLAIN option \"{name}\" is not supported"))
                .with_hint("the options are: analyze, format, verbose")
                .at(position));
        }
    }
    Ok(())
}

/// A boolean as EXPLAIN's options write it; nothing is true.
fn switch(reader: &mut Reader) -> Result<bool> {
    if matches!(reader.peek_nth_token(0), Token::Comma | Token::RParen) {
        return Ok(true);
    }
    let unexpected = reader.unexpected("true or false");
    match reader.next_token() {
        Token::Word(word) if matches!(word.value.to_lowercase().as_str(), "true" | "on") => Ok(true),
        Token::Word(word) if matches!(word.value.to_lowercase().as_str(), "false" | "off") => Ok(false),
        Token::Number(digit, _) if digit == "1" => Ok(true),
        Token::Number(digit, _) if digit == "0" => Ok(false),
        _ => Err(unexpected),
    }
}

fn explain_format(reader: &mut Reader) -> Result<ExplainFormat> {
    let position = reader.position();
    match reader.word("TEXT or JSON")?.value.to_lowercase().as_str() {
        "text" => Ok(ExplainFormat::Text),
        "json" => Ok(ExplainFormat::Json),
        other => Err(Error::unsupported(format!("EXPLAIN format \"{other}\" is not supported"))
            .with_hint("the formats are: text, json")
            .at(position)),
    }
}

fn explained(reader: &mut Reader) -> Result<Statement> {
    let refused = reader.unexpected("a query, INSERT, CREATE TABLE … AS, CREATE PIPELINE or CREATE MATERIALIZED VIEW");
    match statement::statement(reader)? {
        Statement::CreateTable(table) if table.query.is_none() => Err(refused),
        plan @ (Statement::Query(_)
        | Statement::Insert(_)
        | Statement::CreatePipeline(_)
        | Statement::CreateMaterializedView(_)
        | Statement::CreateTable(_)) => Ok(plan),
        _ => Err(refused),
    }
}
