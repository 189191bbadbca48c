//! A result on its way: pulled batch by batch, written row by row, never faster than the client reads.

use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use super::encode::{BatchEncoder, Format};
use super::interrupt::{Interrupts, Stop};
use super::socket::{OUTBOUND_BYTES_FLUSH, Socket};
use crate::session::ENDLESS;

/// The rows of a statement that are not sent yet. Dropping it stops the query.
pub struct Rows {
    stream: SendableRecordBatchStream,
    formats: Vec<Format>,
    batch: Option<BatchEncoder>,
    pub tag: &'static str,
}

/// How a call of `send` ended.
pub enum Sent {
    /// There are no more rows.
    All { rows: u64 },
    /// The limit was reached; there may be more.
    Limit,
}

impl Rows {
    pub fn new(stream: SendableRecordBatchStream, formats: Vec<Format>, tag: &'static str) -> Rows {
        Rows { stream, formats, batch: None, tag }
    }

    /// Sends up to `rows_max` rows. The last ones may be in the socket's buffer still.
    pub async fn send(&mut self, socket: &mut Socket, interrupts: &Interrupts, rows_max: Option<usize>) -> Result<Sent, Stop> {
        let mut left = rows_max.unwrap_or(usize::MAX);
        let mut sent = 0;
        while left > 0 {
            let Some(batch) = self.batch(socket, interrupts).await? else {
                return Ok(Sent::All { rows: sent });
            };
            let written = batch.write(socket.outbound(), left, OUTBOUND_BYTES_FLUSH)?;
            sent += written as u64;
            left -= written;
            if socket.wants_flush() {
                interrupts.flush(socket).await?;
            }
        }
        Ok(Sent::Limit)
    }

    /// The batch that has unsent rows, pulled if there is none. `None` at the end.
    async fn batch(&mut self, socket: &mut Socket, interrupts: &Interrupts) -> Result<Option<&mut BatchEncoder>, Stop> {
        while self.batch.as_ref().is_none_or(BatchEncoder::is_finished) {
            let next = async { Ok(self.stream.next().await.transpose()?) };
            let next = match self.tag {
                ENDLESS => interrupts.run_endless(socket, next).await?,
                _ => interrupts.run(socket, next).await?,
            };
            match next {
                Some(batch) => self.batch = Some(BatchEncoder::new(&batch, &self.formats)?),
                None => {
                    self.batch = None;
                    return Ok(None);
                }
            }
        }
        Ok(self.batch.as_mut())
    }
}
