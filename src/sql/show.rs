//! `SHOW SOURCES | TABLES | …`, `SHOW CREATE TABLE x`, `SHOW name | ALL`

use sqlparser::tokenizer::Token;

use super::object::{ObjectKind, PlacedName, object_kind, object_name};
use super::reader::Reader;
use super::set::variable_name;
use crate::error::Result;
use crate::model::Name;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    Sources,
    Tables,
    Sinks,
    Pipelines,
    MaterializedViews,
    Jobs,
    Secrets,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowCreate {
    pub kind: ObjectKind,
    pub name: Name,
    pub name_position: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShowVariable {
    All,
    /// In lower case; `SHOW TIME ZONE` names `timezone`, as in PostgreSQL.
    Named {
        name: String,
        position: usize,
    },
}

const LISTS: [(&[&str], Show); 7] = [
    (&["SHOW", "SOURCES"], Show::Sources),
    (&["SHOW", "TABLES"], Show::Tables),
    (&["SHOW", "SINKS"], Show::Sinks),
    (&["SHOW", "PIPELINES"], Show::Pipelines),
    (&["SHOW", "MATERIALIZED", "VIEWS"], Show::MaterializedViews),
    (&["SHOW", "JOBS"], Show::Jobs),
    (&["SHOW", "SECRETS"], Show::Secrets),
];

/// The list that is asked for, if it is one; else nothing has been read.
pub fn list(reader: &mut Reader) -> Option<Show> {
    LISTS.iter().find(|(words, _)| reader.accept(words)).map(|(_, show)| *show)
}

pub fn create(reader: &mut Reader) -> Result<ShowCreate> {
    reader.expect(&["SHOW", "CREATE"])?;
    let unexpected = reader.unexpected("SOURCE, TABLE, PIPELINE, MATERIALIZED VIEW or INDEX");
    let kind = match object_kind(reader) {
        Some(ObjectKind::Secret) | None => return Err(unexpected),
        Some(kind) => kind,
    };
    let PlacedName { name, position } = object_name(reader)?;
    Ok(ShowCreate { kind, name, name_position: position })
}

pub fn variable(reader: &mut Reader) -> Result<ShowVariable> {
    reader.expect(&["SHOW"])?;
    let position = reader.position();
    if reader.accept(&["ALL"]) {
        return Ok(ShowVariable::All);
    }
    let name = match reader.peek_nth_token(0) {
        Token::EOF => return Err(reader.unexpected("a variable's name, or SOURCES, TABLES, PIPELINES or JOBS")),
        _ => variable_name(reader)?,
    };
    Ok(ShowVariable::Named { name, position })
}
