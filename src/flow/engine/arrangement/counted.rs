//! Rows that come and go. A row is a string of arrow's row format behind the number of its key; equal rows are one string with a count.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};

use super::{Became, NONE, RowNumber};
use crate::error::Result;
use crate::flow::engine::encoder::{Encoder, assemble, equal_values_differ};
use crate::flow::engine::interner::{Interner, Number};
use crate::model::Changes;

/// The number of its key, before each row.
const KEY_BYTES: usize = size_of::<Number>();

pub struct Counted {
    /// The columns beside the key, and those of the key that its string does not give back to the bit.
    rest: Encoder,
    strings: Interner,
    /// By row.
    links: Vec<Link>,
    /// What came since `take_log`.
    log: Vec<Changes>,
}

#[derive(Clone, Copy)]
struct Link {
    weight: i64,
    next: Number,
    previous: Number,
}

impl Counted {
    pub fn new(schema: &Schema, key: &[usize]) -> Result<Counted> {
        let is_needed = |column: &usize| !key.contains(column) || equal_values_differ(schema.field(*column).data_type());
        let rest = (0..schema.fields().len()).filter(is_needed).collect();
        Ok(Counted { rest: Encoder::of_rows(schema, rest)?, strings: Interner::default(), links: vec![], log: vec![] })
    }

    /// `keys` has the key of each change, `heads` the first row of each key. Returns the keys that had rows and have none any more, each once.
    pub fn update(
        &mut self,
        changes: &Changes,
        keys: &[Number],
        heads: &mut [Number],
        mut tell: impl FnMut(usize, RowNumber, Became),
    ) -> Result<Vec<Number>> {
        let rest = self.rest.encode(changes.rows())?;
        let mut string = Vec::new();
        let mut emptied = Vec::new();
        for (row, key) in keys.iter().enumerate() {
            string.clear();
            string.extend_from_slice(&key.to_le_bytes());
            string.extend_from_slice(rest.row(row));
            let (number, became) = self.add(*key, &string, changes.weight(row), heads);
            if matches!(became, Became::Gone) && heads[*key as usize] == NONE {
                emptied.push(*key);
            }
            tell(row, RowNumber(number), became);
        }
        // A key may have got rows again, and lost them again.
        emptied.retain(|key| heads[*key as usize] == NONE);
        emptied.sort_unstable();
        emptied.dedup();
        Ok(emptied)
    }

    pub fn remember(&mut self, changes: &Changes) {
        if !changes.is_empty() {
            self.log.push(changes.clone());
        }
    }

    pub fn take_log(&mut self, schema: &SchemaRef) -> Result<Changes> {
        let changes = Changes::concat(schema, &std::mem::take(&mut self.log))?;
        // Of rows that only came none cancel; the same row twice is restored as well as once with a weight of two.
        if changes.are_inserts() { Ok(changes) } else { changes.consolidated() }
    }

    pub fn next(&self, row: Number) -> Number {
        self.links[row as usize].next
    }

    pub fn weight(&self, row: Number) -> i64 {
        self.links[row as usize].weight
    }

    pub fn iter(&self) -> impl Iterator<Item = Number> + '_ {
        self.strings.iter()
    }

    pub fn len(&self) -> usize {
        self.strings.len()
    }

    /// One more than the largest number a row ever had.
    pub fn numbers(&self) -> usize {
        self.strings.numbers()
    }

    pub fn decode(&self, schema: &SchemaRef, key: &Encoder, keys: &Interner, rows: &[RowNumber]) -> Result<RecordBatch> {
        let key_columns = key.decode(rows.iter().map(|row| keys.get(self.key_of(row.0))))?;
        let rest = self.rest.decode(rows.iter().map(|row| &self.strings.get(row.0)[KEY_BYTES..]))?;
        assemble(schema, [(key.columns(), key_columns), (self.rest.columns(), rest)], rows.len())
    }

    pub fn bytes(&self) -> usize {
        let log: usize = self.log.iter().map(|changes| changes.rows().get_array_memory_size()).sum();
        self.strings.bytes() + self.links.capacity() * size_of::<Link>() + log
    }

    fn key_of(&self, row: Number) -> Number {
        let bytes = self.strings.get(row).first_chunk::<KEY_BYTES>().expect("a row's string begins with its key");
        Number::from_le_bytes(*bytes)
    }

    fn add(&mut self, key: Number, string: &[u8], weight: i64, heads: &mut [Number]) -> (Number, Became) {
        let (row, is_new) = self.strings.intern(string);
        if is_new {
            self.link(row, &mut heads[key as usize]);
        }
        let link = &mut self.links[row as usize];
        link.weight += weight;
        match link.weight {
            0 => {
                self.unlink(row, &mut heads[key as usize]);
                (row, Became::Gone)
            }
            _ if is_new => (row, Became::New),
            _ => (row, Became::Kept),
        }
    }

    fn link(&mut self, row: Number, head: &mut Number) {
        let next = std::mem::replace(head, row);
        let link = Link { weight: 0, next, previous: NONE };
        match row as usize == self.links.len() {
            true => self.links.push(link),
            false => self.links[row as usize] = link,
        }
        if next != NONE {
            self.links[next as usize].previous = row;
        }
    }

    fn unlink(&mut self, row: Number, head: &mut Number) {
        let Link { next, previous, .. } = self.links[row as usize];
        match previous {
            NONE => *head = next,
            previous => self.links[previous as usize].next = next,
        }
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
        self.strings.remove(row);
    }
}
