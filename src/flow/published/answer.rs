//! The answer of a view as its job writes it: chunks that readers share, and where each row stands in them.
//!
//! A tick costs what it changes: rows that come make a new chunk, rows that go are crossed out in a copy of their chunk's bits. Small chunks
//! are merged, two of like size at a time, and chunks of which half is crossed out are written anew, so that each row is moved a number of
//! times that grows with the logarithm of a chunk's size.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::UInt32Array;
use arrow::datatypes::SchemaRef;

use super::chunk::Chunk;
use crate::error::Result;
use crate::flow::engine::{Arrangement, Became, RowNumber, State};
use crate::model::Changes;

/// Crossing out one row copies as many bits.
const CHUNK_ROWS_MAX: usize = 16_384;

pub struct Answer {
    rows: Arrangement,
    /// By row number.
    places: Vec<Place>,
    chunks: Vec<Option<Open>>,
    /// Numbers of chunks that are not used.
    free: Vec<usize>,
    /// Chunks that may be merged, the older and larger first.
    small: Vec<usize>,
    /// Of all rows, the sum of the weights.
    count: i64,
    /// Rows that were put into chunks, since this was made.
    written: u64,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    chunk: usize,
    row: u32,
}

/// A chunk and the numbers of its rows.
struct Open {
    chunk: Arc<Chunk>,
    numbers: Vec<RowNumber>,
}

impl Answer {
    pub fn new(schema: SchemaRef) -> Result<Answer> {
        Ok(Answer {
            rows: Arrangement::new(schema, vec![])?,
            places: vec![],
            chunks: vec![],
            free: vec![],
            small: vec![],
            count: 0,
            written: 0,
        })
    }

    pub fn schema(&self) -> &SchemaRef {
        self.rows.schema()
    }

    /// How many rows a query sees.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// How many rows were put into chunks since this was made, also those that were only moved.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Memory, roughly: the rows by their bytes and once more in chunks, and where each stands.
    pub fn bytes(&self) -> usize {
        let of_chunk = |open: &Open| open.chunk.bytes() + std::mem::size_of_val(&open.numbers[..]);
        let chunks: usize = self.chunks.iter().flatten().map(of_chunk).sum();
        State::bytes(&self.rows) + std::mem::size_of_val(&self.places[..]) + chunks
    }

    /// What a reader of this moment is given.
    pub fn chunks(&self) -> Vec<Arc<Chunk>> {
        self.chunks.iter().flatten().map(|open| open.chunk.clone()).collect()
    }

    /// Takes in what changed in a tick. `changes` are consolidated.
    pub fn apply(&mut self, changes: &Changes) -> Result<()> {
        let mut came: Vec<(u32, RowNumber)> = Vec::new();
        let mut left: Vec<RowNumber> = Vec::new();
        self.rows.update(changes, |row, number, became| match became {
            Became::New => came.push((row as u32, number)),
            Became::Gone => left.push(number),
            Became::Kept => {
                left.push(number);
                came.push((row as u32, number));
            }
        })?;
        self.count += (0..changes.len()).map(|row| changes.weight(row)).sum::<i64>();
        self.cross_out(&left);
        for part in came.chunks(CHUNK_ROWS_MAX) {
            let places = UInt32Array::from_iter_values(part.iter().map(|(row, _)| *row));
            let rows = arrow::compute::take_record_batch(changes.rows(), &places)?;
            let numbers: Vec<RowNumber> = part.iter().map(|(_, number)| *number).collect();
            self.add(self.with_weights(rows, &numbers), numbers);
        }
        self.tidy()
    }

    /// What was saved of it, for the epoch protocol.
    pub fn state(&mut self) -> &mut dyn State {
        &mut self.rows
    }

    /// Takes in a part of what was saved. Nothing of it counts as changed.
    pub fn restore(&mut self, saved: &Changes) -> Result<()> {
        self.apply(&saved.consolidated()?)?;
        self.rows.take_changes()?;
        Ok(())
    }

    fn with_weights(&self, rows: arrow::array::RecordBatch, numbers: &[RowNumber]) -> Changes {
        let weights: Vec<i64> = numbers.iter().map(|number| self.rows.weight(*number)).collect();
        match weights.iter().all(|weight| *weight == 1) {
            true => Changes::inserted(rows),
            false => Changes::new(rows, weights.into()),
        }
    }

    fn add(&mut self, rows: Changes, numbers: Vec<RowNumber>) {
        let number = self.free.pop().unwrap_or_else(|| {
            self.chunks.push(None);
            self.chunks.len() - 1
        });
        if self.places.len() < self.rows.row_numbers() {
            self.places.resize(self.rows.row_numbers(), Place { chunk: 0, row: 0 });
        }
        for (row, of) in numbers.iter().enumerate() {
            self.places[of.0 as usize] = Place { chunk: number, row: row as u32 };
        }
        if rows.len() < CHUNK_ROWS_MAX / 2 {
            self.small.push(number);
        }
        self.written += rows.len() as u64;
        self.chunks[number] = Some(Open { chunk: Arc::new(Chunk::new(rows)), numbers });
    }

