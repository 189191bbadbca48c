//! `DROP {SOURCE | TABLE | PIPELINE | MATERIALIZED VIEW | SECRET | INDEX} [IF EXISTS] a, b [CASCADE | RESTRICT] [PURGE]`

use super::object::{ObjectKind, PlacedName, object_kind, object_name};
use super::reader::Reader;
use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    pub kind: ObjectKind,
    pub if_exists: bool,
    pub names: Vec<PlacedName>,
    pub dependents: Dependents,
    pub files: Files,
}

/// What happens to the objects that need the dropped one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependents {
    /// They forbid it.
    Restrict,
    /// They are dropped too.
    Cascade,
}

/// What happens to a dropped table's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    Keep,
    Purge,
}

pub fn parse(reader: &mut Reader) -> Result<Drop> {
    reader.expect(&["DROP"])?;
    let Some(kind) = object_kind(reader) else {
        return Err(reader.unexpected("SOURCE, TABLE, PIPELINE, MATERIALIZED VIEW, SECRET or INDEX"));
    };
    if kind == ObjectKind::Index {
        // It keeps nobody waiting.
        reader.accept(&["CONCURRENTLY"]);
    }
    let if_exists = reader.accept(&["IF", "EXISTS"]);
    let names = reader.comma_separated(object_name)?;
    let dependents = dependents(reader);
    let files = files(reader, kind)?;
    Ok(Drop { kind, if_exists, names, dependents, files })
}

fn dependents(reader: &mut Reader) -> Dependents {
    if reader.accept(&["CASCADE"]) {
        return Dependents::Cascade;
    }
    reader.accept(&["RESTRICT"]);
    Dependents::Restrict
}

fn files(reader: &mut Reader, kind: ObjectKind) -> Result<Files> {
    let position = reader.position();
    match (reader.accept(&["PURGE"]), kind) {
        (false, _) => Ok(Files::Keep),
        (true, ObjectKind::Table) => Ok(Files::Purge),
        (true, other) => Err(Error::syntax(format!("PURGE is for tables: a {other} has no files")).at(position)),
    }
}
