//! Rows that only come. They lie in columns, as they came, and a row's number is how many came before it: nothing is encoded, compared or
//! looked up to store one, and to give rows out is to copy columns.
//!
//! Rows with a time can be forgotten, the oldest chunks first: a row's key names its newest row, each row an older one, and whoever comes to a
//! forgotten row has seen all there are.

use std::collections::VecDeque;

use arrow::array::{Array, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow::compute::{concat_batches, interleave_record_batch, max};
use arrow::datatypes::SchemaRef;

use super::{NONE, RowNumber};
use crate::error::{Error, Result};
use crate::flow::engine::interner::Number;
use crate::flow::engine::operators::as_integers;
use crate::model::Changes;

/// Chunks grow by joining their neighbours until they have so many rows: each row is copied a few times, and never with all the others.
const CHUNK_ROWS_MAX: usize = 1 << 16;
/// The same where rows are forgotten, a chunk at a time.
const PASSING_ROWS_MAX: usize = 1 << 12;
/// When so many rows were forgotten, numbers begin again.
const FORGOTTEN_MAX: Number = 1 << 31;

pub struct Appended {
    schema: SchemaRef,
    /// What says when a row may be forgotten.
    time: Option<Time>,
    chunks: VecDeque<Chunk>,
    /// The first row that is not forgotten.
    first: Number,
    /// By row, from the first on: the next of its key.
    next: VecDeque<Number>,
    /// The first row that was not saved.
    unsaved: Number,
    /// Of the chunks.
    bytes: usize,
}

/// The time of rows: a column, and the one that it is computed from. Where that is null, a row meets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    pub column: usize,
    pub of: usize,
}

struct Chunk {
    rows: RecordBatch,
    /// The number of its first row.
    start: Number,
    /// The latest time in it.
    latest: i64,
}

impl Appended {
    pub fn new(schema: SchemaRef, time: Option<Time>) -> Appended {
        Appended { schema, time, chunks: VecDeque::new(), first: 0, next: VecDeque::new(), unsaved: 0, bytes: 0 }
    }

    /// `keys` has the key of each change, `heads` the newest row of each key. `tell` hears the number of each row; a row that comes several
    /// times has as many numbers.
    pub fn append(&mut self, changes: &Changes, keys: &[Number], heads: &mut [Number], mut tell: impl FnMut(usize, Number)) -> Result<()> {
        if !changes.are_inserts() && (0..changes.len()).any(|row| changes.weight(row) < 0) {
            return Err(Error::internal("a row went from an input that only grows"));
        }
        let rows = changes.repeated()?;
        if self.end() as usize + rows.num_rows() >= NONE as usize {
            return Err(Error::data("a query cannot remember more than 4 billion rows in one place"));
        }
        self.add_chunk(rows)?;
        for (row, key) in keys.iter().enumerate() {
            for _ in 0..changes.weight(row) {
                let number = self.end();
                self.next.push_back(std::mem::replace(&mut heads[*key as usize], number));
                tell(row, number);
            }
        }
        Ok(())
    }

    /// The next row of the same key, `NONE` after the last.
    pub fn next(&self, row: Number) -> Number {
        let next = self.next[(row - self.first) as usize];
        if next < self.first { NONE } else { next }
    }

    pub fn len(&self) -> usize {
        self.next.len()
    }

