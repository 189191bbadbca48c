//! `EMIT ON WINDOW CLOSE`, at the end of what a view or a pipeline runs.

use super::reader::Reader;
use crate::catalog::Emit;
use crate::error::{Error, Result};

/// What the clause looks like, word by word. `EMIT` is no reserved word: it begins the clause only where the others follow.
pub const CLAUSE: [&str; 4] = ["EMIT", "ON", "WINDOW", "CLOSE"];

/// `[EMIT ON WINDOW CLOSE]`
pub fn optional(reader: &mut Reader) -> Result<Emit> {
    if reader.accept(&CLAUSE) {
        return Ok(Emit::OnWindowClose);
    }
    match reader.peek(&["EMIT"]) {
        true => Err(reader.unexpected("EMIT ON WINDOW CLOSE")),
        false => Ok(Emit::OnChange),
    }
}

/// A plain query is answered at once.
pub fn refuse(reader: &Reader) -> Result<()> {
    match reader.peek(&CLAUSE) {
        true => Err(Error::unsupported("EMIT ON WINDOW CLOSE is for materialized views and pipelines")
            .with_hint("leave it out: a query is answered once, from what is there")
            .at(reader.position())),
        false => Ok(()),
    }
}
