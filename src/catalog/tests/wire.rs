//! A wire to PostgreSQL on which what is sent can get lost without a word, as where a firewall forgets a connection.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to the bytes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    None,
    /// Whatever is sent, from now on.
    Everything,
    /// A COMMIT, before it arrives. The server notices that the client is gone.
    Commit,
    /// The answer to a COMMIT.
    CommitAnswer,
}

pub struct Wire {
    port: u16,
    loss: Arc<watch::Sender<Loss>>,
    task: JoinHandle<()>,
}

impl Wire {
    pub async fn to(socket: PathBuf) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let loss = Arc::new(watch::Sender::new(Loss::None));
        let losing = loss.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(carry(client, server, losing.clone()));
            }
        });
        Wire { port, loss, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Everything is lost until it is told otherwise; a COMMIT and its answer once.
    pub fn lose(&self, loss: Loss) {
        self.loss.send_replace(loss);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A connection from which something was lost stays silent, and is not closed.
async fn carry(mut client: TcpStream, mut server: UnixStream, loss: Arc<watch::Sender<Loss>>) {
    let (mut sent, mut answered) = ([0; 8192], [0; 8192]);
    let mut losing = loss.subscribe();
    loop {
        let now = *losing.borrow_and_update();
        if now == Loss::Everything {
            return stay_silent(client).await;
        }
        tokio::select! {
            biased;
            _ = losing.changed() => {}
            read = client.read(&mut sent) => {
                let Ok(bytes @ 1..) = read else { return };
                let is_commit = sent[..bytes].windows(6).any(|word| word == b"COMMIT");
                let now = *loss.borrow();
                match (is_commit, now) {
                    (true, Loss::Commit) => {
                        loss.send_replace(Loss::None);
                        drop(server);
                        return stay_silent(client).await;
                    }
                    (true, Loss::CommitAnswer) => {
                        loss.send_replace(Loss::None);
                        server.write_all(&sent[..bytes]).await.unwrap();
                        let _ = server.read(&mut answered).await;
                        return stay_silent(client).await;
                    }
                    _ => server.write_all(&sent[..bytes]).await.unwrap(),
                }
            }
            read = server.read(&mut answered) => {
                let Ok(bytes @ 1..) = read else { return };
                if client.write_all(&answered[..bytes]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn stay_silent(mut client: TcpStream) {
    let mut lost = [0; 8192];
    while let Ok(1..) = client.read(&mut lost).await {}
}
