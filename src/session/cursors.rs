//! The cursors of a session: queries and subscriptions whose rows are fetched a few at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Result, SqlState};
use crate::model::Name;
use crate::sql::FetchCount;

/// Each may hold memory and keep a query waiting.
const CURSORS_MAX: usize = 64;

#[derive(Clone, Default)]
pub struct Cursors(Arc<Mutex<HashMap<Name, Cursor>>>);

pub struct Cursor {
    pub schema: SchemaRef,
    pub rows: SendableRecordBatchStream,
    /// What was read and not fetched.
    pub rest: Option<RecordBatch>,
    /// Whether it outlives its transaction.
    pub hold: bool,
    /// More may come at any time: what is fetched is what is there.
    pub is_endless: bool,
}

impl Cursors {
    /// Errors: 42P03 if the name is taken, 54000 if there are too many.
    pub fn check_room(&self, name: &Name) -> Result<()> {
        let cursors = self.0.lock();
        if cursors.contains_key(name) {
            return Err(Error::invalid(format!("cursor \"{name}\" already exists")).with_state(SqlState::DUPLICATE_CURSOR));
        }
        match cursors.len() < CURSORS_MAX {
            true => Ok(()),
            false => Err(Error::invalid(format!("a session has at most {CURSORS_MAX} cursors"))
                .with_state(SqlState::PROGRAM_LIMIT_EXCEEDED)
                .with_hint("CLOSE those that are not needed any more")),
        }
    }

    pub fn open(&self, name: Name, cursor: Cursor) {
        self.0.lock().insert(name, cursor);
    }

    pub fn schema(&self, name: &Name) -> Result<SchemaRef> {
        self.0.lock().get(name).map(|cursor| cursor.schema.clone()).ok_or_else(|| unknown(name))
    }

    pub fn close(&self, name: &Name) -> Result<()> {
        self.0.lock().remove(name).map(drop).ok_or_else(|| unknown(name))
    }

    pub fn close_all(&self) {
        self.0.lock().clear();
    }

    /// A transaction has ended.
    pub fn close_unheld(&self) {
        self.0.lock().retain(|_, cursor| cursor.hold);
    }

    /// The next rows. The cursor is back when the stream is dropped.
    pub fn fetch(&self, name: &Name, count: FetchCount, timeout: Option<Duration>) -> Result<SendableRecordBatchStream> {
        let cursor = self.0.lock().remove(name).ok_or_else(|| unknown(name))?;
        let columns = cursor.rows.schema();
        let left = match count {
            FetchCount::Rows(rows) => rows,
            FetchCount::All => usize::MAX,
        };
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let fetching = Fetching { cursors: self.clone(), name: name.clone(), cursor: Some(cursor), left, until, has_some: false };
        let rows =
            futures::stream::try_unfold(fetching, |mut fetching| async move { Ok(fetching.next().await?.map(|batch| (batch, fetching))) });
        Ok(Box::pin(RecordBatchStreamAdapter::new(columns, rows)))
    }
}

fn unknown(name: &Name) -> Error {
    Error::undefined(format!("cursor \"{name}\" does not exist")).with_state(SqlState::INVALID_CURSOR_NAME)
}

/// A FETCH under way. It has the cursor.
struct Fetching {
    cursors: Cursors,
    name: Name,
    cursor: Option<Cursor>,
    left: usize,
    /// For how long rows that have yet to come are waited for. `None`: for the first of them.
    until: Option<Instant>,
    has_some: bool,
}

impl Fetching {
    async fn next(&mut self) -> datafusion::error::Result<Option<RecordBatch>> {
        let Some(cursor) = self.cursor.as_mut().filter(|_| self.left > 0) else { return Ok(None) };
        let batch = match cursor.rest.take() {
            Some(rest) => Some(rest),
            None => cursor.next(self.until, self.has_some).await.transpose()?,
        };
        let Some(batch) = batch else { return Ok(None) };
        let given = batch.num_rows().min(self.left);
        if given < batch.num_rows() {
            cursor.rest = Some(batch.slice(given, batch.num_rows() - given));
        }
        self.left -= given;
        self.has_some = true;
        Ok(Some(batch.slice(0, given)))
    }
}

impl Cursor {
    async fn next(&mut self, until: Option<Instant>, has_some: bool) -> Option<datafusion::error::Result<RecordBatch>> {
        match until {
            _ if !self.is_endless => self.rows.next().await,
            Some(until) => timeout_at(until, self.rows.next()).await.ok().flatten(),
            None if has_some => self.rows.next().now_or_never().flatten(),
            None => self.rows.next().await,
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        if let Some(cursor) = self.cursor.take() {
            self.cursors.open(self.name.clone(), cursor);
        }
    }
}
