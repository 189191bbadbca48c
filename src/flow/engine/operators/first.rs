//! The first rows of an order: ORDER BY … LIMIT … OFFSET, and row_number() up to a bound. A change costs its place in the order and the rows
//! that are shown. Where rows never go, those behind what is shown can never come to the front, and are forgotten.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, RecordBatchOptions, UInt64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::ordered::{Keys, Ordered};
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

/// A row and its number, 0 where nobody asks for it.
type Shown = HashMap<(Box<[u8]>, u64), i64, foldhash::fast::RandomState>;

impl First {
    pub fn new(spec: FirstSpec) -> Result<First> {
        let FirstSpec { input, key, order, skip, fetch, numbering, arrival, schema } = spec;
        Ok(First { rows: Ordered::new(input, key, order)?, skip, fetch, numbering, arrival, schema })
    }

    /// Adds what is shown of these keys.
    fn show(&self, keys: &Keys, sign: i64, shown: &mut Shown) {
        for key in keys {
            let mut place = 0;
            for (row, weight) in self.rows.rows_of(key) {
                let places = place.max(self.skip)..(place + weight as usize).min(self.skip + self.fetch);
                match self.numbering {
                    Numbering::Shown => places.for_each(|place| *shown.entry((row.into(), place as u64 + 1)).or_default() += sign),
                    Numbering::Hidden if places.is_empty() => {}
                    Numbering::Hidden => *shown.entry((row.into(), 0)).or_default() += sign * places.len() as i64,
                }
                place += weight as usize;
                if place >= self.skip + self.fetch {
                    break;
                }
            }
        }
    }

    fn changes(&self, mut shown: Shown) -> Result<Changes> {
        shown.retain(|_, weight| *weight != 0);
        let rows = self.rows.decode(shown.keys().map(|(row, _)| row.as_ref()))?;
        let mut columns = rows.columns().to_vec();
        columns.truncate(self.schema.fields().len() - usize::from(self.numbering == Numbering::Shown));
        if self.numbering == Numbering::Shown {
            columns.push(Arc::new(UInt64Array::from_iter_values(shown.keys().map(|(_, number)| *number))));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(shown.len()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        Ok(Changes::new(rows, Int64Array::from_iter_values(shown.into_values())))
    }
}

#[async_trait]
impl Operator for First {
    async fn tick(&mut self, inputs: &[Changes], _: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("an order has one input") };
        let keys = self.rows.keys_of(input.rows())?;
        let mut shown = Shown::default();
        self.show(&keys, -1, &mut shown);
        match self.arrival {
            Arrival::AppendOnly => self.rows.update_first(input, self.skip + self.fetch)?,
            Arrival::Changing => self.rows.update(input)?,
        }
        self.show(&keys, 1, &mut shown);
        self.changes(shown)
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("rows".to_string(), &mut self.rows)]
    }
}
