//! A keyed multiset of rows: what a join, a window function or a view remembers.
//!
//! Keys and rows lie as strings of arrow's row format in two interners; a row's string begins with the number of its key, and the rows of a
//! key hang on one another. A change of a row costs the same whatever is stored, also where all rows have one key.

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow::datatypes::SchemaRef;

use super::encoder::{Encoded, Encoder, assemble};
use super::interner::{Interner, Number};
use super::state::State;
use crate::error::Result;
use crate::model::Changes;

const NONE: Number = Number::MAX;

pub struct Arrangement {
    schema: SchemaRef,
    key: Encoder,
    rest: Encoder,
    keys: Interner,
    /// By key: the first of its rows.
    heads: Vec<Number>,
    rows: Interner,
    /// By row.
    links: Vec<Link>,
    /// What came since `take_changes`.
    log: Vec<Changes>,
    logs: Logging,
}

#[derive(Clone, Copy)]
struct Link {
    weight: i64,
    next: Number,
    previous: Number,
}

/// Whether changes are to be remembered until they are saved.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Logging {
    On,
    Off,
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
        let rest = (0..schema.fields().len()).filter(|column| !key.contains(column)).collect();
        Ok(Arrangement {
            key: Encoder::new(&schema, key)?,
            rest: Encoder::new(&schema, rest)?,
            schema,
            keys: Interner::default(),
            heads: vec![],
            rows: Interner::default(),
            links: vec![],
            log: vec![],
            logs: Logging::On,
        })
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

    /// The keys among these that have rows: one array per key column.
    pub fn find_keys(&self, columns: &[ArrayRef]) -> Result<Vec<KeyNumber>> {
        let keys = self.key.encode_columns(columns)?;
        let count = columns.first().map_or(0, |column| column.len());
        Ok((0..count).filter_map(|row| self.find_key(keys.row(row))).collect())
    }

    /// The rows of a key, in no order, each with how often it is there.
    pub fn rows_of(&self, key: KeyNumber) -> impl Iterator<Item = (RowNumber, i64)> + '_ {
        let mut next = self.heads[key.0 as usize];
        std::iter::from_fn(move || {
            let link = self.links.get(next as usize)?;
            let row = RowNumber(std::mem::replace(&mut next, link.next));
            Some((row, link.weight))
        })
    }

    pub fn weight(&self, row: RowNumber) -> i64 {
        self.links[row.0 as usize].weight
    }

    /// One more than the largest number a row ever had.
    pub fn row_numbers(&self) -> usize {
        self.rows.numbers()
    }

    /// Takes changes in. `tell` hears for each row of `changes`, in order, which row that is here and what became of it.
    pub fn update(&mut self, changes: &Changes, mut tell: impl FnMut(usize, RowNumber, Became)) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let keys = self.key.encode(changes.rows())?;
        let rest = self.rest.encode(changes.rows())?;
        let mut string = Vec::new();
        for row in 0..changes.len() {
            let (key, _) = self.keys.intern(keys.row(row));
            if self.heads.len() <= key as usize {
                self.heads.resize(key as usize + 1, NONE);
            }
            string.clear();
            string.extend_from_slice(&key.to_le_bytes());
            string.extend_from_slice(rest.row(row));
            let (number, became) = self.add(key, &string, changes.weight(row));
            tell(row, RowNumber(number), became);
        }
        if self.logs == Logging::On {
            self.log.push(changes.clone());
        }
        Ok(())
    }

    /// These rows, each once.
    pub fn decode(&self, rows: &[RowNumber]) -> Result<RecordBatch> {
        let keys = self.key.decode(rows.iter().map(|row| self.keys.get(self.key_of(row.0))))?;
        let rest = self.rest.decode(rows.iter().map(|row| &self.rows.get(row.0)[KEY_BYTES..]))?;
        assemble(&self.schema, [(self.key.columns(), keys), (self.rest.columns(), rest)], rows.len())
    }

    /// All rows of these keys, with how often they are there.
    pub fn gather(&self, keys: impl Iterator<Item = KeyNumber>) -> Result<Changes> {
        self.with_weights(keys.flat_map(|key| self.rows_of(key)).unzip())
    }

    /// All rows, each once, in no order.
    pub fn all_numbers(&self) -> Vec<RowNumber> {
        self.rows.iter().map(RowNumber).collect()
    }

    /// Everything, with how often it is there.
    pub fn all(&self) -> Result<Changes> {
        self.with_weights(self.rows.iter().map(|row| (RowNumber(row), self.links[row as usize].weight)).unzip())
    }

    fn with_weights(&self, (rows, weights): (Vec<RowNumber>, Vec<i64>)) -> Result<Changes> {
        let is_set = weights.iter().all(|weight| *weight == 1);
        let rows = self.decode(&rows)?;
        Ok(match is_set {
            true => Changes::inserted(rows),
            false => Changes::new(rows, Int64Array::from(weights)),
        })
    }

    pub fn key_of(&self, row: Number) -> Number {
        let bytes = self.rows.get(row).first_chunk::<KEY_BYTES>().expect("a row's string begins with its key");
        Number::from_le_bytes(*bytes)
    }

    fn add(&mut self, key: Number, string: &[u8], weight: i64) -> (Number, Became) {
        let (row, is_new) = self.rows.intern(string);
        if is_new {
            self.link(key, row);
        }
        let link = &mut self.links[row as usize];
        link.weight += weight;
        match link.weight {
            0 => {
                self.unlink(key, row);
                (row, Became::Gone)
            }
            _ if is_new => (row, Became::New),
            _ => (row, Became::Kept),
        }
    }

    fn link(&mut self, key: Number, row: Number) {
        let head = std::mem::replace(&mut self.heads[key as usize], row);
        let link = Link { weight: 0, next: head, previous: NONE };
        match row as usize == self.links.len() {
            true => self.links.push(link),
            false => self.links[row as usize] = link,
        }
        if head != NONE {
            self.links[head as usize].previous = row;
        }
    }

    fn unlink(&mut self, key: Number, row: Number) {
        let Link { next, previous, .. } = self.links[row as usize];
        match previous {
            NONE => self.heads[key as usize] = next,
            previous => self.links[previous as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
        self.rows.remove(row);
        if self.heads[key as usize] == NONE {
            self.keys.remove(key);
        }
    }
}

/// The number of its key, before each row.
const KEY_BYTES: usize = size_of::<Number>();

impl State for Arrangement {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn take_changes(&mut self) -> Result<Changes> {
        let log = std::mem::take(&mut self.log);
        Changes::concat(&self.schema, &log)?.consolidated()
    }

    fn everything(&self) -> Result<Changes> {
        self.all()
    }

    fn restore(&mut self, changes: &Changes) -> Result<()> {
        self.logs = Logging::Off;
        let restored = self.update(changes, |_, _, _| {});
        self.logs = Logging::On;
        restored
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    fn bytes(&self) -> usize {
        let log: usize = self.log.iter().map(|changes| changes.rows().get_array_memory_size()).sum();
        let links = self.links.capacity() * size_of::<Link>() + self.heads.capacity() * size_of::<Number>();
        self.keys.bytes() + self.rows.bytes() + links + log
    }
}
