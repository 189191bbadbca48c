//! `FLUSH`

use super::super::{Notice, Outcome, Session};
use crate::error::Result;

pub async fn run(session: &Session) -> Result<Outcome> {
    for job in session.services.supervisor.flush().await {
        session.notice(Notice::warning(format!("{} \"{}\" was not flushed: it is {}", job.kind, job.name, job.state.as_str())));
    }
    Ok(Outcome::done("FLUSH"))
}
