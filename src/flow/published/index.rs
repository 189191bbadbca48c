//! Where the rows of a key stand in a chunk. A chunk is indexed when somebody first looks a key up in it, and once for all versions that share it.

use std::sync::OnceLock;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use datafusion::common::hash_utils::{RandomState, create_hashes};
use hashbrown::HashTable;

use crate::error::Result;

/// The same everywhere, so that a key is hashed once for all chunks. Whoever can choose keys and have them collide slows his own view down.
const SEED: u64 = 0x4c61_6b65_7769_7265;

/// The indexes of a chunk, one for each choice of columns that keys were looked up in. A look-up probes many chunks at once with others who do the
/// same: nobody writes where all read.
#[derive(Default)]
pub struct Indexes(OnceLock<Box<Node>>);

struct Node {
    index: Index,
    next: Indexes,
}

pub struct Index {
    columns: Vec<usize>,
    entries: HashTable<Entry>,
}

struct Entry {
    hash: u32,
    row: u32,
}

/// Values that are looked for: a row of these columns for each key.
#[derive(Debug, Clone)]
pub struct Keys {
    columns: Vec<usize>,
    hashes: Vec<u32>,
}

impl Keys {
    /// `values` has an array for each of the columns.
    pub fn new(columns: Vec<usize>, values: &[ArrayRef]) -> Result<Keys> {
        let count = values.first().map_or(0, |values| values.len());
        Ok(Keys { columns, hashes: hashes(values, count)? })
    }

    /// Whether keys of this type are found by their hash: values that are equal must be alike.
    pub fn allow(data_type: &DataType) -> bool {
        !data_type.is_floating() && !data_type.is_nested()
    }

    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    pub fn count(&self) -> usize {
        self.hashes.len()
    }
}

impl Indexes {
    /// The index of these columns, made of `rows` if it is the first time. Should two make it at once, one is kept.
    pub fn get(&self, columns: &[usize], rows: &RecordBatch) -> Result<&Index> {
        let mut made = None;
        let mut place = self;
        loop {
            if place.0.get().is_none() {
                let index = match made.take() {
                    Some(index) => index,
                    None => Index::new(rows, columns)?,
                };
                if let Err(late) = place.0.set(Box::new(Node { index, next: Indexes::default() })) {
                    made = Some(late.index);
                }
            }
            match place.0.get() {
                Some(node) if node.index.columns == columns => return Ok(&node.index),
                Some(node) => place = &node.next,
                None => {}
            }
        }
    }

    pub fn has(&self, columns: &[usize]) -> bool {
        self.0.get().is_some_and(|node| node.index.columns == columns || node.next.has(columns))
    }

    pub fn bytes(&self) -> usize {
        self.0.get().map_or(0, |node| node.index.bytes() + node.next.bytes())
    }
}

impl Index {
    fn new(rows: &RecordBatch, columns: &[usize]) -> Result<Index> {
        let values: Vec<ArrayRef> = columns.iter().map(|column| rows.column(*column).clone()).collect();
        let mut entries = HashTable::with_capacity(rows.num_rows());
        for (row, hash) in hashes(&values, rows.num_rows())?.into_iter().enumerate() {
            entries.insert_unique(spread(hash), Entry { hash, row: row as u32 }, |entry| spread(entry.hash));
        }
        Ok(Index { columns: columns.to_vec(), entries })
    }

    /// Rows that may have one of the keys; all that have one are among them. In no order, and maybe twice.
    pub fn candidates<'a>(&'a self, keys: &'a Keys) -> impl Iterator<Item = u32> + 'a {
        let of_one = |hash: &u32| {
            let hash = *hash;
            self.entries.iter_hash(spread(hash)).filter(move |entry| entry.hash == hash).map(|entry| entry.row)
        };
        keys.hashes.iter().flat_map(of_one)
    }

    fn bytes(&self) -> usize {
        self.entries.allocation_size()
    }
}

