//! What every catalog object has, whatever its kind.

use std::fmt;

use chrono::{DateTime, Utc};

use super::Definition;
use crate::error::{Error, SqlState};
use crate::model::{Name, ObjectId};

/// One definition, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    pub id: ObjectId,
    pub name: Name,
    /// The statement as the user wrote it, under the names of now. Empty for secrets: theirs holds the secret's text.
    pub sql: String,
    /// Stored in microseconds; what is finer is cut off.
    pub created_at: DateTime<Utc>,
    pub definition: Definition,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    Source,
    Table,
    Pipeline,
    /// A materialized view.
    View,
    Secret,
    /// Of a materialized view.
    Index,
}

/// Within a namespace a name is used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Namespace {
    /// Whatever can stand in `FROM`, and indexes, as in PostgreSQL.
    Relation,
    Pipeline,
    Secret,
}

impl Object {
    pub fn kind(&self) -> ObjectKind {
        self.definition.kind()
    }
}

/// `table events`, with the name quoted where SQL would need it: how messages call an object.
impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.name.quoted())
    }
}

impl ObjectKind {
    const ALL: [ObjectKind; 6] =
        [ObjectKind::Source, ObjectKind::Table, ObjectKind::Pipeline, ObjectKind::View, ObjectKind::Secret, ObjectKind::Index];

    pub fn namespace(self) -> Namespace {
        match self {
            ObjectKind::Source | ObjectKind::Table | ObjectKind::View | ObjectKind::Index => Namespace::Relation,
            ObjectKind::Pipeline => Namespace::Pipeline,
            ObjectKind::Secret => Namespace::Secret,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            ObjectKind::Source => "source",
            ObjectKind::Table => "table",
            ObjectKind::Pipeline => "pipeline",
            ObjectKind::View => "materialized view",
            ObjectKind::Secret => "secret",
            ObjectKind::Index => "index",
        }
    }

    /// `a table`, `an index`
    pub fn with_article(self) -> String {
        let article = if self == ObjectKind::Index { "an" } else { "a" };
        format!("{article} {self}")
    }

    pub fn parse(word: &str) -> Option<ObjectKind> {
        ObjectKind::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// `source "x" does not exist`
    pub fn undefined(self, name: &Name) -> Error {
        let state = match self {
            ObjectKind::Source | ObjectKind::Table | ObjectKind::View => SqlState::UNDEFINED_TABLE,
            ObjectKind::Pipeline | ObjectKind::Secret | ObjectKind::Index => SqlState::UNDEFINED_OBJECT,
        };
        Error::undefined(format!("{self} \"{name}\" does not exist")).with_state(state)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Namespace {
    pub fn as_str(self) -> &'static str {
        match self {
            Namespace::Relation => "relation",
            Namespace::Pipeline => "pipeline",
            Namespace::Secret => "secret",
        }
    }

    /// `relation "x" already exists`
    pub fn duplicate(self, name: &Name) -> Error {
        let state = match self {
            Namespace::Relation => SqlState::DUPLICATE_TABLE,
            Namespace::Pipeline | Namespace::Secret => SqlState::DUPLICATE_OBJECT,
        };
        Error::duplicate(format!("{} \"{name}\" already exists", self.as_str())).with_state(state)
    }
}
