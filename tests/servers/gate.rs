//! A gate before a server: it lets everything through, or nothing. Who asks by HTTP is refused, as by a bucket whose policy has changed; on
//! others it hangs up.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

const REFUSAL_BODY: &str =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Shut,
}

pub struct Gate {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    task: JoinHandle<()>,
}

impl Gate {
    /// An open gate before `behind` (`host:port`).
    pub async fn before(behind: &str) -> Gate {
        Gate::start(Some(behind.to_string()), State::Open).await
    }

    /// A gate with nothing behind it, shut for ever.
    pub async fn shut_for_ever() -> Gate {
        Gate::start(None, State::Shut).await
    }

    /// From now on every request is refused; connections that were let through break.
    pub fn shut(&self) {
        self.state.send_replace(State::Shut);
    }

    pub fn open(&self) {
        self.state.send_replace(State::Open);
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    async fn start(behind: Option<String>, first: State) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = Arc::new(watch::Sender::new(first));
        let accepting = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, behind.clone(), accepting.subscribe()));
            }
        });
        Gate { address, state, task }
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, behind: Option<String>, mut state: watch::Receiver<State>) {
    let now = *state.borrow_and_update();
    let through = match (now, behind) {
        (State::Open, Some(behind)) => TcpStream::connect(behind).await.ok(),
        _ => None,
    };
    match through {
        Some(mut through) => {
            tokio::select! {
                _ = copy_bidirectional(&mut stream, &mut through) => {}
                _ = state.changed() => {}
            }
        }
        None => refuse(stream).await,
    }
}

/// Answers the first request, whatever it is, and hangs up. The body is read first: who is refused while still sending may never
/// see the answer. What is not HTTP gets no answer.
async fn refuse(mut stream: TcpStream) {
    let mut request = Vec::new();
    let mut part = [0; 8192];
    while !is_complete(&request) {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&part[..read]),
        }
        if !request[0].is_ascii_uppercase() {
            return;
        }
    }
    let length = REFUSAL_BODY.len();
    let head = format!("HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(format!("{head}{REFUSAL_BODY}").as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn is_complete(request: &[u8]) -> bool {
    let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    request.len() >= end + 4 + length.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::http;

    #[tokio::test]
    async fn lets_through_and_refuses() {
        let behind = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gate = Gate::before(&behind.local_addr().unwrap().to_string()).await;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = behind.accept().await {
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nin").await;
            }
        });
        let address = gate.address.to_string();
        assert_eq!(http::get(&address, "/").await.unwrap().body, "in");
        gate.shut();
        let refused = http::put(&address, "/lake/x").await.unwrap();
        assert_eq!(refused.status, 403);
        assert!(refused.body.contains("AccessDenied"));
        gate.open();
        assert_eq!(http::get(&address, "/").await.unwrap().status, 200);
    }

    #[tokio::test]
    async fn hangs_up_on_what_is_not_http() {
        let gate = Gate::shut_for_ever().await;
        let mut client = TcpStream::connect(gate.address()).await.unwrap();
        // How a PostgreSQL client begins.
        client.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    }

    #[test]
    fn a_request_is_complete_with_its_body() {
        assert!(is_complete(b"GET / HTTP/1.1\r\n\r\n"));
        assert!(!is_complete(b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\nab"));
        assert!(is_complete(b"PUT / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc"));
    }
}
