//! Rows of added files minus rows of removed files, in bounded memory.
//!
//! The removed rows are held, the added ones stream past and cancel them; what is left of either is the difference. Where the removed rows are
//! too many to be held, those of one class of hashes are, and the files are read again for the next class. Classes split as memory runs out:
//! nothing need be known beforehand.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use arrow::array::{BooleanArray, Int64Array, RecordBatch};
use arrow::row::{RowConverter, SortField};
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;

use super::Files;
use crate::error::Result;
use crate::lake::file_list::Chunk;
use crate::model::Changes;

/// Bytes of removed rows that are held at a time.
pub const HELD_BYTES_MAX: usize = 128 << 20;
/// What a held row costs beside its bytes.
const HELD_ROW_OVERHEAD_BYTES: usize = 64;
const ROWS_PER_PART: usize = 8192;

pub struct Difference {
    files: Files,
    removed: Chunk,
    added: Chunk,
    converter: RowConverter,
    todo: Vec<Class>,
    open: Option<Open>,
}

/// The rows whose hash leaves `rest` when divided by `modulus`.
#[derive(Debug, Clone, Copy)]
struct Class {
    rest: u64,
    modulus: u64,
}

/// A class whose removed rows are held.
struct Open {
    class: Class,
    held: Held,
    added: SendableRecordBatchStream,
    /// Set when no more can cancel them.
    left: Option<VecDeque<(Box<[u8]>, i64)>>,
}

/// Rows in arrow's row format, and how often each was removed.
#[derive(Default)]
struct Held {
    rows: HashMap<Box<[u8]>, i64, Hasher>,
    bytes: usize,
}

type Hasher = BuildHasherDefault<DefaultHasher>;

impl Difference {
    pub fn new(files: Files, removed: Chunk, added: Chunk) -> Result<Difference> {
        let fields = files.to.schema().fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
        let todo = vec![Class { rest: 0, modulus: 1 }];
        let converter = RowConverter::new(fields)?;
        Ok(Difference { files, removed, added, converter, todo, open: None })
    }

    /// The next part of the difference. A row may be in several parts.
    pub async fn next(&mut self) -> Result<Option<Changes>> {
        loop {
            if self.open.is_none() {
                let Some(class) = self.todo.pop() else { return Ok(None) };
                self.open = Some(self.hold(class).await?);
            }
            let open = self.open.as_mut().expect("opened just above");
            if let Some(left) = &mut open.left {
                if !left.is_empty() {
                    let part = left.drain(..left.len().min(ROWS_PER_PART)).collect::<Vec<_>>();
                    return Ok(Some(self.gone(&part)?));
                }
                self.open = None;
                continue;
            }
            match open.added.next().await.transpose()? {
                Some(batch) => {
                    let came = open.came(&self.converter, &batch)?;
                    if came.num_rows() > 0 {
                        return Ok(Some(Changes::inserted(came)));
                    }
                }
                None => open.left = Some(std::mem::take(&mut open.held.rows).into_iter().collect()),
            }
        }
    }

    /// Reads the removed rows of a class. Where they are too many it becomes smaller, and the rest is done later.
    async fn hold(&mut self, mut class: Class) -> Result<Open> {
        let mut held = Held::default();
        let mut removed = self.files.read(&self.removed)?;
        while let Some(batch) = removed.next().await.transpose()? {
            let rows = self.converter.convert_columns(batch.columns())?;
            for row in rows.iter().filter(|row| class.has(row.data())) {
                held.add(row.data());
            }
            while held.bytes > self.files.held_bytes_max && held.rows.len() > 1 {
                let (smaller, other) = class.halves();
                class = smaller;
                self.todo.push(other);
                held.keep(class);
            }
        }
        Ok(Open { class, held, added: self.files.read(&self.added)?, left: None })
    }

    fn gone(&self, rows: &[(Box<[u8]>, i64)]) -> Result<Changes> {
        let parser = self.converter.parser();
        let columns = self.converter.convert_rows(rows.iter().map(|(row, _)| parser.parse(row)))?;
        let weights = rows.iter().map(|(_, count)| -count).collect::<Vec<_>>();
        Ok(Changes::new(RecordBatch::try_new(self.files.to.schema().clone(), columns)?, Int64Array::from(weights)))
    }
}

impl Open {
    /// The rows of the batch that cancel nothing.
    fn came(&mut self, converter: &RowConverter, batch: &RecordBatch) -> Result<RecordBatch> {
        let rows = converter.convert_columns(batch.columns())?;
        let came: BooleanArray = rows.iter().map(|row| Some(self.class.has(row.data()) && !self.held.cancel(row.data()))).collect();
        Ok(arrow::compute::filter_record_batch(batch, &came)?)
    }
}

impl Held {
    fn add(&mut self, row: &[u8]) {
        match self.rows.get_mut(row) {
            Some(count) => *count += 1,
            None => {
                self.bytes += row.len() + HELD_ROW_OVERHEAD_BYTES;
                self.rows.insert(row.into(), 1);
            }
        }
    }

    /// Whether the row was there; then it is there once less.
    fn cancel(&mut self, row: &[u8]) -> bool {
        match self.rows.get_mut(row) {
            None => false,
            Some(1) => self.rows.remove(row).is_some(),
            Some(count) => {
                *count -= 1;
                true
            }
        }
    }

    fn keep(&mut self, class: Class) {
        self.rows.retain(|row, _| class.has(row));
        self.bytes = self.rows.keys().map(|row| row.len() + HELD_ROW_OVERHEAD_BYTES).sum();
    }
}

impl Class {
    fn has(self, row: &[u8]) -> bool {
        self.modulus == 1 || Hasher::default().hash_one(row) % self.modulus == self.rest
    }

    fn halves(self) -> (Class, Class) {
        let modulus = self.modulus * 2;
        (Class { modulus, ..self }, Class { rest: self.rest + self.modulus, modulus })
    }
}
