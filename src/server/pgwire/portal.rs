//! What the extended protocol keeps between messages: prepared statements and portals.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::scalar::ScalarValue;

use super::encode::Format;
use super::rows::Rows;
use crate::error::{Error, Result, SqlState};
use crate::session::Prepared;

/// A connection may keep this many prepared statements; a client that makes new names for ever is told, not fed.
const STATEMENTS_MAX: usize = 10_000;
const PORTALS_MAX: usize = 1_000;

pub struct Statement {
    /// `None`: the text was empty.
    pub prepared: Option<Prepared>,
    /// The types of its parameters as the client knows them.
    pub parameter_oids: Vec<u32>,
    /// Characters before the statement in the text that was parsed.
    pub offset: usize,
}

pub struct Portal {
    pub statement: Arc<Statement>,
    pub formats: Vec<Format>,
    pub state: PortalState,
}

pub enum PortalState {
    Bound(Vec<ScalarValue>),
    Open(Rows),
    /// All rows were sent; asked again, there are none.
    Exhausted(&'static str),
    /// It was a statement without rows, and it ran.
    Done,
}

#[derive(Default)]
pub struct Statements(HashMap<String, Arc<Statement>>);

#[derive(Default)]
pub struct Portals(HashMap<String, Portal>);

impl Statements {
    pub fn check_free(&self, name: &str) -> Result<()> {
        if !name.is_empty() && self.0.contains_key(name) {
            return Err(Error::duplicate(format!("prepared statement \"{name}\" already exists"))
                .with_state(SqlState::DUPLICATE_PREPARED_STATEMENT));
        }
        check_room(self.0.len(), STATEMENTS_MAX, "prepared statements")
    }

    pub fn insert(&mut self, name: &str, statement: Statement) {
        self.0.insert(name.to_string(), Arc::new(statement));
    }

    pub fn get(&self, name: &str) -> Result<Arc<Statement>> {
        self.0.get(name).cloned().ok_or_else(|| {
            let message = match name {
                "" => "unnamed prepared statement does not exist".to_string(),
                name => format!("prepared statement \"{name}\" does not exist"),
            };
            Error::undefined(message).with_state(SqlState::INVALID_SQL_STATEMENT_NAME)
        })
    }

    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Portals {
    pub fn insert(&mut self, name: &str, portal: Portal) -> Result<()> {
        if !name.is_empty() && self.0.contains_key(name) {
            return Err(Error::duplicate(format!("portal \"{name}\" already exists")).with_state(SqlState::DUPLICATE_CURSOR));
        }
        check_room(self.0.len(), PORTALS_MAX, "portals")?;
        self.0.insert(name.to_string(), portal);
        Ok(())
    }

    pub fn get(&self, name: &str) -> Result<&Portal> {
        self.0.get(name).ok_or_else(|| does_not_exist(name))
    }

    /// Takes the portal out for its run. Whoever runs it puts it back unless it failed.
    pub fn take(&mut self, name: &str) -> Result<Portal> {
        self.0.remove(name).ok_or_else(|| does_not_exist(name))
    }

    pub fn put_back(&mut self, name: &str, portal: Portal) {
        self.0.insert(name.to_string(), portal);
    }

    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// At the end of a transaction, and when it fails.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

fn does_not_exist(portal: &str) -> Error {
    Error::undefined(format!("portal \"{portal}\" does not exist")).with_state(SqlState::INVALID_CURSOR_NAME)
}

fn check_room(count: usize, max: usize, what: &str) -> Result<()> {
    match count < max {
        true => Ok(()),
        false => Err(Error::state(format!("too many {what}"))
            .with_state(SqlState::PROGRAM_LIMIT_EXCEEDED)
            .with_hint(format!("a connection may keep {max}; close those that are no longer needed"))),
    }
}
