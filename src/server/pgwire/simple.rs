//! The simple protocol: a text with any number of statements, run one after another, each answered as it finishes. The first
//! error ends them all.

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::EmptyQueryResponse;

use super::connection::Connection;
use super::description::row_description;
use super::encode::Format;
use super::frontend;
use super::interrupt::Stop;
use super::rows::{Rows, Sent};
use crate::error::{Error, SqlState};
use crate::session::{Outcome, StatementText};

impl Connection {
    pub(super) async fn simple_query(&mut self, body: &[u8]) -> Result<(), Stop> {
        self.statements.remove("");
        self.portals.remove("");
        let text = frontend::query(body)?;
        if let Some(outcome) = self.session.answer_alike(text) {
            self.put_outcome(outcome).await?;
            self.put_ready()?;
            return self.interrupts.finish(&mut self.socket).await;
        }
        let statements = self.session.split(text)?;
        if statements.is_empty() {
            self.socket.put(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()))?;
        }
        for statement in &statements {
            // On the heap: it is large, and what was answered above does without it.
            Box::pin(self.run_text(statement)).await.map_err(|stop| match stop {
                Stop::Failed(error) => Stop::Failed(error.shifted(statement.offset)),
                other => other,
            })?;
        }
        self.put_ready()?;
        self.interrupts.finish(&mut self.socket).await
    }

    async fn run_text(&mut self, statement: &StatementText) -> Result<(), Stop> {
        let session = self.session.clone();
        let prepare = async {
            let prepared = session.prepare(&statement.text, &[]).await?;
            session.learn_alike(&statement.text, &prepared).await;
            Ok(prepared)
        };
        let prepared = self.interrupts.run(&mut self.socket, prepare).await?;
        if !prepared.parameters.is_empty() {
            return Err(Error::undefined("there is no parameter $1")
                .with_state(SqlState::UNDEFINED_PARAMETER)
                .with_hint("parameters need a prepared statement, which drivers make; in psql use \\bind or write the value")
                .into());
        }
        let outcome = self.run_prepared(&prepared, vec![]).await?;
        self.put_outcome(outcome).await
    }

    async fn put_outcome(&mut self, outcome: Outcome) -> Result<(), Stop> {
        match outcome {
            Outcome::Done { tag } => self.put_done(tag),
            Outcome::Forget { tag, statements } => self.forget(tag, &statements),
            Outcome::Rows { schema, rows, tag } => {
                let formats = vec![Format::Text; schema.fields().len()];
                self.socket.put(row_description(&schema, &formats))?;
                let mut rows = Rows::new(rows, formats, tag);
                match rows.send(&mut self.socket, &self.interrupts, None).await? {
                    Sent::All { rows } => self.put_complete(format!("{tag} {rows}")),
                    Sent::Limit => Err(Error::internal("rows without a limit ended at one").into()),
                }
            }
        }
    }
}
