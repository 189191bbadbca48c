//! What definitions are about: the kinds of objects, and the names users give them.

use std::fmt;

use sqlparser::ast::ObjectName;
use sqlparser::tokenizer::Token;

use super::reader::Reader;
use crate::error::{Error, Result, SqlState};
use crate::model::Name;
use crate::model::name::fold;

/// The one database there is.
pub const DATABASE: &str = "lakewire";
/// The schema that all objects live in.
pub const PUBLIC_SCHEMA: &str = "public";
/// The schema of the system tables.
pub const SYSTEM_SCHEMA: &str = "lakewire";

/// Schemas that have tables but take no objects.
const READ_ONLY_SCHEMAS: [&str; 3] = [SYSTEM_SCHEMA, "pg_catalog", "information_schema"];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    Source,
    Table,
    Pipeline,
    /// A materialized view.
    View,
    Secret,
    Index,
}

/// A name and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedName {
    pub name: Name,
    /// In the statement, characters from 1.
    pub position: usize,
}

impl ObjectKind {
    pub const ALL: [ObjectKind; 6] =
        [ObjectKind::Source, ObjectKind::Table, ObjectKind::Pipeline, ObjectKind::View, ObjectKind::Secret, ObjectKind::Index];

    /// As it is typed: `SOURCE`.
    pub fn keyword(self) -> &'static str {
        match self {
            ObjectKind::Source => "SOURCE",
            ObjectKind::Table => "TABLE",
            ObjectKind::Pipeline => "PIPELINE",
            ObjectKind::View => "MATERIALIZED VIEW",
            ObjectKind::Secret => "SECRET",
            ObjectKind::Index => "INDEX",
        }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.keyword().to_lowercase())
    }
}

/// The name of an object that a definition makes, changes or drops, without its schema.
pub(super) fn object_name(reader: &mut Reader) -> Result<PlacedName> {
    let position = reader.position();
    if matches!(reader.peek_nth_token(0), Token::EOF) {
        return Err(reader.unexpected("a name"));
    }
    let written = reader.qualified_name("a name")?;
    Ok(PlacedName { name: in_public_schema(&written).map_err(|error| error.at(position))?, position })
}

/// `x`, `public.x` and `lakewire.public.x` are x. No other schema holds objects that users make.
pub(super) fn in_public_schema(written: &ObjectName) -> Result<Name> {
    let parts: Vec<_> = written.0.iter().filter_map(|part| part.as_ident()).collect();
    let (database, schema, name) = match parts[..] {
        [name] => (None, None, name),
        [schema, name] => (None, Some(fold(schema)), name),
        [database, schema, name] => (Some(fold(database)), Some(fold(schema)), name),
        _ => return Err(Error::syntax(format!("improper qualified name (too many dotted names): {written}"))),
    };
    if database.is_some_and(|database| database != DATABASE) {
        return Err(Error::unsupported(format!("cross-database references are not implemented: {written}"))
            .with_hint(format!("the database is \"{DATABASE}\"")));
    }
    match schema.as_deref() {
        None | Some(PUBLIC_SCHEMA) => Name::from_ident(name),
        Some(other) if READ_ONLY_SCHEMAS.contains(&other) => Err(Error::invalid(format!("schema \"{other}\" is for system tables only"))
            .with_state(SqlState::INVALID_SCHEMA_NAME)
            .with_hint(format!("leave the schema out, or write {PUBLIC_SCHEMA}"))),
        Some(other) => Err(Error::undefined(format!("schema \"{other}\" does not exist"))
            .with_state(SqlState::INVALID_SCHEMA_NAME)
            .with_hint(format!("leave the schema out, or write {PUBLIC_SCHEMA}"))),
    }
}

/// `IF NOT EXISTS`
pub(super) fn if_not_exists(reader: &mut Reader) -> bool {
    reader.accept(&["IF", "NOT", "EXISTS"])
}

/// `SOURCE`, `TABLE`, `PIPELINE`, `MATERIALIZED VIEW`, `SECRET` or `INDEX`
pub(super) fn object_kind(reader: &mut Reader) -> Option<ObjectKind> {
    ObjectKind::ALL.into_iter().find(|kind| reader.accept(&kind.keyword().split(' ').collect::<Vec<_>>()))
}
