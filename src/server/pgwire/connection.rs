//! One client, from its greeting to its goodbye: reads a message, has it answered, recovers from failures.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use datafusion::scalar::ScalarValue;
use futures::FutureExt;
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{CommandComplete, ReadyForQuery, TransactionStatus as WireStatus};
use pgwire::messages::startup::ParameterStatus;

use super::failure::{Severity, error_message, notice_message};
use super::frontend;
use super::interrupt::{Interrupts, Stop, shutdown_error};
use super::portal::{Portals, Statements};
use super::socket::{Frame, Socket, protocol_error};
use crate::error::Error;
use crate::session::{Forgotten, Outcome, Prepared, Session, TransactionStatus};

/// A client that does not read its last message is left behind after this.
const GOODBYE_MS: u64 = 1_000;

pub struct Connection {
    pub(super) socket: Socket,
    pub(super) session: Arc<Session>,
    pub(super) interrupts: Interrupts,
    pub(super) statements: Statements,
    pub(super) portals: Portals,
    pub(super) mode: Mode,
    /// The session's parameters as the client knows them.
    reported: Vec<(&'static str, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Answering,
    /// A message of the extended protocol failed: what comes is not answered until the client says Sync.
    SkippingToSync,
}

enum Next {
    Message,
    Goodbye,
}

impl Connection {
    pub fn new(socket: Socket, session: Arc<Session>, interrupts: Interrupts) -> Connection {
        let reported = session.parameters();
        Connection {
            socket,
            session,
            interrupts,
            statements: Statements::default(),
            portals: Portals::default(),
            mode: Mode::Answering,
            reported,
        }
    }

    /// Serves the client until it leaves, breaks the protocol, or the server stops.
    pub async fn run(mut self) {
        loop {
            match self.serve_message().await {
                Ok(Next::Message) => {}
                Ok(Next::Goodbye) | Err(Stop::Gone) => return,
                Err(Stop::Fatal(error)) | Err(Stop::Failed(error)) => return say_goodbye(self.socket, &error).await,
            }
        }
    }

    async fn serve_message(&mut self) -> Result<Next, Stop> {
        self.interrupts.end_work();
        let frame = tokio::select! {
            biased;
            () = self.interrupts.stopping.begun.cancelled() => return Err(Stop::Fatal(shutdown_error())),
            frame = self.socket.receive() => frame?,
        };
        self.interrupts.begin_work();
        let kind = frame.kind;
        match caught(self.answer(frame)).await {
            Err(Stop::Failed(error)) => self.recover(kind, error).await.map(|()| Next::Message),
            other => other,
        }
    }

    async fn answer(&mut self, frame: Frame) -> Result<Next, Stop> {
        if self.mode == Mode::SkippingToSync && !matches!(frame.kind, frontend::SYNC | frontend::TERMINATE) {
            return Ok(Next::Message);
        }
        match frame.kind {
            frontend::QUERY => self.simple_query(&frame.body).await?,
            frontend::PARSE => self.parse(&frame.body).await?,
            frontend::BIND => self.bind(&frame.body)?,
            frontend::DESCRIBE => self.describe(&frame.body)?,
            frontend::EXECUTE => self.execute(&frame.body).await?,
            frontend::CLOSE => self.close(&frame.body)?,
            frontend::FLUSH => self.interrupts.finish(&mut self.socket).await?,
            frontend::SYNC => self.sync().await?,
            frontend::TERMINATE => return Ok(Next::Goodbye),
            frontend::FUNCTION_CALL => return Err(Error::unsupported("function call messages are not supported").into()),
            // Left over from a COPY that failed: the protocol says to ignore them.
            frontend::COPY_DATA | frontend::COPY_DONE | frontend::COPY_FAIL => {}
            other => return Err(Stop::Fatal(protocol_error(&format!("invalid frontend message type {other}")))),
        }
        Ok(Next::Message)
    }

