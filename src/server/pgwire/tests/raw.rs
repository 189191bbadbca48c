//! What drivers hide: a client that writes bytes and reads messages.

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Server;

pub struct Raw {
    stream: TcpStream,
    out: BytesMut,
}

impl Raw {
    async fn open(server: &Server) -> Raw {
        Raw { stream: TcpStream::connect(server.address).await.unwrap(), out: BytesMut::new() }
    }

    /// Opens and reads the greeting.
    pub async fn greeted(server: &Server) -> Raw {
        let mut raw = Raw::open(server).await;
        raw.packet(&startup(0x0003_0000, &[("user", "u"), ("database", "lakewire"), ("application_name", "raw")])).await;
        assert!(raw.until_ready().await.starts_with("R S S"));
        raw
    }

    async fn packet(&mut self, body: &[u8]) {
        self.stream.write_u32(body.len() as u32 + 4).await.unwrap();
        self.stream.write_all(body).await.unwrap();
    }

    /// Gathers a message; `send` sends all.
    fn message(&mut self, kind: u8, parts: &[&[u8]]) -> &mut Raw {
        self.out.put_u8(kind);
        self.out.put_u32(4 + parts.iter().map(|part| part.len() as u32).sum::<u32>());
        parts.iter().for_each(|part| self.out.put_slice(part));
        self
    }

    pub fn query(&mut self, text: &str) -> &mut Raw {
        self.message(b'Q', &[text.as_bytes(), b"\0"])
    }

    fn parse(&mut self, name: &str, text: &str) -> &mut Raw {
        self.message(b'P', &[name.as_bytes(), b"\0", text.as_bytes(), b"\0\0\0"])
    }

    fn bind(&mut self, portal: &str, statement: &str) -> &mut Raw {
        self.message(b'B', &[portal.as_bytes(), b"\0", statement.as_bytes(), b"\0\0\0\0\0\0\0"])
    }

    fn execute(&mut self, portal: &str, rows_max: u32) -> &mut Raw {
        self.message(b'E', &[portal.as_bytes(), b"\0", &rows_max.to_be_bytes()])
    }

    fn sync(&mut self) -> &mut Raw {
        self.message(b'S', &[])
    }

    pub async fn send(&mut self) -> &mut Raw {
        let out = self.out.split();
        self.stream.write_all(&out).await.unwrap();
        self
    }

    /// The next message: its kind, and what a test wants to know of it.
    pub async fn read(&mut self) -> String {
        let kind = self.stream.read_u8().await.unwrap() as char;
        let mut body = vec![0; self.stream.read_u32().await.unwrap() as usize - 4];
        self.stream.read_exact(&mut body).await.unwrap();
        match kind {
            'C' => format!("C[{}]", String::from_utf8_lossy(&body[..body.len() - 1])),
            'Z' => format!("Z{}", body[0] as char),
            'E' | 'N' => format!("{kind}[{}]", field(&body, b'C')),
            't' => format!("t{}", (&body[..2]).get_u16()),
            'v' => format!("v{}", (&body[..4]).get_u32()),
            other => other.to_string(),
        }
    }

    async fn until(&mut self, last: impl Fn(&str) -> bool) -> String {
        let mut messages = vec![self.read().await];
        while !last(messages.last().unwrap()) {
            messages.push(self.read().await);
        }
        messages.join(" ")
    }

    async fn until_ready(&mut self) -> String {
        self.until(|message| message.starts_with('Z')).await
    }

    /// Whether the server has closed the connection.
    async fn is_closed(&mut self) -> bool {
        matches!(self.stream.read(&mut [0; 16]).await, Ok(0) | Err(_))
    }
}

fn startup(version: u32, parameters: &[(&str, &str)]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    for (name, value) in parameters {
        body.extend([name.as_bytes(), b"\0", value.as_bytes(), b"\0"].concat());
    }
    body.push(0);
    body
}

fn field(body: &[u8], code: u8) -> String {
    let field = body.split(|byte| *byte == 0).find(|field| field.first() == Some(&code)).unwrap();
    String::from_utf8_lossy(&field[1..]).into_owned()
}