    fn cross_out(&mut self, gone: &[RowNumber]) {
        let mut by_chunk: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        for number in gone {
            let place = self.places[number.0 as usize];
            by_chunk.entry(place.chunk).or_default().push(place.row);
        }
        for (chunk, rows) in by_chunk {
            if let Some(open) = &mut self.chunks[chunk] {
                open.chunk = Arc::new(open.chunk.without(&rows));
            }
        }
    }

    /// Merges and rewrites until no chunk is too empty, and no two small ones are of a size.
    fn tidy(&mut self) -> Result<()> {
        let is_hollow = |open: &Open| open.chunk.count() * 2 < open.chunk.places();
        let hollow: Vec<usize> = (0..self.chunks.len()).filter(|chunk| self.chunks[*chunk].as_ref().is_some_and(is_hollow)).collect();
        for chunk in hollow {
            self.rewrite(&[chunk])?;
        }
        while let [.., older, newer] = self.small[..] {
            let count = |chunk: usize| self.chunks[chunk].as_ref().map_or(0, |open| open.chunk.count());
            if count(older) > 2 * count(newer) {
                break;
            }
            self.rewrite(&[older, newer])?;
        }
        Ok(())
    }

    /// Makes one new chunk of what is alive in these.
    fn rewrite(&mut self, chunks: &[usize]) -> Result<()> {
        self.small.retain(|chunk| !chunks.contains(chunk));
        let (mut rows, mut numbers) = (Vec::new(), Vec::new());
        for chunk in chunks {
            let Some(open) = self.chunks[*chunk].take() else { continue };
            self.free.push(*chunk);
            rows.push(open.chunk.living()?);
            let living = open.numbers.iter().enumerate().filter(|(row, _)| open.chunk.is_alive(*row));
            numbers.extend(living.map(|(_, number)| *number));
        }
        if !numbers.is_empty() {
            self.add(Changes::concat(self.schema(), &rows)?, numbers);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
    use arrow::datatypes::Int64Type;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::super::chunk::Difference;
    use super::*;

    fn changes(pairs: &[(i64, i64)]) -> Changes {
        let column = Arc::new(Int64Array::from_iter_values(pairs.iter().map(|(value, _)| *value))) as ArrayRef;
        let rows = RecordBatch::try_from_iter([("a", column)]).unwrap();
        Changes::new(rows, pairs.iter().map(|(_, weight)| Some(*weight)).collect()).consolidated().unwrap()
    }

    fn read(chunks: &[Arc<Chunk>]) -> Vec<i64> {
        let of = |chunk: &Arc<Chunk>| chunk.read(&[0]).unwrap().column(0).as_primitive::<Int64Type>().values().to_vec();
        let mut all: Vec<i64> = chunks.iter().flat_map(of).collect();
        all.sort();
        all
    }

    #[test]
    fn every_version_stays_what_it_was_and_differences_lead_from_one_to_the_next() {
        let seed = 11;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut answer = Answer::new(changes(&[]).schema()).unwrap();
        let mut expected: BTreeMap<i64, i64> = BTreeMap::new();
        let mut versions: Vec<(Vec<Arc<Chunk>>, Vec<i64>)> = vec![];
        for _ in 0..300 {
            let mut tick: BTreeMap<i64, i64> = BTreeMap::new();
            for _ in 0..random.next_u64() % 200 {
                let value = (random.next_u64() % 2000) as i64;
                let there = expected.get(&value).copied().unwrap_or(0) + tick.get(&value).copied().unwrap_or(0);
                let weight = if there > 0 && random.next_u64() % 2 == 0 { -1 } else { 1 };
                *tick.entry(value).or_default() += weight;
            }
            for (value, weight) in &tick {
                *expected.entry(*value).or_default() += weight;
            }
            answer.apply(&changes(&tick.into_iter().collect::<Vec<_>>())).unwrap();
            let rows: Vec<i64> = expected.iter().flat_map(|(value, weight)| std::iter::repeat_n(*value, *weight as usize)).collect();
            assert_eq!(answer.count(), rows.len() as i64, "seed {seed}");
            versions.push((answer.chunks(), rows));
        }
        let schema = answer.schema().clone();
        for (chunks, rows) in &versions {
            assert_eq!(read(chunks), *rows, "seed {seed}");
        }
        for pair in [(0, 1), (10, 11), (0, 299), (299, 0), (150, 20)] {
            let (old, new) = (&versions[pair.0], &versions[pair.1]);
            let mut led = Answer::new(schema.clone()).unwrap();
            let difference =
                |old: &[Arc<Chunk>], new: &[Arc<Chunk>]| Difference::new(schema.clone(), old, new).collect::<Result<Vec<_>>>().unwrap();
            for changes in [difference(&[], &old.0), difference(&old.0, &new.0)].concat() {
                led.restore(&changes).unwrap();
            }
            assert_eq!(read(&led.chunks()), new.1, "seed {seed}, from {} to {}", pair.0, pair.1);
        }
        assert!(answer.chunks().len() < 30, "small chunks are merged: {}", answer.chunks().len());
    }
}
