//! `FLUSH`

use super::super::{Notice, Outcome, Session};
use crate::error::Result;

pub async fn run(session: &Session) -> Result<Outcome> {
    for job in session.services.supervisor.flush().await {
        let state = job.state.as_str();
        let why = match &job.upstream {
            Some(upstream) => format!("\"{upstream}\", which it reads, is {state}"),
            None => format!("it is {state}"),
        };
        session.notice(Notice::warning(format!("{} \"{}\" was not flushed: {why}", job.kind, job.name)));
    }
    Ok(Outcome::done("FLUSH"))
}
