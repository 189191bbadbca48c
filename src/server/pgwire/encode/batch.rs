//! A batch on its way to the client. It is written in pieces, so that neither the buffer nor a portal's row limit forces a
//! whole batch through at once.

use arrow::array::{Array, RecordBatch};
use arrow::buffer::NullBuffer;
use bytes::{BufMut, BytesMut};

use super::{Cell, Format, binary, text};
use crate::error::{Error, Result, SqlState};

const MESSAGE_TYPE_DATA_ROW: u8 = b'D';
/// PostgreSQL's clients refuse longer messages.
const ROW_BYTES_MAX: usize = 0x3fff_ffff;

pub struct BatchEncoder {
    columns: Vec<Column>,
    rows: usize,
    next: usize,
}

struct Column {
    nulls: Option<NullBuffer>,
    cell: Box<dyn Cell>,
}

impl BatchEncoder {
    /// `formats` has one entry for each column.
    pub fn new(batch: &RecordBatch, formats: &[Format]) -> Result<BatchEncoder> {
        let schema = batch.schema_ref();
        let columns = batch.columns().iter().zip(schema.fields()).zip(formats);
        let columns = columns.map(|((array, field), format)| {
            let cell = match format {
                Format::Text => text::cell(array, field)?,
                Format::Binary => binary::cell(array, field)?,
            };
            Ok(Column { nulls: array.logical_nulls(), cell })
        });
        Ok(BatchEncoder { columns: columns.collect::<Result<_>>()?, rows: batch.num_rows(), next: 0 })
    }

    pub fn is_finished(&self) -> bool {
        self.next == self.rows
    }

    /// Writes DataRow messages until the batch ends, `rows_max` rows are written, or `out` holds `bytes_max`. Returns how many
    /// rows it wrote. A row that cannot be written leaves nothing behind.
    pub fn write(&mut self, out: &mut BytesMut, rows_max: usize, bytes_max: usize) -> Result<usize> {
        let first = self.next;
        let end = self.rows.min(first.saturating_add(rows_max));
        while self.next < end && out.len() < bytes_max {
            let start = out.len();
            self.write_row(self.next, out).inspect_err(|_| out.truncate(start))?;
            self.next += 1;
        }
        Ok(self.next - first)
    }

    fn write_row(&self, row: usize, out: &mut BytesMut) -> Result<()> {
        out.put_u8(MESSAGE_TYPE_DATA_ROW);
        let start = out.len();
        out.put_i32(0);
        out.put_i16(self.columns.len() as i16);
        for column in &self.columns {
            match &column.nulls {
                Some(nulls) if nulls.is_null(row) => out.put_i32(-1),
                _ => write_framed(column.cell.as_ref(), row, out)?,
            }
        }
        let length = out.len() - start;
        if length > ROW_BYTES_MAX {
            return Err(Error::unsupported(format!("a row of {length} bytes is too long to be sent"))
                .with_state(SqlState::PROGRAM_LIMIT_EXCEEDED)
                .with_hint(format!("a row may have {ROW_BYTES_MAX} bytes; ask for fewer or shorter columns")));
        }
        out[start..start + 4].copy_from_slice(&(length as i32).to_be_bytes());
        Ok(())
    }
}

/// A value behind its length. A length that does not fit makes the row too long, which the row's own check finds.
pub(super) fn write_framed(cell: &dyn Cell, row: usize, out: &mut BytesMut) -> Result<()> {
    let start = out.len();
    out.put_i32(0);
    cell.write(row, out)?;
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}
