//! Reading files one after the other, each from its first row to its last.

use datafusion::execution::SessionState;
use datafusion::physical_plan::SendableRecordBatchStream;

use super::plain::{PlainScan, Wanted};
use crate::error::Result;
use crate::lake::file_list::{Chunk, Shape};
use crate::lake::rewrite::DataFile;
use crate::lake::snapshot::Snapshot;
use crate::lake::table::Table;

impl Table {
    /// All rows of a file, in order, with the columns of the table as the snapshot has it.
    pub fn read_file(&self, snapshot: &Snapshot, file: &DataFile, state: &SessionState) -> Result<SendableRecordBatchStream> {
        read(self, snapshot.files().shape(), std::slice::from_ref(file.chunk()), state)
    }
}

/// All rows of files that are plainly read. Columns that they lack are null.
pub fn read(table: &Table, shape: &Shape, chunks: &[Chunk], state: &SessionState) -> Result<SendableRecordBatchStream> {
    table.place.register(state.runtime_env());
    let scan = PlainScan { table, shape, addresses: None };
    let columns = (0..shape.table.fields().len()).collect();
    let plan = scan.of_chunks(chunks, state, &Wanted { projection: Some(&columns), partitions: 1, ..Wanted::default() })?;
    Ok(datafusion::physical_plan::execute_stream(plan, state.task_ctx())?)
}
