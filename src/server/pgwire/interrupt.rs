//! The four ways in which work for a client ends: it is done, the client cancels it, the client leaves, the server stops.

use std::future::Future;

use tokio_util::sync::CancellationToken;

use super::cancel::Registration;
use super::socket::Socket;
use crate::error::{Error, Result, SqlState};

/// Why a message was not answered as asked.
#[derive(Debug)]
pub enum Stop {
    /// The statement failed; the connection goes on.
    Failed(Error),
    /// The client is told and the connection ends.
    Fatal(Error),
    /// Nobody listens any more.
    Gone,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Stop {
        Stop::Failed(error)
    }
}

impl From<std::io::Error> for Stop {
    fn from(_: std::io::Error) -> Stop {
        Stop::Gone
    }
}

/// The server's way down, the same for all connections.
#[derive(Clone)]
pub struct Stopping {
    /// No new work.
    pub begun: CancellationToken,
    /// Work that still runs ends now.
    pub overdue: CancellationToken,
}

/// What may end the work of one connection.
pub struct Interrupts {
    registration: Registration,
    cancelled: CancellationToken,
    pub stopping: Stopping,
}

impl Interrupts {
    pub fn new(registration: Registration, stopping: Stopping) -> Interrupts {
        Interrupts { registration, cancelled: CancellationToken::new(), stopping }
    }

    /// From now on a cancel request is meant for what comes.
    pub fn begin_work(&mut self) {
        self.cancelled = self.registration.slot.begin();
    }

    pub fn end_work(&self) {
        self.registration.slot.end();
    }

    /// Does the work unless something ends it before. Meanwhile, what waits in the socket's buffer is sent.
    pub async fn run<T>(&self, socket: &mut Socket, work: impl Future<Output = Result<T>>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            stop = self.stopped() => Err(stop),
            result = work => Ok(result?),
            () = socket.attend() => Err(Stop::Gone),
        }
    }

    /// The same for work that comes to no end by itself: it ends as soon as the server begins to stop.
    pub async fn run_endless<T>(&self, socket: &mut Socket, work: impl Future<Output = Result<T>>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            () = self.stopping.begun.cancelled() => Err(Stop::Fatal(shutdown_error())),
            result = self.run(socket, work) => result,
        }
    }

    /// Sends the socket's buffer, however slowly the client reads, in the middle of an answer.
    pub async fn flush(&self, socket: &mut Socket) -> Result<(), Stop> {
        tokio::select! {
            biased;
            stop = self.stopped() => Err(stop),
            result = socket.flush() => Ok(result?),
        }
    }

    /// Sends the socket's buffer at the end of an answer. Nothing is left to cancel.
    pub async fn finish(&self, socket: &mut Socket) -> Result<(), Stop> {
        tokio::select! {
            biased;
            () = self.stopping.overdue.cancelled() => Err(Stop::Fatal(shutdown_error())),
            result = socket.flush() => Ok(result?),
        }
    }

    async fn stopped(&self) -> Stop {
        tokio::select! {
            biased;
            () = self.cancelled.cancelled() => Stop::Failed(Error::cancelled("canceling statement due to user request")),
            () = self.stopping.overdue.cancelled() => Stop::Fatal(shutdown_error()),
        }
    }
}

pub fn shutdown_error() -> Error {
    Error::cancelled("terminating connection due to administrator command").with_state(SqlState::ADMIN_SHUTDOWN)
}
