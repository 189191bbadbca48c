//! A client's socket with a buffer on each side. Messages are gathered and sent together.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::interrupt::Stop;
use crate::error::{Error, SqlState};

/// When the buffer holds this much, it is sent before more is written into it.
pub const OUTBOUND_BYTES_FLUSH: usize = 64 << 10;
/// A buffer that one large row made larger than this is given back.
const OUTBOUND_BYTES_KEPT: usize = 1 << 20;
/// How much of what a client sends ahead is read while it waits for an answer.
const READ_AHEAD_BYTES_MAX: usize = 1 << 20;
/// How long answers wait for more to send with them, while work goes on.
const GATHER_MS: u64 = 10;
const MESSAGE_BYTES_MAX: usize = 256 << 20;
/// The protocol's limit for the first packets.
const STARTUP_PACKET_BYTES_MAX: usize = 10_000;

pub struct Socket {
    stream: TcpStream,
    inbound: BytesMut,
    outbound: BytesMut,
}

/// A message of the client, without its length.
pub struct Frame {
    pub kind: u8,
    pub body: Bytes,
}

impl Socket {
    pub fn new(stream: TcpStream) -> Socket {
        Socket { stream, inbound: BytesMut::new(), outbound: BytesMut::new() }
    }

    /// Waits for a message. `Gone` when the client has left. Can be dropped and called again.
    pub async fn receive(&mut self) -> Result<Frame, Stop> {
        loop {
            if let Some(frame) = self.buffered_frame()? {
                return Ok(frame);
            }
            self.read().await?;
        }
    }

    /// Waits for one of the packets that come before the greeting, which have no type. The packet includes its length.
    pub async fn receive_startup_packet(&mut self) -> Result<BytesMut, Stop> {
        loop {
            if self.inbound.len() >= 4 {
                let length = (&self.inbound[..4]).get_u32() as usize;
                if !(8..=STARTUP_PACKET_BYTES_MAX).contains(&length) {
                    return Err(Stop::Fatal(protocol_error("invalid length of startup packet")));
                }
                if self.inbound.len() >= length {
                    return Ok(self.inbound.split_to(length));
                }
            }
            self.read().await?;
        }
    }

    /// The client's next message, if it is here already.
    fn buffered_frame(&mut self) -> Result<Option<Frame>, Stop> {
        if self.inbound.len() < 5 {
            return Ok(None);
        }
        let length = (&self.inbound[1..5]).get_u32() as usize;
        if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
            return Err(Stop::Fatal(
                protocol_error("invalid message length").with_detail(format!("a message may have {MESSAGE_BYTES_MAX} bytes")),
            ));
        }
        if self.inbound.len() < length + 1 {
            self.inbound.reserve(length + 1 - self.inbound.len());
            return Ok(None);
        }
        let kind = self.inbound.get_u8();
        let body = self.inbound.split_to(length).freeze().slice(4..);
        Ok(Some(Frame { kind, body }))
    }

    async fn read(&mut self) -> Result<(), Stop> {
        match self.stream.read_buf(&mut self.inbound).await? {
            0 => Err(Stop::Gone),
            _ => Ok(()),
        }
    }

    /// What to do while the client waits: send what has been gathered, and see whether it is still there. Returns when it is
    /// not. Can be dropped at any time.
    pub async fn attend(&mut self) {
        if !self.outbound.is_empty() {
            tokio::time::sleep(Duration::from_millis(GATHER_MS)).await;
            if self.flush().await.is_err() {
                return;
            }
        }
        while self.inbound.len() < READ_AHEAD_BYTES_MAX {
            if self.read().await.is_err() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Puts a message into the buffer.
    pub fn put(&mut self, message: PgWireBackendMessage) -> Result<(), Stop> {
        let start = self.outbound.len();
        message.encode(&mut self.outbound).map_err(|error| {
            self.outbound.truncate(start);
            Stop::Fatal(Error::internal("a message cannot be sent").with_cause(error))
        })
    }

    /// The buffer itself, for those who write messages into it without a detour.
    pub fn outbound(&mut self) -> &mut BytesMut {
        &mut self.outbound
    }

    pub fn wants_flush(&self) -> bool {
        self.outbound.len() >= OUTBOUND_BYTES_FLUSH
    }

    /// Sends the buffer. Dropped half-way, it has sent the first part and keeps the rest.
    pub async fn flush(&mut self) -> io::Result<()> {
        while !self.outbound.is_empty() {
            if self.stream.write_buf(&mut self.outbound).await? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        if self.outbound.capacity() > OUTBOUND_BYTES_KEPT {
            self.outbound = BytesMut::new();
        }
        Ok(())
    }

    pub async fn close(mut self) {
        // The client may have closed first; then there is nobody to say goodbye to.
        let _ = self.stream.shutdown().await;
    }
}

pub fn protocol_error(message: &str) -> Error {
    Error::invalid(message).with_state(SqlState::PROTOCOL_VIOLATION)
}