    pub fn numbers(&self) -> impl Iterator<Item = Number> + '_ {
        self.first..self.end()
    }

    /// One more than the largest number.
    pub fn end(&self) -> Number {
        self.first + self.next.len() as Number
    }

    /// These rows, in this order.
    pub fn take(&self, rows: &[RowNumber]) -> Result<RecordBatch> {
        if rows.is_empty() || self.schema.fields().is_empty() {
            return self.without_columns(rows.len());
        }
        let mut places = Vec::with_capacity(rows.len());
        // Of many chunks, those that have some of the rows.
        let mut used: Vec<&RecordBatch> = Vec::new();
        let mut used_as = vec![usize::MAX; self.chunks.len()];
        for row in rows {
            let place = self.chunks.partition_point(|chunk| chunk.start <= row.0) - 1;
            let chunk = &self.chunks[place];
            if used_as[place] == usize::MAX {
                used_as[place] = used.len();
                used.push(&chunk.rows);
            }
            places.push((used_as[place], (row.0 - chunk.start) as usize));
        }
        Ok(interleave_record_batch(&used, &places)?)
    }

    pub fn all(&self) -> Result<Changes> {
        self.since(self.first)
    }

    /// All rows from this one on.
    fn since(&self, first: Number) -> Result<Changes> {
        let rest = |chunk: &Chunk| {
            let skipped = (first.saturating_sub(chunk.start) as usize).min(chunk.rows.num_rows());
            chunk.rows.slice(skipped, chunk.rows.num_rows() - skipped)
        };
        let parts: Vec<RecordBatch> = self.chunks.iter().map(rest).filter(|part| part.num_rows() > 0).collect();
        Ok(Changes::inserted(match parts.as_slice() {
            [only] => only.clone(),
            parts => self.joined(parts)?,
        }))
    }

    /// The rows that came since this was called before.
    pub fn take_unsaved(&mut self) -> Result<Changes> {
        let unsaved = self.since(self.unsaved)?;
        self.all_saved();
        Ok(unsaved)
    }

    pub fn all_saved(&mut self) {
        self.unsaved = self.end();
    }

    /// Forgets the oldest rows, as long as whole chunks of them are before `bound`. Returns them.
    pub fn forget_before(&mut self, bound: i64) -> Vec<RecordBatch> {
        let mut forgotten = vec![];
        while let Some(chunk) = self.chunks.pop_front_if(|chunk| chunk.latest < bound) {
            self.first += chunk.rows.num_rows() as Number;
            self.next.drain(..chunk.rows.num_rows());
            self.bytes -= memory_of(&chunk.rows);
            forgotten.push(chunk.rows);
        }
        self.unsaved = self.unsaved.max(self.first);
        forgotten
    }

    /// Whether the row is one of those that were forgotten.
    pub fn is_forgotten(&self, row: Number) -> bool {
        row < self.first
    }

    /// Gives the rows lower numbers where those that were forgotten have used up many. `heads` follows.
    pub fn renumber(&mut self, heads: &mut [Number]) {
        let by = self.first;
        if by < FORGOTTEN_MAX {
            return;
        }
        let lower = |number: &mut Number| *number = if *number == NONE { NONE } else { number.checked_sub(by).unwrap_or(NONE) };
        heads.iter_mut().for_each(lower);
        self.next.iter_mut().for_each(lower);
        self.chunks.iter_mut().for_each(|chunk| chunk.start -= by);
        self.unsaved -= by;
        self.first = 0;
    }

    pub fn bytes(&self) -> usize {
        self.bytes + self.next.capacity() * size_of::<Number>()
    }

    fn add_chunk(&mut self, rows: RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        let rows_max = if self.time.is_some() { PASSING_ROWS_MAX } else { CHUNK_ROWS_MAX };
        let (mut start, mut count) = (self.end(), rows.num_rows());
        let mut latest = self.latest(&rows)?;
        let mut parts = vec![rows];
        // Like a binary counter: a chunk that is not larger than what comes after it joins it.
        while let Some(last) = self.chunks.pop_back_if(|last| last.rows.num_rows() <= count && last.rows.num_rows() + count <= rows_max) {
            count += last.rows.num_rows();
            latest = latest.max(last.latest);
            start = last.start;
            self.bytes -= memory_of(&last.rows);
            parts.push(last.rows);
        }
        parts.reverse();
        let rows = match parts.as_slice() {
            [only] if !holds_more(only) && !self.schema.fields().is_empty() => {
                RecordBatch::try_new(self.schema.clone(), only.columns().to_vec())?
            }
            parts => self.joined(parts)?,
        };
        self.bytes += memory_of(&rows);
        self.chunks.push_back(Chunk { rows, start, latest });
        Ok(())
    }

    /// A row that meets nothing may be forgotten at once. A time that could not be computed, for it is too far away, does not come.
    fn latest(&self, rows: &RecordBatch) -> Result<i64> {
        let Some(time) = self.time else { return Ok(i64::MAX) };
        let times = rows.column(time.column);
        match times.null_count() > rows.column(time.of).null_count() {
            true => Ok(i64::MAX),
            false => Ok(max(&as_integers(times)?).unwrap_or(i64::MIN)),
        }
    }

    fn joined(&self, parts: &[RecordBatch]) -> Result<RecordBatch> {
        match self.schema.fields().is_empty() {
            true => self.without_columns(parts.iter().map(RecordBatch::num_rows).sum()),
            false => Ok(concat_batches(&self.schema, parts)?),
        }
    }

    /// No rows, or rows of nothing.
    fn without_columns(&self, rows: usize) -> Result<RecordBatch> {
        let columns = self.schema.fields().iter().map(|field| new_empty_array(field.data_type())).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

/// Whether much of the memory that a batch keeps alive is not its own: it is a piece of a larger one.
fn holds_more(rows: &RecordBatch) -> bool {
    let own = |column: &dyn Array| column.to_data().get_slice_memory_size().unwrap_or(0);
    let own: usize = rows.columns().iter().map(|column| own(column.as_ref())).sum();
    memory_of(rows) > 2 * own + rows.num_columns() * 256
}

fn memory_of(rows: &RecordBatch) -> usize {
    rows.columns().iter().map(|column| column.get_buffer_memory_size()).sum()
}
