//! The first rows of an order: ORDER BY … LIMIT … OFFSET, and row_number() up to a bound. A change costs its place in the order and the rows
//! that are shown. Where rows never go, those behind what is shown can never come to the front, and are forgotten.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::ordered::Ordered;
use crate::flow::engine::relation::Arrival;
use crate::flow::engine::state::State;
use crate::model::Changes;

pub struct First {
    rows: Ordered,
    skip: usize,
    fetch: usize,
    numbering: Numbering,
    arrival: Arrival,
    /// The first columns of the input, and the number where there is one.
    schema: SchemaRef,
}

/// Whether the result has the number of each row, from 1, as its last column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    Shown,
    Hidden,
}

/// What is ordered by what, and which rows of it are shown.
pub struct FirstSpec {
    pub input: SchemaRef,
    /// Each key has an order of its own.
    pub key: Vec<usize>,
    pub order: Vec<(usize, SortOptions)>,
    pub skip: usize,
    pub fetch: usize,
    pub numbering: Numbering,
    /// Of the input.
    pub arrival: Arrival,
    pub schema: SchemaRef,
}

/// Changes of what is shown: a row, its number where that is shown, and how often it came or went.
#[derive(Default)]
struct Told {
    rows: Vec<Box<[u8]>>,
    numbers: Vec<u64>,
    weights: Vec<i64>,
}

impl First {
    pub fn new(spec: FirstSpec) -> Result<First> {
        let FirstSpec { input, key, order, skip, fetch, numbering, arrival, schema } = spec;
        Ok(First { rows: Ordered::new(input, key, order)?, skip, fetch, numbering, arrival, schema })
    }

    /// The rows of a key that are shown, in order, and at which places.
    fn shown<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = (&'a [u8], Range<usize>)> + 'a {
        let end = self.skip.saturating_add(self.fetch);
        let mut next = 0;
        let placed = self.rows.rows_of(key).map_while(move |(row, weight)| {
            let places = next..next + weight as usize;
            next = places.end;
            (places.start < end).then_some((row, places))
        });
        let shown = placed.map(move |(row, places)| (row, places.start.max(self.skip)..places.end.min(end)));
        shown.filter(|(_, places)| !places.is_empty())
    }

    /// Tells how what is shown of a key differs from what was. Both are in order.
    fn compare(&self, before: Vec<(Box<[u8]>, Range<usize>)>, key: &[u8], told: &mut Told) {
        let mut before = before.into_iter().peekable();
        for (row, places) in self.shown(key) {
            while let Some((gone, were)) = before.next_if(|(known, _)| known.as_ref() < row) {
                self.tell(gone, were, 0..0, told);
            }
            match before.next_if(|(known, _)| known.as_ref() == row) {
                Some((_, were)) if were == places => {}
                Some((known, were)) => self.tell(known, were, places, told),
                None => self.tell(row.into(), 0..0, places, told),
            }
        }
        before.for_each(|(gone, were)| self.tell(gone, were, 0..0, told));
    }

    /// A row was at some places and is at others.
    fn tell(&self, row: Box<[u8]>, were: Range<usize>, are: Range<usize>, told: &mut Told) {
        if self.numbering == Numbering::Hidden {
            return match are.len() as i64 - were.len() as i64 {
                0 => {}
                weight => told.push(row, 0, weight),
            };
        }
        were.clone().filter(|place| !are.contains(place)).for_each(|place| told.push(row.clone(), place as u64 + 1, -1));
        are.filter(|place| !were.contains(place)).for_each(|place| told.push(row.clone(), place as u64 + 1, 1));
    }

    fn changes(&self, told: Told) -> Result<Changes> {
        let rows = self.rows.decode(told.rows.iter().map(AsRef::as_ref))?;
        let mut columns = rows.columns().to_vec();
        columns.truncate(self.schema.fields().len() - usize::from(self.numbering == Numbering::Shown));
        if self.numbering == Numbering::Shown {
            columns.push(Arc::new(UInt64Array::from(told.numbers)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(told.rows.len()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        Ok(Changes::new(rows, Int64Array::from(told.weights)))
    }
}

impl Told {
    fn push(&mut self, row: Box<[u8]>, number: u64, weight: i64) {
        self.rows.push(row);
        self.numbers.push(number);
        self.weights.push(weight);
    }
}

#[async_trait]
impl Operator for First {
    async fn tick(&mut self, inputs: &[Changes], _: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("an order has one input") };
        let count = self.skip.saturating_add(self.fetch);
        let entering = match self.arrival {
            Arrival::AppendOnly => self.rows.entering_first(input, count)?,
            Arrival::Changing => self.rows.entering(input)?,
        };
        let shown = |key: &[u8]| self.shown(key).map(|(row, places)| (row.into(), places)).collect();
        let before: Vec<Vec<_>> = entering.keys.iter().map(|key| shown(key)).collect();
        match self.arrival {
            Arrival::AppendOnly => self.rows.update_first(&entering, count)?,
            Arrival::Changing => self.rows.update_entering(&entering)?,
        }
        let mut told = Told::default();
        entering.keys.iter().zip(before).for_each(|(key, before)| self.compare(before, key, &mut told));
        self.changes(told)
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("rows".to_string(), &mut self.rows)]
    }
}
