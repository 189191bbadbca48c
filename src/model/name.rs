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

/// Quotes an identifier where it must be, like PostgreSQL's `quote_ident`.
pub fn quote(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match plain {
        true => name.to_string(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Quotes a text as an SQL literal.
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