#[tokio::test]
async fn encryption_is_declined_and_newer_protocols_are_negotiated() {
    let server = Server::start().await;
    let mut raw = Raw::open(&server).await;
    for request in [80_877_104_u32, 80_877_103] {
        raw.packet(&request.to_be_bytes()).await;
        assert_eq!(raw.stream.read_u8().await.unwrap(), b'N');
    }
    raw.packet(&startup(0x0003_0002, &[("user", "u"), ("database", "lakewire"), ("_pq_.x", "1")])).await;
    let greeting = raw.until_ready().await;
    assert!(greeting.starts_with("v0 R S"), "{greeting}");
    assert!(greeting.ends_with("K ZI"), "{greeting}");
}

#[tokio::test]
async fn a_bad_start_is_refused() {
    let server = Server::start().await;
    for (packet, state) in [
        (startup(0x0002_0000, &[("user", "u")]), "E[0A000]"),
        (startup(0x0003_0000, &[("database", "d")]), "E[28000]"),
        (startup(0x0003_0000, &[("user", "u"), ("replication", "database")]), "E[0A000]"),
        (vec![0; 20_000], "E[08P01]"),
    ] {
        let mut raw = Raw::open(&server).await;
        raw.packet(&packet[..packet.len().min(9_000)]).await;
        if packet.len() > 9_000 {
            raw = Raw::open(&server).await;
            raw.stream.write_u32(20_000).await.unwrap();
        }
        assert_eq!(raw.read().await, state);
        assert!(raw.is_closed().await);
    }
}

#[tokio::test]
async fn startup_options_are_set() {
    let server = Server::start().await;
    let mut raw = Raw::open(&server).await;
    let options = "-c application_name=a\\ b --extra-float-digits=3 -c work_mem=1MB";
    raw.packet(&startup(0x0003_0000, &[("user", "u"), ("database", "lakewire"), ("options", options)])).await;
    // What the session does not know is a warning.
    assert!(raw.until_ready().await.ends_with("K N[42704] ZI"));
}

#[tokio::test]
async fn simple_queries() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(&server).await;
    assert_eq!(raw.query("SELECT 1; SELECT 2").send().await.until_ready().await, "T D C[SELECT 1] T D C[SELECT 1] ZI");
    assert_eq!(raw.query("").send().await.until_ready().await, "I ZI");
    assert_eq!(raw.query("SELECT 1; BOOM; SELECT 3").send().await.until_ready().await, "T D C[SELECT 1] E[42601] ZI");
    assert_eq!(raw.query("BEGIN").send().await.until_ready().await, "C[BEGIN] ZT");
    assert_eq!(raw.query("BOOM").send().await.until_ready().await, "E[42601] ZE");
    assert_eq!(raw.query("ROLLBACK").send().await.until_ready().await, "C[ROLLBACK] ZI");
}

#[tokio::test]
async fn a_portal_is_suspended_and_goes_on() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(&server).await;
    raw.query("BEGIN").send().await.until_ready().await;
    raw.parse("s", "SELECT value FROM generate_series(1, 3)").bind("p", "s").execute("p", 2).sync();
    assert_eq!(raw.send().await.until_ready().await, "1 2 D D s ZT");
    assert_eq!(raw.execute("p", 2).sync().send().await.until_ready().await, "D C[SELECT 1] ZT");
    assert_eq!(raw.execute("p", 2).sync().send().await.until_ready().await, "C[SELECT 0] ZT");
    raw.query("COMMIT").send().await.until_ready().await;
    assert_eq!(raw.execute("p", 2).sync().send().await.until_ready().await, "E[34000] ZI");
}

#[tokio::test]
async fn after_an_error_everything_is_skipped_up_to_sync() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(&server).await;
    raw.parse("", "SELECT 1").bind("", "").execute("missing", 0).bind("", "").execute("", 0).sync();
    raw.parse("", "SELECT 2").bind("", "").execute("", 0).sync();
    raw.send().await;
    assert_eq!(raw.until_ready().await, "1 2 E[34000] ZI");
    assert_eq!(raw.until_ready().await, "1 2 D C[SELECT 1] ZI");
}

