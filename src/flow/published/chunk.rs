//! A piece of a published answer: rows that never change, and which of them are still there.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use arrow::array::{BooleanArray, Int64Array, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::SchemaRef;

use super::index::{Indexes, Keys};
use crate::error::Result;
use crate::model::Changes;

/// Chunks of successive versions share their rows; what goes is only crossed out.
pub struct Chunk {
    rows: Arc<Rows>,
    /// `None`: all of them.
    alive: Option<BooleanBuffer>,
    /// How many are alive.
    count: usize,
}

struct Rows {
    changes: Changes,
    indexes: Indexes,
}

impl Chunk {
    /// Rows that are all there, each as often as its weight says.
    pub fn new(rows: Changes) -> Chunk {
        Chunk { count: rows.len(), rows: Arc::new(Rows { changes: rows, indexes: Indexes::default() }), alive: None }
    }

    /// Rows, whether they are alive or crossed out.
    pub fn places(&self) -> usize {
        self.changes().len()
    }

    fn changes(&self) -> &Changes {
        &self.rows.changes
    }

    /// Rows that are alive.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Memory, roughly.
    pub fn bytes(&self) -> usize {
        let weights = if self.changes().are_inserts() { 0 } else { self.places() * size_of::<i64>() };
        let indexes = self.rows.indexes.bytes();
        self.changes().rows().get_array_memory_size() + weights + indexes + self.alive.as_ref().map_or(0, |alive| alive.len() / 8)
    }

    pub fn is_alive(&self, row: usize) -> bool {
        self.alive.as_ref().is_none_or(|alive| alive.value(row))
    }

    /// The same without these rows, each of which is alive.
    pub fn without(&self, rows: &[u32]) -> Chunk {
        let mut alive = arrow::array::BooleanBufferBuilder::new(self.places());
        match &self.alive {
            Some(before) => alive.append_buffer(before),
            None => alive.append_n(self.places(), true),
        }
        for row in rows {
            alive.set_bit(*row as usize, false);
        }
        Chunk { rows: self.rows.clone(), alive: Some(alive.finish()), count: self.count - rows.len() }
    }

    /// The rows that are alive.
    pub fn living(&self) -> Result<Changes> {
        self.living_of(self.changes())
    }

    /// The rows that are alive, with these columns only, each as often as it is there.
    pub fn read(&self, columns: &[usize]) -> Result<RecordBatch> {
        let projected = self.changes().with_rows(self.changes().rows().project(columns)?);
        repeated(&self.living_of(&projected)?)
    }

    /// The same of the rows that may have one of the keys: all that have one are among them. Costs the rows found, once somebody has asked for
    /// such keys before.
    pub fn look_up(&self, keys: &Keys, columns: &[usize]) -> Result<Option<RecordBatch>> {
        let places = self.find(keys)?;
        if places.is_empty() { Ok(None) } else { self.take(&places, columns).map(Some) }
    }

    /// Where those rows are, each once.
    pub fn find(&self, keys: &Keys) -> Result<Vec<u32>> {
        let index = self.rows.indexes.get(keys.columns(), self.changes().rows())?;
        let mut places: Vec<u32> = index.candidates(keys).filter(|row| self.is_alive(*row as usize)).collect();
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// The rows at these places, with these columns only, each as often as it is there.
    pub fn take(&self, places: &[u32], columns: &[usize]) -> Result<RecordBatch> {
        let projected = self.changes().with_rows(self.changes().rows().project(columns)?);
        repeated(&projected.take(&places.to_vec().into())?)
    }

    /// How many rows that gives.
    pub fn repetitions(&self, places: &[u32]) -> usize {
        match self.changes().are_inserts() {
            true => places.len(),
            false => places.iter().map(|place| self.changes().weight(*place as usize).max(0) as usize).sum(),
        }
    }

    /// How many rows would have to be hashed to look for keys in these columns.
    pub fn rows_without_index(&self, columns: &[usize]) -> usize {
        if self.rows.indexes.has(columns) { 0 } else { self.places() }
    }

    fn living_of(&self, changes: &Changes) -> Result<Changes> {
        match &self.alive {
            Some(alive) => changes.filter(&BooleanArray::new(alive.clone(), None)),
            None => Ok(changes.clone()),
        }
    }

    fn crossed_out_since(&self, before: &Chunk) -> Result<Changes> {
        let all = || BooleanBuffer::new_set(self.places());
        let then = before.alive.clone().unwrap_or_else(all);
        let now = self.alive.clone().unwrap_or_else(all);
        let went = self.changes().filter(&BooleanArray::new(&then & &!&now, None))?.negated();
        let came = self.changes().filter(&BooleanArray::new(&now & &!&then, None))?;
        Changes::concat(&self.changes().schema(), &[went, came])
    }

    fn shares_rows(&self) -> *const Rows {
        Arc::as_ptr(&self.rows)
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} rows", self.count, self.places())
    }
}

