//! PostgreSQL's dialect as sqlparser knows it, with what sqlparser left out of it and one thing that PostgreSQL has no way to say.

use std::any::TypeId;

use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Word};

use super::emit;

const POSTGRES: sqlparser::dialect::PostgreSqlDialect = sqlparser::dialect::PostgreSqlDialect {};

/// sqlparser asks a dialect by its type in some places and by its methods in others: this one answers both as PostgreSQL's.
#[derive(Debug)]
pub struct LakewireDialect;

macro_rules! as_in_postgres {
    ($($method:ident),* $(,)?) => { $(fn $method(&self) -> bool { POSTGRES.$method() })* };
}

impl Dialect for LakewireDialect {
    fn dialect(&self) -> TypeId {
        POSTGRES.dialect()
    }

    /// `'a'` and `'b'` on the next line are one literal.
    fn supports_string_literal_concatenation_with_newline(&self) -> bool {
        true
    }

    /// `SELECT * EXCLUDE (a, b)`: needed wherever most of many columns go through.
    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        POSTGRES.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        POSTGRES.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        POSTGRES.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        POSTGRES.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        POSTGRES.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        POSTGRES.get_next_precedence(parser)
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        POSTGRES.prec_value(precedence)
    }

    /// `ON` is no alias: in `SELECT 1 ON CONFLICT …` it begins the next clause.
    fn is_column_alias(&self, keyword: &Keyword, parser: &mut Parser) -> bool {
        *keyword != Keyword::ON && !begins_emit(parser) && POSTGRES.is_column_alias(keyword, parser)
    }

    fn is_table_alias(&self, keyword: &Keyword, parser: &mut Parser) -> bool {
        !begins_emit(parser) && POSTGRES.is_table_alias(keyword, parser)
    }

    // All that sqlparser has PostgreSQL say differently from its defaults, but for `SELECT * alias`, which PostgreSQL refuses.
    as_in_postgres! {
        supports_unicode_string_literal, supports_filter_during_aggregation, supports_group_by_expr, allow_extract_custom,
        allow_extract_single_quotes, supports_create_index_with_clause, supports_explain_with_utility_options,
        supports_listen_notify, supports_factorial_operator, supports_bitwise_shift_operators, supports_comment_on,
        supports_load_extension, supports_named_fn_args_with_colon_operator, supports_named_fn_args_with_expr_name,
        supports_empty_projections, supports_nested_comments, supports_string_escape_constant,
        supports_numeric_literal_underscores, supports_array_typedef_with_brackets, supports_geometric_types,
        supports_set_names, supports_alter_column_type_using, supports_notnull_operator, supports_interval_options,
        supports_insert_table_alias, supports_create_table_like_parenthesized, supports_comma_separated_trim,
        supports_xml_expressions, supports_comment_optimizer_hint,
    }
}

/// Whether the word just read is the `EMIT` of `EMIT ON WINDOW CLOSE`: then it is no alias of what stands before it.
fn begins_emit(parser: &Parser) -> bool {
    let is_word = |token: &TokenWithSpan, expected: &str| matches!(&token.token, Token::Word(Word { value, quote_style: None, .. }) if value.eq_ignore_ascii_case(expected));
    let [emit, rest @ ..] = emit::CLAUSE;
    is_word(parser.get_current_token(), emit)
        && rest.iter().enumerate().all(|(ahead, word)| is_word(parser.peek_nth_token_ref(ahead), word))
}
