//! Reads a statement's tokens, in the words the statements' files are written in.

use sqlparser::ast::{self, Ident, VisitMut};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::dialect::LakewireDialect;
use super::object::PlacedName;
use super::{literals, nesting, position, query, syntax_error, windows};
use crate::error::{Error, Result};
use crate::model::{Name, SqlType};

/// How deeply expressions and queries may be nested. Generated SQL nests deeper than sqlparser's default of 50 allows; its
/// stack grows as needed.
const NESTING_MAX: usize = 256;

/// Words that begin the next clause of our own statements: unquoted, they are no names there.
const CLAUSE_WORDS: [&str; 14] =
    ["AS", "CONSTRAINT", "CREATE", "FROM", "INSERT", "INTO", "NOT", "NULL", "ON", "PRIMARY", "SELECT", "TABLE", "TO", "WITH"];

pub struct Reader<'a> {
    parser: Parser<'a>,
    text: &'a str,
}

impl<'a> Reader<'a> {
    /// `tokens` are those of `text`.
    pub fn new(text: &'a str, tokens: Vec<TokenWithSpan>) -> Reader<'a> {
        let parser = Parser::new(&LakewireDialect).with_recursion_limit(NESTING_MAX).with_tokens_with_locations(tokens);
        Reader { parser, text }
    }

    /// The position of the next token.
    pub fn position(&self) -> usize {
        match self.parser.peek_token_ref() {
            TokenWithSpan { token: Token::EOF, .. } => position::end(self.text),
            token => position::position(self.text, token.span.start),
        }
    }

    /// Bytes before the next token.
    pub fn byte_offset(&self) -> usize {
        match self.parser.peek_token_ref() {
            TokenWithSpan { token: Token::EOF, .. } => self.text.len(),
            token => position::byte_offset(self.text, token.span.start),
        }
    }

    /// Bytes up to the end of the last token that was read.
    pub fn byte_offset_behind(&self) -> usize {
        let mut index = self.parser.index();
        while index > 0 && matches!(self.parser.token_at(index - 1).token, Token::Whitespace(_)) {
            index -= 1;
        }
        position::byte_offset(self.text, self.parser.token_at(index.saturating_sub(1)).span.end)
    }

    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The next token as a word, unless it is quoted or none: in capitals.
    pub fn peek_word(&self, ahead: usize) -> Option<String> {
        match &self.parser.peek_nth_token_ref(ahead).token {
            Token::Word(Word { value, quote_style: None, .. }) => Some(value.to_uppercase()),
            _ => None,
        }
    }

    pub fn peek(&self, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(ahead, word)| is_word(self.parser.peek_nth_token_ref(ahead), word))
    }

    pub fn peek_quoted(&self) -> bool {
        matches!(&self.parser.peek_token_ref().token, Token::Word(Word { quote_style: Some(_), .. }))
    }

    pub fn peek_token(&self, token: &Token) -> bool {
        self.parser.peek_token_ref().token == *token
    }

    pub fn peek_nth_token(&self, ahead: usize) -> &Token {
        &self.parser.peek_nth_token_ref(ahead).token
    }

    /// Reads these words if all of them come next.
    pub fn accept(&mut self, words: &[&str]) -> bool {
        let found = self.peek(words);
        if found {
            words.iter().for_each(|_| self.parser.advance_token());
        }
        found
    }

    pub fn accept_token(&mut self, token: &Token) -> bool {
        self.parser.consume_token(token)
    }

    pub fn expect(&mut self, words: &[&str]) -> Result<()> {
        for word in words {
            if !self.accept(&[word]) {
                return Err(self.unexpected(word));
            }
        }
        Ok(())
    }