/// With no more rows that may differ, two versions are compared at once, so that rows which were only moved cancel out.
const AT_ONCE_ROWS_MAX: usize = 200_000;

/// What has to happen to the rows of an old version so that they become those of a new one, in parts of a bounded size. Costs what is not shared.
///
/// All parts together are the difference; of a part alone it is only sure that no row goes that is not there.
pub struct Difference {
    schema: SchemaRef,
    parts: VecDeque<Part>,
    is_small: bool,
}

/// A chunk that only one of the versions has, or both with other rows alive.
enum Part {
    Came(Arc<Chunk>),
    Changed { before: Arc<Chunk>, after: Arc<Chunk> },
    Went(Arc<Chunk>),
}

impl Difference {
    pub fn new(schema: SchemaRef, old: &[Arc<Chunk>], new: &[Arc<Chunk>]) -> Difference {
        let mut left: HashMap<*const Rows, &Arc<Chunk>> = old.iter().map(|chunk| (chunk.shares_rows(), chunk)).collect();
        let (mut came, mut changed) = (VecDeque::new(), Vec::new());
        for chunk in new {
            match left.remove(&chunk.shares_rows()) {
                Some(same) if Arc::ptr_eq(same, chunk) => {}
                Some(before) => changed.push(Part::Changed { before: before.clone(), after: chunk.clone() }),
                None => came.push_back(Part::Came(chunk.clone())),
            }
        }
        // What was moved comes before it goes.
        let went = old.iter().filter(|chunk| left.contains_key(&chunk.shares_rows())).cloned().map(Part::Went);
        let parts: VecDeque<Part> = came.into_iter().chain(changed).chain(went).collect();
        let is_small = parts.iter().map(Part::rows).sum::<usize>() <= AT_ONCE_ROWS_MAX;
        Difference { schema, parts, is_small }
    }

    fn whole(&mut self) -> Result<Option<Changes>> {
        let parts = self.parts.drain(..).map(|part| part.changes()).collect::<Result<Vec<_>>>()?;
        let whole = Changes::concat(&self.schema, &parts)?.consolidated()?;
        Ok(Some(whole).filter(|whole| !whole.is_empty()))
    }
}

impl Iterator for Difference {
    type Item = Result<Changes>;

    fn next(&mut self) -> Option<Result<Changes>> {
        match self.is_small {
            true => self.whole().transpose(),
            false => self.parts.pop_front().map(|part| part.changes()),
        }
    }
}

impl Part {
    /// No more rows than these differ.
    fn rows(&self) -> usize {
        match self {
            Part::Came(chunk) | Part::Went(chunk) => chunk.count(),
            Part::Changed { after, .. } => after.places(),
        }
    }

    fn changes(&self) -> Result<Changes> {
        match self {
            Part::Came(chunk) => chunk.living(),
            Part::Changed { before, after } => after.crossed_out_since(before),
            Part::Went(chunk) => Ok(chunk.living()?.negated()),
        }
    }
}

/// Each row as often as it is there.
fn repeated(changes: &Changes) -> Result<RecordBatch> {
    if changes.are_inserts() {
        return Ok(changes.rows().clone());
    }
    let weights: Int64Array = changes.weights();
    let times = |row: u32| weights.value(row as usize).max(0) as usize;
    let places = (0..changes.len() as u32).flat_map(|row| std::iter::repeat_n(row, times(row)));
    Ok(arrow::compute::take_record_batch(changes.rows(), &arrow::array::UInt32Array::from_iter_values(places))?)
}
