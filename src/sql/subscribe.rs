//! `SUBSCRIBE [TO] v [WHERE …] [WITH (snapshot = …, after = …)]`

use chrono::{DateTime, Utc};
use sqlparser::ast::{Expr, Ident, Query, SetExpr};
use sqlparser::tokenizer::Token;

use super::object::object_name;
use super::reader::Reader;
use super::{parse_query, with_options};
use crate::error::{Error, Result};
use crate::model::{Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe {
    pub view: Name,
    pub view_position: usize,
    pub condition: Option<Expr>,
    pub from: From,
    /// Whether it is told when all that happened up to a time is given.
    pub progress: bool,
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// All rows there are.
    Snapshot,
    /// What changes from now on.
    Now,
    /// What has changed after this `_time`.
    After(DateTime<Utc>),
}

pub fn parse(reader: &mut Reader) -> Result<Subscribe> {
    reader.expect(&["SUBSCRIBE"])?;
    reader.accept(&["TO"]);
    if reader.peek_token(&Token::LParen) {
        return Err(Error::unsupported("SUBSCRIBE to a query is not supported")
            .with_hint("CREATE MATERIALIZED VIEW of the query, and subscribe to that")
            .at(reader.position()));
    }
    let view = object_name(reader)?;
    let condition = reader.accept(&["WHERE"]).then(|| reader.expression()).transpose()?;
    let mut options = with_options::optional(reader)?;
    let from = from(&mut options)?;
    let progress = options.take_bool("progress")?.unwrap_or(false);
    options.finish("SUBSCRIBE")?;
    Ok(Subscribe { view: view.name, view_position: view.position, condition, from, progress })
}

fn from(options: &mut Options) -> Result<From> {
    let snapshot = options.take_bool("snapshot")?;
    let after = options.take_time("after")?;
    match (snapshot, after) {
        (Some(true), Some(_)) => Err(Error::invalid("\"after\" and a snapshot exclude each other")
            .with_hint("leave snapshot out: what has changed after that time is what comes first")),
        (_, Some(after)) => Ok(From::After(after)),
        (Some(false), None) => Ok(From::Now),
        (_, None) => Ok(From::Snapshot),
    }
}

impl Subscribe {
    /// `SELECT * FROM v WHERE …`: what a row must be like, and what its columns are.
    pub fn rows_query(&self) -> Result<Query> {
        let mut query = parse_query(&format!("SELECT * FROM {}", Ident::with_quote('"', self.view.as_str())))?;
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.selection = self.condition.clone();
        }
        Ok(query)
    }
}
