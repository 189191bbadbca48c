//! Names of catalog objects and columns, folded and quoted as PostgreSQL does.

use std::fmt;

use serde::{Deserialize, Serialize};
use sqlparser::ast::Ident;

use crate::error::{Error, Result, SqlState};

/// PostgreSQL cuts names at 63 bytes; we refuse what is longer than this, for a name is also a folder in the lake.
pub const NAME_BYTES_MAX: usize = 127;

/// The name of a catalog object, after folding. Never empty, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    pub fn new(text: impl Into<String>) -> Result<Name> {
        let text = text.into();
        if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
            return Err(Error::invalid(format!("\"{}\" is not a valid name", text.escape_debug()))
                .with_state(SqlState::INVALID_NAME)
                .with_detail(format!("a name has 1 to {NAME_BYTES_MAX} bytes and no control characters")));
        }
        Ok(Name(text))
    }

    /// Folds an unquoted identifier to lower case and keeps a quoted one.
    pub fn from_ident(ident: &Ident) -> Result<Name> {
        Name::new(fold(ident))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it must be typed in SQL to mean this name.
    pub fn quoted(&self) -> String {
        quote(&self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub fn fold(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// Words that are no names unless they are quoted: those of PostgreSQL, and one that begins a clause of ours. In their order.
const RESERVED: [&str; 101] = [
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "insert",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

/// Quotes an identifier where it must be, like PostgreSQL's `quote_ident`.
pub fn quote(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match plain && RESERVED.binary_search(&name).is_err() {
        true => name.to_string(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Quotes a text as an SQL literal.
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{RESERVED, quote};

    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert!(RESERVED.is_sorted());
        assert_eq!(["a_1", "name", "order", "A", "a b", ""].map(quote), ["a_1", "name", "\"order\"", "\"A\"", "\"a b\"", "\"\""]);
    }
}