    pub fn expect_token(&mut self, token: &Token) -> Result<()> {
        match self.parser.consume_token(token) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("\"{token}\""))),
        }
    }

    pub fn expect_end(&mut self) -> Result<()> {
        match self.parser.peek_token_ref().token {
            Token::EOF => Ok(()),
            _ => Err(self.unexpected("the end of the statement")),
        }
    }

    pub fn next_token(&mut self) -> Token {
        self.parser.next_token().token
    }

    /// The syntax error at the next token. `expected` completes "expected …".
    pub fn unexpected(&self, expected: &str) -> Error {
        syntax_error::at_token(self.text, self.parser.peek_token_ref()).with_detail(format!("expected {expected}"))
    }

    /// One or more, with commas between.
    pub fn comma_separated<T>(&mut self, mut read: impl FnMut(&mut Reader<'a>) -> Result<T>) -> Result<Vec<T>> {
        let mut all = vec![read(self)?];
        while self.accept_token(&Token::Comma) {
            all.push(read(self)?);
        }
        Ok(all)
    }

    /// A quoted identifier, or a word that can be one. `what` it names completes "expected …".
    pub fn identifier(&mut self, what: &str) -> Result<Ident> {
        match &self.parser.peek_token_ref().token {
            Token::Word(word) if is_clause_word(word) => Err(self.unexpected(what)),
            _ => self.word(what),
        }
    }

    /// Any word or quoted identifier, also one that begins a clause elsewhere.
    pub fn word(&mut self, what: &str) -> Result<Ident> {
        match self.parser.peek_token_ref() {
            TokenWithSpan { token: Token::Word(word), span } => {
                let ident = word.to_ident(*span);
                self.parser.advance_token();
                Ok(ident)
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// A name without a schema: a column's, a constraint's.
    pub fn name(&mut self, what: &str) -> Result<PlacedName> {
        let position = self.position();
        let ident = self.identifier(what)?;
        Ok(PlacedName { name: Name::from_ident(&ident).map_err(|error| error.at(position))?, position })
    }

    /// A name that may be qualified.
    pub fn qualified_name(&mut self, what: &str) -> Result<ast::ObjectName> {
        let mut parts = vec![self.identifier(what)?];
        while self.accept_token(&Token::Period) {
            parts.push(self.identifier(what)?);
        }
        Ok(ast::ObjectName::from(parts))
    }

    pub fn data_type(&mut self) -> Result<SqlType> {
        let position = self.position();
        if !matches!(self.parser.peek_token_ref().token, Token::Word(_)) {
            return Err(self.unexpected("a type"));
        }
        let written = self.run(Parser::parse_data_type)?;
        SqlType::from_ast(&written).map_err(|error| error.at(position))
    }

    pub fn expression(&mut self) -> Result<ast::Expr> {
        let mut expression = self.run(Parser::parse_expr)?;
        settle(&mut expression)?;
        Ok(expression)
    }

    /// A relation, without joins.
    pub fn relation(&mut self) -> Result<ast::TableFactor> {
        let mut relation = self.run(Parser::parse_table_factor)?;
        settle(&mut relation)?;
        Ok(relation)
    }

    /// Relations with their joins, one or more.
    pub fn relations(&mut self) -> Result<Vec<ast::TableWithJoins>> {
        let mut relations = self.run(|parser| parser.parse_comma_separated(Parser::parse_table_and_joins))?;
        nesting::check_joins(&relations)?;
        settle(&mut relations)?;
        Ok(relations)
    }

    /// A query that does nothing but read.
    pub fn query(&mut self) -> Result<Box<ast::Query>> {
        if self.parser.peek_token_ref().token == Token::EOF {
            return Err(self.unexpected("a query"));
        }
        let mut query = self.run(Parser::parse_query).map_err(query::name_missing_clause)?;
        settle(query.as_mut())?;
        query::check(&query, self.text)?;
        windows::expand(query.as_mut(), self.text)?;
        Ok(query)
    }

    /// A statement as sqlparser knows it.
    pub fn statement(&mut self) -> Result<ast::Statement> {
        let mut statement = self.run(Parser::parse_statement)?;
        settle(&mut statement)?;
        Ok(statement)
    }

    /// A string literal in any of its forms.
    pub fn string(&mut self, what: &str) -> Result<String> {
        let position = self.parser.index();
        match self.parser.parse_value().map(|value| value.value) {
            Ok(ast::Value::SingleQuotedString(text) | ast::Value::EscapedStringLiteral(text)) => Ok(text),
            Ok(ast::Value::DollarQuotedString(quoted)) => Ok(quoted.value),
            _ => {
                self.rewind(position);
                Err(self.unexpected(what))
            }
        }
    }

    pub fn peek_string(&self) -> bool {
        matches!(
            self.parser.peek_token_ref().token,
            Token::SingleQuotedString(_) | Token::EscapedStringLiteral(_) | Token::DollarQuotedString(_)
        )
    }

    fn rewind(&mut self, index: usize) {
        while self.parser.index() > index {
            self.parser.prev_token();
        }
    }

    fn run<T>(&mut self, parse: impl FnOnce(&mut Parser<'a>) -> Result<T, ParserError>) -> Result<T> {
        parse(&mut self.parser).map_err(|error| syntax_error::from_parser(error, self.text))
    }
}

/// What has been read, as the statements' files may take it.
fn settle(node: &mut impl VisitMut) -> Result<()> {
    nesting::check(node)?;
    literals::widen(node);
    Ok(())
}

fn is_word(token: &TokenWithSpan, expected: &str) -> bool {
    matches!(&token.token, Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case(expected))
}

fn is_clause_word(word: &Word) -> bool {
    word.quote_style.is_none() && CLAUSE_WORDS.iter().any(|clause| word.value.eq_ignore_ascii_case(clause))
}
