//! `SET`, `RESET`, `DISCARD ALL`, `DEALLOCATE`

use super::super::{Forgotten, Outcome, Session};
use crate::error::{Error, Result};
use crate::sql::{Deallocate, Reset, Set, SetScope, SetValue};

pub fn set(session: &Session, set: &Set) -> Result<Outcome> {
    match set {
        Set::Transaction { modes, .. } => super::transaction::check_modes(modes)?,
        Set::Variable { scope: SetScope::Local, name_position, .. } => {
            return Err(Error::unsupported("SET LOCAL is not supported yet").with_hint("SET is for the session").at(*name_position));
        }
        Set::Variable { name, name_position, value, .. } => {
            let mut variables = session.variables.lock();
            match value {
                SetValue::Default => variables.reset(name),
                SetValue::Text(value) => variables.set(name, value),
            }
            .map_err(|error| error.at(*name_position))?;
        }
    }
    Ok(Outcome::done("SET"))
}

pub fn reset(session: &Session, reset: &Reset) -> Result<Outcome> {
    match reset {
        Reset::All => session.variables.lock().reset_all(),
        Reset::Named { name, position } => session.variables.lock().reset(name).map_err(|error| error.at(*position))?,
    }
    Ok(Outcome::done("RESET"))
}

pub fn discard_all(session: &Session) -> Outcome {
    session.variables.lock().reset_all();
    session.cursors.close_all();
    Outcome::Forget { tag: "DISCARD ALL", statements: Forgotten::All }
}

pub fn deallocate(deallocate: &Deallocate) -> Outcome {
    match deallocate {
        Deallocate::All => Outcome::Forget { tag: "DEALLOCATE ALL", statements: Forgotten::All },
        Deallocate::Named(name) => Outcome::Forget { tag: "DEALLOCATE", statements: Forgotten::Named(name.clone()) },
    }
}
