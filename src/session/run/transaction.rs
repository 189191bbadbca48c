//! `BEGIN`, `COMMIT`, `ROLLBACK`

use super::super::{Notice, Outcome, Session, TransactionStatus};
use crate::error::{Error, Result};
use crate::sql::{Isolation, TransactionMode};

pub fn begin(session: &Session, modes: &[TransactionMode]) -> Result<Outcome> {
    check_modes(modes)?;
    if session.transaction.lock().begin() {
        session.notice(Notice::warning("there is already a transaction in progress"));
    }
    Ok(Outcome::done("BEGIN"))
}

pub fn commit(session: &Session) -> Outcome {
    let status = session.transaction.lock().end();
    match status {
        TransactionStatus::Failed => session.cursors.roll_back(),
        TransactionStatus::InTransaction | TransactionStatus::Idle => session.cursors.commit(),
    }
    match status {
        TransactionStatus::InTransaction => Outcome::done("COMMIT"),
        TransactionStatus::Failed => Outcome::done("ROLLBACK"),
        TransactionStatus::Idle => {
            session.notice(Notice::warning("there is no transaction in progress"));
            Outcome::done("COMMIT")
        }
    }
}

pub fn rollback(session: &Session) -> Outcome {
    session.cursors.roll_back();
    if session.transaction.lock().end() == TransactionStatus::Idle {
        session.notice(Notice::warning("there is no transaction in progress"));
    }
    Outcome::done("ROLLBACK")
}

/// Each statement reads the newest snapshot, which is READ COMMITTED. Stricter levels would be a promise that is not kept.
pub fn check_modes(modes: &[TransactionMode]) -> Result<()> {
    for mode in modes {
        match mode {
            TransactionMode::Isolation(Isolation::RepeatableRead | Isolation::Serializable) => {
                return Err(Error::unsupported("this isolation level is not supported yet").with_hint("READ COMMITTED is what there is"));
            }
            TransactionMode::Isolation(_) | TransactionMode::ReadOnly | TransactionMode::ReadWrite => {}
            TransactionMode::Deferrable | TransactionMode::NotDeferrable => {}
        }
    }
    Ok(())
}