/// Half of each hash, which is enough to tell the rows of a chunk apart.
fn hashes(values: &[ArrayRef], count: usize) -> Result<Vec<u32>> {
    let mut hashes = vec![0_u64; count];
    create_hashes(values, &RandomState::with_seed(SEED), &mut hashes)?;
    Ok(hashes.into_iter().map(|hash| (hash >> 32) as u32).collect())
}

/// As the table wants it: it looks at both ends.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array, StringArray};
    use arrow::datatypes::{Int64Type, SchemaRef};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::{Rng, SeedableRng};

    use super::super::answer::Answer;
    use super::super::chunk::Chunk;
    use super::*;
    use crate::model::Changes;

    fn columns(rows: &[(i64, i64)]) -> Vec<ArrayRef> {
        let texts = rows.iter().map(|row| (row.1 % 7 != 0).then(|| format!("t{}", row.1)));
        vec![Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.0))), Arc::new(StringArray::from_iter(texts))]
    }

    fn changes(rows: &[(i64, i64)], weight: i64) -> Changes {
        let batch =
            RecordBatch::try_from_iter_with_nullable(["a", "b"].into_iter().zip(columns(rows)).map(|(name, column)| (name, column, true)));
        Changes::new(batch.unwrap(), Int64Array::from_value(weight, rows.len()))
    }

    fn sorted(batches: impl Iterator<Item = RecordBatch>) -> Vec<(i64, Option<String>)> {
        let of_one = |batch: RecordBatch| {
            let values = batch.column(0).as_primitive::<Int64Type>().values().to_vec();
            let texts: Vec<_> = batch.column(1).as_string::<i32>().iter().map(|text| text.map(str::to_string)).collect();
            values.into_iter().zip(texts).collect::<Vec<_>>()
        };
        let mut all: Vec<_> = batches.flat_map(of_one).collect();
        all.sort();
        all
    }

    /// What is found by a key is what a scan finds.
    fn check(chunks: &[Arc<Chunk>], key: &[usize], wanted: &[(i64, i64)]) {
        let values = columns(wanted);
        let keys = Keys::new(key.to_vec(), &key.iter().map(|column| values[*column].clone()).collect::<Vec<_>>()).unwrap();
        let found = sorted(chunks.iter().filter_map(|chunk| chunk.look_up(&keys, &[0, 1]).unwrap()));
        let text = |row: &(i64, i64)| (row.1 % 7 != 0).then(|| format!("t{}", row.1));
        let is_wanted = |(a, b): &(i64, Option<String>)| {
            wanted.iter().any(|row| (!key.contains(&0) || row.0 == *a) && (!key.contains(&1) || text(row) == *b))
        };
        let expected: Vec<_> = sorted(chunks.iter().map(|chunk| chunk.read(&[0, 1]).unwrap())).into_iter().filter(is_wanted).collect();
        assert_eq!(found, expected, "{wanted:?}");
    }

    #[test]
    fn what_is_looked_up_is_what_a_scan_finds_in_every_version() {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut below = |end: u64| (random.next_u64() % end) as i64;
        let schema: SchemaRef = changes(&[], 1).schema();
        let mut answer = Answer::new(schema).unwrap();
        let mut there: BTreeSet<(i64, i64)> = BTreeSet::new();
        let mut versions = vec![];
        for _ in 0..60 {
            let came: Vec<_> = (0..below(120)).map(|_| (below(200), below(20))).filter(|row| there.insert(*row)).collect();
            let gone: Vec<_> = there.iter().copied().filter(|row| !came.contains(row) && below(8) == 0).collect();
            there.retain(|row| !gone.contains(row));
            answer
                .apply(&Changes::concat(answer.schema(), &[changes(&gone, -1), changes(&came, 1)]).unwrap().consolidated().unwrap())
                .unwrap();
            versions.push(answer.chunks());
            for chunks in versions.iter().rev().take(3) {
                let wanted: Vec<_> = (0..1 + below(4)).map(|_| (below(220), below(20))).collect();
                check(chunks, &[0, 1], &wanted);
                check(chunks, &[0], &wanted);
            }
        }
        assert!(versions.last().unwrap().len() > 1);
    }
}
