//! A keyed multiset of rows: what a join, a window function or a view remembers.
//!
//! Keys lie as strings of arrow's row format in an interner, and the rows of a key hang on one another. How the rows themselves lie depends on
//! whether they ever go. A change of a row costs the same whatever is stored, also where all rows have one key.

mod appended;
mod counted;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;

use super::encoder::{Encoded, Encoder};
use super::interner::{Interner, Number};
use super::relation::Arrival;
use super::state::State;
use crate::error::{Error, Result};
use crate::model::Changes;

use appended::Appended;
use counted::Counted;

pub use appended::Time;

const NONE: Number = Number::MAX;

pub struct Arrangement {
    schema: SchemaRef,
    key: Encoder,
    keys: Interner,
    /// By key: the first of its rows.
    heads: Vec<Number>,
    rows: Rows,
}

/// The rows, by number. Each names the next of its key.
enum Rows {
    /// That come and go: equal rows are one, with a count.
    Counted(Box<Counted>),
    /// That only come: as they came.
    Appended(Appended),
}

/// A stored row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowNumber(pub Number);

/// A key that has rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyNumber(pub Number);

/// What a change did to a row.
pub enum Became {
    /// It was not there before.
    New,
    /// It is there more often, or less.
    Kept,
    /// It is not there any more; its number is free.
    Gone,
}

impl Arrangement {
    /// Of rows of `schema`, found by the columns `key`.
    pub fn new(schema: SchemaRef, key: Vec<usize>) -> Result<Arrangement> {
        Arrangement::of(Arrival::Changing, schema, key)
    }

    /// Where rows only come, equal ones are not looked for: each has a number of its own.
    pub fn of(arrival: Arrival, schema: SchemaRef, key: Vec<usize>) -> Result<Arrangement> {
        let rows = match arrival {
            Arrival::Changing => Rows::Counted(Box::new(Counted::new(&schema, &key)?)),
            Arrival::AppendOnly => Rows::Appended(Appended::new(schema.clone(), None)),
        };
        Arrangement::with(rows, schema, key)
    }

    /// Of rows that only come and can be forgotten when their time is past.
    pub fn passing(schema: SchemaRef, key: Vec<usize>, time: Time) -> Result<Arrangement> {
        Arrangement::with(Rows::Appended(Appended::new(schema.clone(), Some(time))), schema, key)
    }

    fn with(rows: Rows, schema: SchemaRef, key: Vec<usize>) -> Result<Arrangement> {
        Ok(Arrangement { key: Encoder::of_keys(&schema, key)?, schema, keys: Interner::default(), heads: vec![], rows })
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether all rows have one key, the empty one.
    pub fn is_keyless(&self) -> bool {
        self.key.columns().is_empty()
    }

    /// The keys of rows that have the arrangement's columns.
    pub fn encode_keys(&self, rows: &RecordBatch) -> Result<Encoded> {
        self.key.encode(rows)
    }

    pub fn find_key(&self, key: &[u8]) -> Option<KeyNumber> {
        self.keys.find(key).map(KeyNumber)
    }

    /// The number of each of the first `count` keys, `None` for those without rows.
    pub fn find_all_keys(&self, keys: &Encoded, count: usize) -> Vec<Option<KeyNumber>> {
        self.keys.find_all(keys, count).into_iter().map(|number| number.map(KeyNumber)).collect()
    }

    /// The keys among these that have rows: one array per key column.
    pub fn find_keys(&self, columns: &[ArrayRef]) -> Result<Vec<KeyNumber>> {
        let keys = self.key.encode_columns(columns)?;
        let count = columns.first().map_or(0, |column| column.len());
        Ok(self.find_all_keys(&keys, count).into_iter().flatten().collect())
    }

    /// The rows of a key, in no order, each with how often it is there.
    pub fn rows_of(&self, key: KeyNumber) -> impl Iterator<Item = (RowNumber, i64)> + '_ {
        self.rows_from(self.first_of(key))
    }

    /// The first of the rows of a key. A key has some.
    pub fn first_of(&self, key: KeyNumber) -> RowNumber {
        RowNumber(self.heads[key.0 as usize])
    }