#[tokio::test]
async fn describe_close_and_flush() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(&server).await;
    raw.parse("s", "SELECT $1::int + $2::int").message(b'D', &[b"Ss\0"]).message(b'H', &[]);
    assert_eq!(raw.send().await.until(|message| message == "T").await, "1 t2 T");
    raw.parse("e", "").message(b'D', &[b"Se\0"]).bind("p", "e").message(b'D', &[b"Pp\0"]).execute("p", 0).sync();
    assert_eq!(raw.send().await.until_ready().await, "1 t0 n 2 n I ZI");
    raw.parse("s", "SELECT 1").sync();
    assert_eq!(raw.send().await.until_ready().await, "E[42P05] ZI");
    raw.message(b'C', &[b"Ss\0"]).parse("s", "BEGIN").message(b'D', &[b"Ss\0"]).bind("", "s").execute("", 0).execute("", 0).sync();
    assert_eq!(raw.send().await.until_ready().await, "3 1 t0 n 2 C[BEGIN] E[55000] ZE");
}

#[tokio::test]
async fn parameters_that_cannot_be_read_name_themselves() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(&server).await;
    raw.parse("s", "SELECT $1::int").sync().send().await.until_ready().await;
    raw.message(b'B', &[b"\0s\0\0\0\0\x01\0\0\0\x03abc\0\0"]).sync();
    assert_eq!(raw.send().await.until_ready().await, "E[22P02] ZI");
    raw.message(b'B', &[b"\0s\0\0\x01\0\x01\0\x01\0\0\0\x03abc\0\0"]).sync();
    assert_eq!(raw.send().await.until_ready().await, "E[22P03] ZI");
    raw.bind("", "s").sync();
    assert_eq!(raw.send().await.until_ready().await, "E[08P01] ZI");
}

#[tokio::test]
async fn broken_messages_are_errors_and_broken_frames_end_the_connection() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(&server).await;
    assert_eq!(raw.message(b'Q', &[b"no end"]).send().await.until_ready().await, "E[08P01] ZI");
    assert_eq!(raw.message(b'Q', &[b"\xff\0"]).send().await.until_ready().await, "E[22021] ZI");
    assert_eq!(raw.message(b'B', &[b"\0\0\0"]).sync().send().await.until_ready().await, "E[08P01] ZI");
    raw.message(b'Q', &[b"SELECT 1\0"]).out[1..5].copy_from_slice(&[0xff; 4]);
    assert_eq!(raw.send().await.read().await, "E[08P01]");
    assert!(raw.is_closed().await);
}

#[tokio::test]
async fn a_wrong_cancel_key_does_nothing() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(&server).await;
    let mut other = Raw::open(&server).await;
    other.packet(&[80_877_102_u32.to_be_bytes(), 1_u32.to_be_bytes(), 1_u32.to_be_bytes()].concat()).await;
    assert!(other.is_closed().await);
    assert_eq!(raw.query("SELECT 1").send().await.until_ready().await, "T D C[SELECT 1] ZI");
}

#[tokio::test]
async fn prepared_statements_are_dropped_by_name() {
    let server = Server::start().await;
    let mut raw = Raw::greeted(&server).await;
    raw.parse("s", "SELECT 1").sync().send().await.until_ready().await;
    assert_eq!(raw.query("DEALLOCATE s").send().await.until_ready().await, "C[DEALLOCATE] ZI");
    assert_eq!(raw.query("DEALLOCATE s").send().await.until_ready().await, "E[26000] ZI");
    raw.parse("s", "SELECT 1").sync().send().await.until_ready().await;
    assert_eq!(raw.query("DEALLOCATE ALL").send().await.until_ready().await, "C[DEALLOCATE ALL] ZI");
    assert_eq!(raw.bind("", "s").sync().send().await.until_ready().await, "E[26000] ZI");
}