    /// Tells the client what failed and brings both sides back in step.
    async fn recover(&mut self, kind: u8, error: Error) -> Result<(), Stop> {
        self.session.fail_transaction();
        self.portals.clear();
        self.put_notices()?;
        self.socket.put(error_message(Severity::Error, &error))?;
        match kind {
            frontend::QUERY | frontend::FUNCTION_CALL | frontend::SYNC => self.put_ready()?,
            _ => self.mode = Mode::SkippingToSync,
        }
        self.interrupts.finish(&mut self.socket).await
    }

    /// The end of a cycle: the client may ask again. The caller flushes.
    pub(super) fn put_ready(&mut self) -> Result<(), Stop> {
        let status = match self.session.transaction_status() {
            TransactionStatus::Idle => WireStatus::Idle,
            TransactionStatus::InTransaction => WireStatus::Transaction,
            TransactionStatus::Failed => WireStatus::Error,
        };
        if status == WireStatus::Idle {
            self.portals.clear();
        }
        self.socket.put(PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(status)))
    }

    /// The end of a statement, with what it had to say besides.
    pub(super) fn put_complete(&mut self, tag: String) -> Result<(), Stop> {
        self.put_notices()?;
        self.socket.put(PgWireBackendMessage::CommandComplete(CommandComplete::new(tag)))
    }

    /// Runs a statement.
    pub(super) async fn run_prepared(&mut self, prepared: &Prepared, parameters: Vec<ScalarValue>) -> Result<Outcome, Stop> {
        if let Some(found) = self.session.answer_now(prepared, &parameters)? {
            return Ok(found);
        }
        let session = self.session.clone();
        // On the heap: what runs any statement is large, and a look-up does without it.
        let work = Box::pin(session.execute(prepared, parameters));
        self.interrupts.run(&mut self.socket, work).await
    }

    /// Drops prepared statements as a statement says.
    pub(super) fn forget(&mut self, tag: &str, statements: &Forgotten) -> Result<(), Stop> {
        match statements {
            Forgotten::All => self.statements.clear(),
            Forgotten::Named(name) => {
                self.statements.get(name)?;
                self.statements.remove(name);
            }
        }
        self.put_done(tag.to_string())
    }

    /// The end of a statement without rows, which may have changed the session's parameters.
    pub(super) fn put_done(&mut self, tag: String) -> Result<(), Stop> {
        self.put_complete(tag)?;
        self.put_changed_parameters()
    }

    /// Tells the client of parameters that a statement has changed.
    fn put_changed_parameters(&mut self) -> Result<(), Stop> {
        let now = self.session.parameters();
        for (name, value) in now.iter().filter(|parameter| !self.reported.contains(parameter)) {
            let status = ParameterStatus::new(name.to_string(), value.clone());
            self.socket.put(PgWireBackendMessage::ParameterStatus(status))?;
        }
        self.reported = now;
        Ok(())
    }

    pub(super) fn put_notices(&mut self) -> Result<(), Stop> {
        self.session.take_notices().iter().try_for_each(|notice| self.socket.put(notice_message(notice)))
    }
}

/// The last message to a client that is sent away.
pub async fn say_goodbye(mut socket: Socket, error: &Error) {
    if socket.put(error_message(Severity::Fatal, error)).is_err() {
        return;
    }
    // Whether it arrives is not in our hands.
    let _ = tokio::time::timeout(Duration::from_millis(GOODBYE_MS), async {
        if socket.flush().await.is_ok() {
            socket.close().await;
        }
    })
    .await;
}

/// A panic ends the statement, not the server.
async fn caught<T>(work: impl Future<Output = Result<T, Stop>>) -> Result<T, Stop> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| Err(Stop::Failed(panicked(panic))))
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| text.to_string()).or_else(|| panic.downcast_ref::<String>().cloned());
    Error::internal("the statement panicked").with_detail(text.unwrap_or_else(|| "no message".to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::SqlState;

    #[tokio::test]
    async fn a_panic_is_an_error_of_the_statement() {
        let Err(Stop::Failed(error)) = caught::<()>(async { panic!("row {} is odd", 7) }).await else { panic!("not caught") };
        assert_eq!(error.sqlstate(), SqlState::INTERNAL_ERROR);
        assert_eq!(error.detail(), Some("row 7 is odd"));
    }
}
