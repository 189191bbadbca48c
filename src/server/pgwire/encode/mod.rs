//! Arrow → DataRow. For each column of a batch the writer for its type is chosen once; then rows are written cell by cell
//! straight into the connection's buffer, in the format (text or binary) that the client asked for.

mod batch;
mod binary;
mod canonical;
mod json;
mod list;
mod number;
mod text;
mod time;

#[cfg(test)]
mod tests;

use bytes::BytesMut;

use crate::error::Result;

pub use batch::BatchEncoder;
pub use time::{EPOCH_2000_DAYS, EPOCH_2000_MICROS};

/// How a value travels: PostgreSQL's format codes 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Binary,
}

/// Writes the values of one column of one batch.
trait Cell: Send + Sync {
    /// Appends the value in `row`, which is not NULL. No length: the caller knows how values are framed. May leave a part of
    /// the value behind when it fails.
    fn write(&self, row: usize, out: &mut BytesMut) -> Result<()>;
}

/// A cell made of an array and the function that writes one of its values.
struct With<A, F> {
    array: A,
    write: F,
}

impl<A, F> Cell for With<A, F>
where
    A: Send + Sync,
    F: Fn(&A, usize, &mut BytesMut) -> Result<()> + Send + Sync,
{
    fn write(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        (self.write)(&self.array, row, out)
    }
}

fn with<A, F>(array: A, write: F) -> Box<dyn Cell>
where
    A: Send + Sync + 'static,
    F: Fn(&A, usize, &mut BytesMut) -> Result<()> + Send + Sync + 'static,
{
    Box::new(With { array, write })
}
