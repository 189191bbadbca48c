//! A piece of a published answer: rows that never change, and which of them are still there.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, Int64Array, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::SchemaRef;

use crate::error::Result;
use crate::model::Changes;

/// Chunks of successive versions share their rows; what goes is only crossed out.
#[derive(Debug)]
pub struct Chunk {
    rows: Arc<Changes>,
    /// `None`: all of them.
    alive: Option<BooleanBuffer>,
    /// How many are alive.
    count: usize,
}

impl Chunk {
    /// Rows that are all there, each as often as its weight says.
    pub fn new(rows: Changes) -> Chunk {
        Chunk { count: rows.len(), rows: Arc::new(rows), alive: None }
    }

    /// Rows, whether they are alive or crossed out.
    pub fn places(&self) -> usize {
        self.rows.len()
    }

    /// Rows that are alive.
    pub fn count(&self) -> usize {
        self.count
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
        match &self.alive {
            Some(alive) => self.rows.filter(&BooleanArray::new(alive.clone(), None)),
            None => Ok(self.rows.as_ref().clone()),
        }
    }

    /// The rows that are alive, with these columns only, each as often as it is there.
    pub fn read(&self, columns: &[usize]) -> Result<RecordBatch> {
        let projected = self.rows.with_rows(self.rows.rows().project(columns)?);
        let living = Chunk { rows: Arc::new(projected), alive: self.alive.clone(), count: self.count }.living()?;
        repeated(&living)
    }

    fn crossed_out_since(&self, before: &Chunk) -> Result<Changes> {
        let all = || BooleanBuffer::new_set(self.places());
        let then = before.alive.clone().unwrap_or_else(all);
        let now = self.alive.clone().unwrap_or_else(all);
        let went = self.rows.filter(&BooleanArray::new(&then & &!&now, None))?.negated();
        let came = self.rows.filter(&BooleanArray::new(&now & &!&then, None))?;
        Changes::concat(&self.rows.schema(), &[went, came])
    }

    fn shares_rows(&self) -> *const Changes {
        Arc::as_ptr(&self.rows)
    }
}

/// What has to happen to the rows of `old` so that they become those of `new`. Costs what is not shared.
pub fn difference(schema: &SchemaRef, old: &[Arc<Chunk>], new: &[Arc<Chunk>]) -> Result<Changes> {
    let mut left: HashMap<*const Changes, &Arc<Chunk>> = old.iter().map(|chunk| (chunk.shares_rows(), chunk)).collect();
    let mut changes = Vec::new();
    for chunk in new {
        match left.remove(&chunk.shares_rows()) {
            Some(same) if Arc::ptr_eq(same, chunk) => {}
            Some(before) => changes.push(chunk.crossed_out_since(before)?),
            None => changes.push(chunk.living()?),
        }
    }
    for chunk in left.into_values() {
        changes.push(chunk.living()?.negated());
    }
    Changes::concat(schema, &changes)?.consolidated()
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
