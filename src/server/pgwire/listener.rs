//! Accepts clients, as many as may be, and sends them home when the server stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::cancel::CancelKeys;
use super::connection::{Connection, say_goodbye};
use super::interrupt::{Interrupts, Stop, Stopping};
use super::socket::Socket;
use super::startup::{Greeting, receive_greeting, welcome};
use crate::error::{Error, Result, SqlState};
use crate::session::Session;

/// How long a client may take to introduce itself.
const STARTUP_SECONDS: u64 = 30;
/// How many sockets may be open besides those of clients that are let in: greetings, cancel requests, those to be refused.
const STARTUPS_MAX: usize = 256;
/// How long statements may run on when the server stops.
const SHUTDOWN_GRACE_SECONDS: u64 = 5;
/// And how long clients may take to read that it does.
const GOODBYE_SECONDS: u64 = 2;
/// The pause after an accept that failed, most likely for want of file descriptors.
const ACCEPT_RETRY_MS: u64 = 100;

type MakeSession = dyn Fn(&str, &str) -> Result<Arc<Session>> + Send + Sync;

struct Server {
    make_session: Box<MakeSession>,
    keys: Arc<CancelKeys>,
    places: Arc<Semaphore>,
    stopping: Stopping,
}

/// Serves the Postgres protocol on `listener` until `shutdown`. `make_session` gets the user and the database; its error
/// refuses the client. Returns when the last connection is closed, at the latest some seconds after `shutdown`.
pub async fn serve<F>(listener: TcpListener, make_session: F, shutdown: CancellationToken, connections_max: usize) -> Result<()>
where
    F: Fn(&str, &str) -> Result<Arc<Session>> + Send + Sync + 'static,
{
    let stopping = Stopping { begun: shutdown.clone(), overdue: CancellationToken::new() };
    let server = Arc::new(Server {
        make_session: Box::new(make_session),
        keys: Arc::default(),
        places: Arc::new(Semaphore::new(connections_max)),
        stopping: stopping.clone(),
    });
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = clients.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok(_) if clients.len() >= connections_max.saturating_add(STARTUPS_MAX) => {}
                Ok((stream, _)) => {
                    clients.spawn(serve_client(server.clone(), stream));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                }
            },
        }
    }
    drop(listener);
    send_home(clients, stopping).await;
    Ok(())
}

async fn send_home(mut clients: JoinSet<()>, stopping: Stopping) {
    let all_gone = async |clients: &mut JoinSet<()>| while clients.join_next().await.is_some() {};
    if timeout(Duration::from_secs(SHUTDOWN_GRACE_SECONDS), all_gone(&mut clients)).await.is_err() {
        stopping.overdue.cancel();
        if timeout(Duration::from_secs(GOODBYE_SECONDS), all_gone(&mut clients)).await.is_err() {
            tracing::warn!(clients = clients.len(), "clients did not leave in time");
        }
    }
    clients.shutdown().await;
}

async fn serve_client(server: Arc<Server>, stream: TcpStream) {
    // Answers are gathered by us; the kernel must not wait for more. Without it things are only slower.
    let _ = stream.set_nodelay(true);
    let mut socket = Socket::new(stream);
    let greeting = tokio::select! {
        biased;
        () = server.stopping.begun.cancelled() => return,
        greeting = timeout(Duration::from_secs(STARTUP_SECONDS), receive_greeting(&mut socket, &server.keys)) => greeting,
    };
    match greeting {
        Ok(Ok(greeting)) => admit(&server, socket, greeting).await,
        Ok(Err(Stop::Fatal(error) | Stop::Failed(error))) => say_goodbye(socket, &error).await,
        Ok(Err(Stop::Gone)) | Err(_) => {}
    }
}

async fn admit(server: &Server, mut socket: Socket, greeting: Greeting) {
    let Ok(_place) = server.places.clone().try_acquire_owned() else {
        let error = Error::unavailable("sorry, too many clients already").with_state(SqlState::TOO_MANY_CONNECTIONS);
        return say_goodbye(socket, &error).await;
    };
    let session = match (server.make_session)(&greeting.user, &greeting.database) {
        Ok(session) => session,
        Err(error) => return say_goodbye(socket, &error).await,
    };
    let _counted = OpenConnection::count();
    let registration = server.keys.register();
    match welcome(&mut socket, &greeting, &session, registration.key).await {
        Ok(()) => {
            let interrupts = Interrupts::new(registration, server.stopping.clone());
            Connection::new(socket, session, interrupts).run().await;
        }
        Err(Stop::Fatal(error) | Stop::Failed(error)) => say_goodbye(socket, &error).await,
        Err(Stop::Gone) => {}
    }
}

/// Counted while it lives, however its end comes.
struct OpenConnection;

impl OpenConnection {
    fn count() -> OpenConnection {
        metrics::gauge!("lakewire_pg_connections").increment(1);
        OpenConnection
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        metrics::gauge!("lakewire_pg_connections").decrement(1);
    }
}
