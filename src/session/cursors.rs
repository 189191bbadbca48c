//! The cursors of a session: queries and subscriptions whose rows are fetched a few at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::Result as DataFusionResult;
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
pub struct Cursors(Arc<Mutex<Open>>);

#[derive(Default)]
struct Open {
    cursors: HashMap<Name, Declared>,
    /// So many were declared.
    count: u64,
}

/// What a cursor is declared to be.
pub struct Cursor {
    pub schema: SchemaRef,
    pub rows: SendableRecordBatchStream,
    /// Whether it outlives its transaction.
    pub hold: bool,
    /// Whether a transaction block is open that may yet be rolled back.
    pub in_block: bool,
    /// More may come at any time: what is fetched is what is there.
    pub is_endless: bool,
}

struct Declared {
    /// Which of all that were declared.
    number: u64,
    schema: SchemaRef,
    hold: bool,
    in_block: bool,
    is_endless: bool,
    /// `None` while a FETCH has it.
    unread: Option<Unread>,
}

struct Unread {
    rows: SendableRecordBatchStream,
    /// What was read and not fetched.
    rest: Option<RecordBatch>,
}

impl Cursors {
    /// Errors: 42P03 if the name is taken, 54000 if there are too many.
    pub fn check_room(&self, name: &Name) -> Result<()> {
        let open = self.0.lock();
        if open.cursors.contains_key(name) {
            return Err(Error::invalid(format!("cursor \"{name}\" already exists")).with_state(SqlState::DUPLICATE_CURSOR));
        }
        match open.cursors.len() < CURSORS_MAX {
            true => Ok(()),
            false => Err(Error::invalid(format!("a session has at most {CURSORS_MAX} cursors"))
                .with_state(SqlState::PROGRAM_LIMIT_EXCEEDED)
                .with_hint("CLOSE those that are not needed any more")),
        }
    }

    pub fn open(&self, name: Name, cursor: Cursor) {
        let mut open = self.0.lock();
        open.count += 1;
        let Cursor { schema, rows, hold, in_block, is_endless } = cursor;
        let unread = Some(Unread { rows, rest: None });
        let declared = Declared { number: open.count, schema, hold, in_block, is_endless, unread };
        open.cursors.insert(name, declared);
    }

    pub fn schema(&self, name: &Name) -> Result<SchemaRef> {
        self.0.lock().cursors.get(name).map(|cursor| cursor.schema.clone()).ok_or_else(|| unknown(name))
    }

    pub fn close(&self, name: &Name) -> Result<()> {
        self.0.lock().cursors.remove(name).map(drop).ok_or_else(|| unknown(name))
    }

    pub fn close_all(&self) {
        self.0.lock().cursors.clear();
    }

    /// A transaction was committed.
    pub fn commit(&self) {
        let mut open = self.0.lock();
        open.cursors.retain(|_, cursor| cursor.hold);
        open.cursors.values_mut().for_each(|cursor| cursor.in_block = false);
    }

    /// A transaction was rolled back, and with it what was declared in it.
    pub fn roll_back(&self) {
        self.0.lock().cursors.retain(|_, cursor| cursor.hold && !cursor.in_block);
    }

    /// The next rows. The cursor can be fetched from again when they are all read, or dropped.
    ///
    /// Errors: 34000 if there is none, 55000 while another FETCH is not at its end, 0A000 for a timeout where nothing is waited for.
    pub fn fetch(&self, name: &Name, count: FetchCount, timeout: Option<Duration>) -> Result<SendableRecordBatchStream> {
        let mut open = self.0.lock();
        let cursor = open.cursors.get_mut(name).ok_or_else(|| unknown(name))?;
        if timeout.is_some() && !cursor.is_endless {
            return Err(Error::unsupported("a timeout is not supported for the cursor of a query")
                .with_hint("it is for cursors of SUBSCRIBE, whose rows may be long in coming"));
        }
        let unread = cursor.unread.take().ok_or_else(|| {
            Error::state(format!("cursor \"{name}\" is being fetched from"))
                .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
                .with_hint("read or close the portal of the earlier FETCH first")
        })?;
        let columns = unread.rows.schema();
        let left = match count {
            FetchCount::Rows(rows) => rows,
            FetchCount::All => usize::MAX,
        };
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let waiting = match (cursor.is_endless, until) {
            (false, _) => Waiting::ToTheEnd,
            (true, Some(until)) => Waiting::Until(until),
            (true, None) => Waiting::ForTheFirst,
        };
        let fetching = Fetching { cursors: self.clone(), name: name.clone(), number: cursor.number, unread: Some(unread), left, waiting };
        let rows =
            futures::stream::try_unfold(fetching, |mut fetching| async move { Ok(fetching.next().await?.map(|batch| (batch, fetching))) });
        Ok(Box::pin(RecordBatchStreamAdapter::new(columns, rows)))
    }
}

fn unknown(name: &Name) -> Error {
    Error::undefined(format!("cursor \"{name}\" does not exist")).with_state(SqlState::INVALID_CURSOR_NAME)
}

/// A FETCH under way. It has what the cursor has yet to give.
struct Fetching {
    cursors: Cursors,
    name: Name,
    number: u64,
    unread: Option<Unread>,
    left: usize,
    waiting: Waiting,
}

/// For which rows that have yet to come a FETCH waits.
#[derive(Clone, Copy)]
enum Waiting {
    ToTheEnd,
    Until(Instant),
    ForTheFirst,
    ForNone,
}

impl Fetching {
    /// A cursor that has failed is closed: there is nothing that it could go on with.
    async fn next(&mut self) -> DataFusionResult<Option<RecordBatch>> {
        let Some(unread) = self.unread.as_mut().filter(|_| self.left > 0) else { return Ok(None) };
        let batch = match unread.rest.take() {
            Some(rest) => Some(Ok(rest)),
            None => match self.waiting {
                Waiting::ToTheEnd | Waiting::ForTheFirst => unread.rows.next().await,
                Waiting::Until(until) => timeout_at(until, unread.rows.next()).await.ok().flatten(),
                Waiting::ForNone => unread.rows.next().now_or_never().flatten(),
            },
        };
        let batch = match batch {
            None => return Ok(None),
            Some(Err(error)) => {
                self.unread = None;
                // Who asks for it again is told that it is gone.
                let _ = self.cursors.close(&self.name);
                return Err(error);
            }
            Some(Ok(batch)) => batch,
        };
        if let Waiting::ForTheFirst = self.waiting {
            self.waiting = Waiting::ForNone;
        }
        let given = batch.num_rows().min(self.left);
        if given < batch.num_rows() {
            unread.rest = Some(batch.slice(given, batch.num_rows() - given));
        }
        self.left -= given;
        if self.left == 0 {
            self.give_back();
        }
        Ok(Some(batch.slice(0, given)))
    }

    /// Unless the cursor was closed meanwhile.
    fn give_back(&mut self) {
        let Some(unread) = self.unread.take() else { return };
        let mut open = self.cursors.0.lock();
        if let Some(cursor) = open.cursors.get_mut(&self.name).filter(|cursor| cursor.number == self.number) {
            cursor.unread = Some(unread);
        }
    }
}

impl Drop for Fetching {
    fn drop(&mut self) {
        self.give_back();
    }
}
