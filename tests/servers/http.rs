//! The few lines of HTTP that tests need.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Response {
    pub status: u16,
    pub body: String,
}

/// `GET http://<address><path>`. `None` where nobody answers.
pub async fn get(address: &str, path: &str) -> Option<Response> {
    request("GET", address, path).await
}

/// `PUT` without a body.
pub async fn put(address: &str, path: &str) -> Option<Response> {
    request("PUT", address, path).await
}

async fn request(method: &str, address: &str, path: &str) -> Option<Response> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    parse(&String::from_utf8_lossy(&answer))
}

fn parse(answer: &str) -> Option<Response> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some(Response { status, body: body.to_string() })
}

#[test]
fn reads_the_status_and_the_body() {
    let response = parse("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").unwrap();
    assert_eq!((response.status, response.body.as_str()), (404, "no"));
    assert!(parse("nonsense").is_none());
}
