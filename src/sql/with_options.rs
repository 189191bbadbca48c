//! `WITH (key = value, …)`, also after `SET`.

use sqlparser::tokenizer::Token;

use super::object::object_name;
use super::reader::Reader;
use crate::error::Result;
use crate::model::name::fold;
use crate::model::{OptionValue, Options};

/// `[WITH (…)]`
pub fn optional(reader: &mut Reader) -> Result<Options> {
    match reader.accept(&["WITH"]) {
        true => parenthesized(reader),
        false => Ok(Options::default()),
    }
}

/// `(key = value, …)`. A key is given once; what keys there are is for the owner of the options to say.
pub fn parenthesized(reader: &mut Reader) -> Result<Options> {
    let mut options = Options::default();
    reader.expect_token(&Token::LParen)?;
    reader.comma_separated(|reader| {
        let position = reader.position();
        let key = key(reader)?;
        reader.expect_token(&Token::Eq)?;
        options.insert(&key, value(reader)?, position)
    })?;
    reader.expect_token(&Token::RParen)?;
    Ok(options)
}

/// `start`, `"Start"`, `properties.group`, or Flink's `'start'`: all in lower case.
fn key(reader: &mut Reader) -> Result<String> {
    if reader.peek_string() {
        return Ok(reader.string("an option's name")?.to_lowercase());
    }
    let mut key = reader.word("an option's name")?.value;
    while reader.accept_token(&Token::Period) {
        key.push('.');
        key.push_str(&reader.word("an option's name")?.value);
    }
    Ok(key.to_lowercase())
}

fn value(reader: &mut Reader) -> Result<OptionValue> {
    if reader.peek(&["SECRET"]) && matches!(reader.peek_nth_token(1), Token::Word(_)) {
        reader.accept(&["SECRET"]);
        return Ok(OptionValue::Secret(object_name(reader)?.name));
    }
    if reader.peek_string() {
        return Ok(OptionValue::Text(reader.string("a value")?));
    }
    if reader.peek(&["INTERVAL"]) && matches!(reader.peek_nth_token(1), Token::SingleQuotedString(_)) {
        return interval(reader).map(OptionValue::Text);
    }
    scalar(reader).map(OptionValue::Text)
}

/// `INTERVAL '10 seconds'` or `INTERVAL '10' SECOND`: the text is what counts.
fn interval(reader: &mut Reader) -> Result<String> {
    reader.expect(&["INTERVAL"])?;
    let mut text = reader.string("an interval")?;
    if reader.peek_word(0).is_some() {
        text.push(' ');
        text.push_str(&fold(&reader.word("a unit")?));
    }
    Ok(text)
}

/// A number, or a bare word, folded as an identifier is.
fn scalar(reader: &mut Reader) -> Result<String> {
    const EXPECTED: &str = "a value: 'text', a number, true, false, or SECRET name";
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