    /// A row and those of its key that come after it.
    pub fn rows_from(&self, first: RowNumber) -> impl Iterator<Item = (RowNumber, i64)> + '_ {
        let mut next = first.0;
        std::iter::from_fn(move || {
            let row = RowNumber(Some(next).filter(|row| *row != NONE)?);
            next = match &self.rows {
                Rows::Counted(rows) => rows.next(row.0),
                Rows::Appended(rows) => rows.next(row.0),
            };
            Some((row, self.weight(row)))
        })
    }

    pub fn weight(&self, row: RowNumber) -> i64 {
        match &self.rows {
            Rows::Counted(rows) => rows.weight(row.0),
            Rows::Appended(_) => 1,
        }
    }

    /// One more than the largest number a row ever had.
    pub fn row_numbers(&self) -> usize {
        match &self.rows {
            Rows::Counted(rows) => rows.numbers(),
            Rows::Appended(rows) => rows.end() as usize,
        }
    }

    /// Forgets rows whose time is before `bound`, as an integer that compares as times of its type do. Not all of them at once: rows lie in
    /// chunks, and a chunk goes as a whole.
    pub fn forget_before(&mut self, bound: i64) -> Result<()> {
        let Rows::Appended(rows) = &mut self.rows else { return Err(Error::internal("rows that come and go cannot be forgotten")) };
        for forgotten in rows.forget_before(bound) {
            let keys = self.key.encode(&forgotten)?;
            for key in self.keys.find_all(&keys, forgotten.num_rows()).into_iter().flatten() {
                let head = &mut self.heads[key as usize];
                if *head != NONE && rows.is_forgotten(*head) {
                    *head = NONE;
                    self.keys.remove(key);
                }
            }
        }
        rows.renumber(&mut self.heads);
        Ok(())
    }

    /// Takes changes in. `tell` hears for each row of `changes`, in order, which row that is here and what became of it; where rows only
    /// come, one that comes several times is told of so often.
    pub fn update(&mut self, changes: &Changes, tell: impl FnMut(usize, RowNumber, Became)) -> Result<()> {
        let keys = self.key.encode(changes.rows())?;
        self.update_at(changes, &keys, tell)
    }

    /// The same, where the keys of the changes are encoded already.
    pub fn update_at(&mut self, changes: &Changes, keys: &Encoded, tell: impl FnMut(usize, RowNumber, Became)) -> Result<()> {
        self.take_in(changes, keys, tell)?;
        if let Rows::Counted(rows) = &mut self.rows {
            rows.remember(changes);
        }
        Ok(())
    }

    fn take_in(&mut self, changes: &Changes, keys: &Encoded, mut tell: impl FnMut(usize, RowNumber, Became)) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let numbers = self.keys.intern_all(keys, changes.len()).numbers;
        self.heads.resize(self.keys.numbers(), NONE);
        match &mut self.rows {
            Rows::Counted(rows) => {
                let emptied = rows.update(changes, &numbers, &mut self.heads, tell)?;
                for key in emptied {
                    self.keys.remove(key);
                }
            }
            Rows::Appended(rows) => {
                rows.append(changes, &numbers, &mut self.heads, |row, number| tell(row, RowNumber(number), Became::New))?
            }
        }
        Ok(())
    }

    /// These rows, each once.
    pub fn decode(&self, rows: &[RowNumber]) -> Result<RecordBatch> {
        match &self.rows {
            Rows::Counted(counted) => counted.decode(&self.schema, &self.key, &self.keys, rows),
            Rows::Appended(appended) => appended.take(rows),
        }
    }

    /// All rows of these keys, with how often they are there.
    pub fn gather(&self, keys: impl Iterator<Item = KeyNumber>) -> Result<Changes> {
        self.with_weights(keys.flat_map(|key| self.rows_of(key)).unzip())
    }

    /// All rows, each once, in no order.
    pub fn all_numbers(&self) -> Vec<RowNumber> {
        match &self.rows {
            Rows::Counted(rows) => rows.iter().map(RowNumber).collect(),
            Rows::Appended(rows) => rows.numbers().map(RowNumber).collect(),
        }
    }

    /// Everything, with how often it is there.
    pub fn all(&self) -> Result<Changes> {
        match &self.rows {
            Rows::Counted(_) => {
                let rows = self.all_numbers();
                let weights = rows.iter().map(|row| self.weight(*row)).collect();
                self.with_weights((rows, weights))
            }
            Rows::Appended(rows) => rows.all(),
        }
    }

    fn with_weights(&self, (rows, weights): (Vec<RowNumber>, Vec<i64>)) -> Result<Changes> {
        let is_set = weights.iter().all(|weight| *weight == 1);
        let rows = self.decode(&rows)?;
        Ok(match is_set {
            true => Changes::inserted(rows),
            false => Changes::new(rows, Int64Array::from(weights)),
        })
    }
}

impl State for Arrangement {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn take_changes(&mut self) -> Result<Changes> {
        match &mut self.rows {
            Rows::Counted(rows) => rows.take_log(&self.schema),
            Rows::Appended(rows) => rows.take_unsaved(),
        }
    }

    fn everything(&self) -> Result<Changes> {
        self.all()
    }

    fn restore(&mut self, changes: &Changes) -> Result<()> {
        let keys = self.key.encode(changes.rows())?;
        self.take_in(changes, &keys, |_, _, _| {})?;
        if let Rows::Appended(rows) = &mut self.rows {
            rows.all_saved();
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        match &self.rows {
            Rows::Counted(rows) => rows.len(),
            Rows::Appended(rows) => rows.len(),
        }
    }

    fn bytes(&self) -> usize {
        let rows = match &self.rows {
            Rows::Counted(rows) => rows.bytes(),
            Rows::Appended(rows) => rows.bytes(),
        };
        self.keys.bytes() + self.heads.capacity() * size_of::<Number>() + rows
    }
}
