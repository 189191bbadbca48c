//! The rows that a statement is about, as its query finds them: sorted by the place where they stand.

use arrow::array::{Array, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::Int64Type;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::StreamExt;

use crate::error::{Error, Result, SqlState};

/// What it means that a row was found several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeated {
    /// It is changed once, by any of them.
    Once,
    /// An error.
    Refused,
}

/// Where found rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    File(i64),
    /// Nowhere yet: they are to be inserted.
    New,
}

/// Columns: file, row, and what is known of it. Rows without a place come last.
pub struct Found {
    rows: SendableRecordBatchStream,
    repeated: Repeated,
    /// Read and not taken yet.
    ahead: Option<RecordBatch>,
    last: Option<(i64, i64)>,
    count: u64,
}

impl Found {
    pub fn new(rows: SendableRecordBatchStream, repeated: Repeated) -> Found {
        Found { rows, repeated, ahead: None, last: None, count: 0 }
    }

    /// Rows taken so far, each once.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Where the next rows are.
    pub async fn place(&mut self) -> Result<Option<Place>> {
        self.fill().await?;
        Ok(self.ahead.as_ref().map(|ahead| place(column(ahead, 0), 0)))
    }

    /// The next rows, as far as they are in this place and, in a file, before this row.
    pub async fn take(&mut self, from: Place, before: i64) -> Result<Option<RecordBatch>> {
        let mut taken = vec![];
        loop {
            self.fill().await?;
            let Some(ahead) = self.ahead.take() else { break };
            let (files, rows) = (column(&ahead, 0), column(&ahead, 1));
            let is_wanted = |row: &usize| place(files, *row) == from && (from == Place::New || rows.value(*row) < before);
            let length = (0..ahead.num_rows()).take_while(is_wanted).count();
            if length > 0 {
                taken.push(ahead.slice(0, length));
            }
            if length < ahead.num_rows() {
                self.ahead = Some(ahead.slice(length, ahead.num_rows() - length));
                break;
            }
            if from == Place::New {
                break;
            }
        }
        self.count += taken.iter().map(|batch| batch.num_rows() as u64).sum::<u64>();
        match taken.as_slice() {
            [] => Ok(None),
            [only] => Ok(Some(only.clone())),
            [first, ..] => Ok(Some(concat_batches(&first.schema(), &taken)?)),
        }
    }

    async fn fill(&mut self) -> Result<()> {
        while self.ahead.is_none() {
            let Some(batch) = self.rows.next().await.transpose()? else { return Ok(()) };
            let batch = self.each_once(batch)?;
            self.ahead = (batch.num_rows() > 0).then_some(batch);
        }
        Ok(())
    }

    fn each_once(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let (files, rows) = (column(&batch, 0), column(&batch, 1));
        let mut is_first = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let address = files.is_valid(row).then(|| (files.value(row), rows.value(row)));
            is_first.push(address.is_none() || address != self.last);
            self.last = address;
        }
        if is_first.iter().all(|first| *first) {
            return Ok(batch);
        }
        match self.repeated {
            Repeated::Once => Ok(filter_record_batch(&batch, &BooleanArray::from(is_first))?),
            Repeated::Refused => Err(Error::data("MERGE command cannot affect row a second time")
                .with_state(SqlState::CARDINALITY_VIOLATION)
                .with_hint("ensure that not more than one source row matches any one target row")),
        }
    }
}

fn column(batch: &RecordBatch, index: usize) -> &Int64Array {
    batch.column(index).as_primitive::<Int64Type>()
}

fn place(files: &Int64Array, row: usize) -> Place {
    match files.is_valid(row) {
        true => Place::File(files.value(row)),
        false => Place::New,
    }
}
