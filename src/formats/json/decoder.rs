//! The decoder. `decode` goes through a batch, `payload` through what came as one record, `records` through the records in it, and
//! `record.rs` through one of these.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::DataType;

use crate::error::Result;
use crate::formats::{Decoded, Records, Reject};
use crate::model::column::to_arrow_schema;
use crate::model::{SchemaMode, SourceColumn};

use super::column::Column;
use super::fields::Fields;
use super::flaw::{Flaw, RECORDS_PER_PAYLOAD_MAX};
use super::payload::Payloads;
use super::rest::Rest;
use super::scan::{Behind, Cursor};
use super::shape::Shapes;

/// A batch ends with the payload that brings its text to so many bytes: what is unpacked can be much more than what came.
const BATCH_BYTES_MAX: usize = 256 << 20;
/// And with the one that brings it to so many cells, rows times columns.
const BATCH_CELLS_MAX: usize = 16 << 20;

/// Turns records into columns. One per reader; it remembers what records look like, which changes its speed and nothing else.
pub struct JsonDecoder {
    pub(super) fields: Fields,
    /// The columns that are not only found in the batch at hand.
    known: usize,
    pub(super) nesting: Nesting,
    pub(super) shapes: Shapes,
    /// By slot, while a batch is decoded.
    pub(super) columns: Vec<Column>,
    /// By slot, whether the column had a value in the batch before.
    busy: Vec<bool>,
    pub(super) rest: Rest,
    /// The names of the objects we are in, each with `_` behind it, where objects become columns.
    pub(super) path: String,
    pub(super) folded: String,
    /// Where payloads are unpacked.
    room: Vec<u8>,
}

/// What becomes of an object in a field that was not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nesting {
    /// It is one json value.
    Kept,
    /// Its fields become columns.
    Flattened,
}

/// What became of the records so far.
#[derive(Default)]
struct Progress {
    rows: Vec<u32>,
    rejects: Vec<Reject>,
    /// Of the texts of payloads, unpacked.
    bytes: usize,
}

impl JsonDecoder {
    /// With `flatten`, objects become columns whose names are joined with `_`; arrays and declared json columns stay json.
    pub fn new(columns: &[SourceColumn], mode: SchemaMode, flatten: bool) -> JsonDecoder {
        JsonDecoder {
            fields: Fields::new(columns, mode),
            known: columns.len(),
            nesting: if flatten { Nesting::Flattened } else { Nesting::Kept },
            shapes: Shapes::new(),
            columns: Vec::new(),
            busy: vec![true; columns.len()],
            rest: Rest::default(),
            path: String::new(),
            folded: String::new(),
            room: Vec::new(),
        }
    }

    pub fn columns(&self) -> &[SourceColumn] {
        self.fields.columns()
    }

    /// Replaces the columns by a list that begins with the present ones. The same list once more costs nothing and forgets nothing.
    pub fn set_columns(&mut self, columns: &[SourceColumn]) {
        if columns == self.columns() {
            return;
        }
        self.fields = Fields::new(columns, self.fields.mode());
        self.known = columns.len();
        self.shapes.forget();
    }

    /// Decodes with the present columns as many of the records as make a batch: usually all, and always one if there is one. Columns that they
    /// have beside the present ones are in the result and nowhere else: the caller makes them durable and calls `set_columns`.
    pub fn decode(&mut self, records: &Records) -> Result<Decoded> {
        self.begin(records.len());
        let payloads = Payloads::new(&records.payload);
        let mut progress = Progress { rows: Vec::with_capacity(records.len()), ..Progress::default() };
        let mut taken = 0;
        while taken < records.len() && (taken == 0 || self.has_room(&progress)) {
            self.payload(&payloads, taken as u32, &mut progress);
            taken += 1;
        }
        self.shapes.reconsider(taken);
        let (batch, found) = self.finish(progress.rows.len())?;
        Ok(Decoded { taken, batch, rows: progress.rows, found, rejects: progress.rejects })
    }

    fn begin(&mut self, records: usize) {
        // Room is made for those columns that will need it: of thousands, a record often has few.
        let rows_expected = |slot: usize| if self.busy.get(slot) == Some(&true) { records } else { 0 };
        let columns = self.fields.columns().iter().enumerate();
        self.columns = columns.map(|(slot, column)| Column::new(&column.data_type, rows_expected(slot))).collect();
        self.rest.begin_batch();
        self.mark_shared();
    }

    fn has_room(&self, progress: &Progress) -> bool {
        let cells = progress.rows.len().saturating_mul(self.columns.len());
        progress.bytes + self.rest.batch_bytes() < BATCH_BYTES_MAX && cells < BATCH_CELLS_MAX
    }

    /// Takes rows and columns back as if they had not come.
    fn take_back(&mut self, rows: usize, found: usize) {
        if self.fields.columns().len() > found {
            self.fields.take_back(found);
            self.columns.truncate(found);
            self.mark_shared();
            self.shapes.forget();
        }
        for column in &mut self.columns {
            column.truncate(rows);
        }
    }

    fn mark_shared(&mut self) {
        for (column, source) in self.columns.iter_mut().zip(self.fields.columns()) {
            column.shared = source.is_sibling() && !source.declared;
        }
        for eldest in self.fields.eldest_with_siblings() {
            self.columns[eldest].shared = true;
        }
    }

    fn finish(&mut self, rows: usize) -> Result<(RecordBatch, Vec<SourceColumn>)> {
        let schema = to_arrow_schema(self.fields.columns());
        let found = self.fields.take_back(self.known);
        if !found.is_empty() {
            self.shapes.forget();
        }
        let columns = std::mem::take(&mut self.columns);
        self.busy = columns.iter().map(Column::is_touched).collect();
        let mut absent = Absent { rows, by_type: Vec::new() };
        let arrays = columns.into_iter().zip(schema.fields()).map(|(column, field)| match column.is_touched() {
            true => column.finish(rows),
            false => Ok(absent.array(field.data_type())),
        });
        let arrays = arrays.collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok((RecordBatch::try_new_with_options(schema, arrays, &options)?, found))
    }

    /// What came as one record. If it is not JSON through and through nothing of it is taken.
    fn payload(&mut self, payloads: &Payloads<'_>, index: u32, progress: &mut Progress) {
        let (rows, rejects, found) = (progress.rows.len(), progress.rejects.len(), self.fields.columns().len());
        let mut room = std::mem::take(&mut self.room);
        let text = payloads.text(index as usize, &mut room);
        progress.bytes += text.as_ref().map_or(0, |text| text.len());
        if let Err(flaw) = text.and_then(|text| self.records(text, index, progress)) {
            self.take_back(rows, found);
            progress.rows.truncate(rows);
            progress.rejects.truncate(rejects);
            progress.rejects.push(Reject { record: index, part: None, reason: flaw.to_string(), kind: flaw.kind() });
        }
        self.room = room;
    }

    /// One record, or some with nothing but white space between them, or arrays of records.
    fn records(&mut self, text: &str, index: u32, progress: &mut Progress) -> Result<(), Flaw> {
        let rejects = progress.rejects.len();
        let mut cursor = Cursor::new(text);
        let mut records = 0;
        self.rest.begin_payload();
        while cursor.at < text.len() {
            match (cursor.peek(), records) {
                (b'[', _) => self.array(&mut cursor, index, progress, &mut records)?,
                (b'{', _) | (_, 0) => self.one(&mut cursor, index, progress, &mut records)?,
                _ => return Err(Flaw::Malformed { expected: "another record or the end of the payload", at: cursor.at }),
            }
            cursor.skip_space();
        }
        match records {
            0 if text.trim_start_matches('\u{feff}').trim_ascii().is_empty() => return Err(Flaw::NoRecord("the record is empty")),
            0 => return Err(Flaw::NoRecord("the array has no records")),
            // One that came by itself is kept as it came.
            1 => progress.rejects[rejects..].iter_mut().for_each(|reject| reject.part = None),
            _ => {}
        }
        Ok(())
    }

    /// The records in the array at the cursor. It is no level of their depth.
    fn array(&mut self, cursor: &mut Cursor<'_>, index: u32, progress: &mut Progress, records: &mut usize) -> Result<(), Flaw> {
        cursor.at += 1;
        let mut behind = Behind::Opening;
        while cursor.next_element(behind)?.is_some() {
            self.one(cursor, index, progress, records)?;
            behind = Behind::Member;
        }
        cursor.at += 1;
        Ok(())
    }

    /// The record at the cursor. Where it does not fit the columns, it alone is rejected.
    fn one(&mut self, cursor: &mut Cursor<'_>, index: u32, progress: &mut Progress, records: &mut usize) -> Result<(), Flaw> {
        *records += 1;
        if *records > RECORDS_PER_PAYLOAD_MAX {
            return Err(Flaw::TooManyRecords);
        }
        let (before, row, found) = (*cursor, progress.rows.len(), self.fields.columns().len());
        match self.record(cursor, row) {
            Ok(()) => progress.rows.push(index),
            Err(flaw) if flaw.is_of_one_record() => {
                self.take_back(row, found);
                *cursor = before;
                cursor.skip_value()?;
                let part = Some(cursor.since(before.at).as_bytes().into());
                progress.rejects.push(Reject { record: index, part, reason: flaw.to_string(), kind: flaw.kind() });
            }
            Err(flaw) => return Err(flaw),
        }
        Ok(())
    }
}

/// Columns without a value, one for all that are of the same type: a source may have thousands, and a batch touch few of them.
struct Absent {
    rows: usize,
    by_type: Vec<(DataType, ArrayRef)>,
}

impl Absent {
    fn array(&mut self, data_type: &DataType) -> ArrayRef {
        if let Some((_, array)) = self.by_type.iter().find(|(known, _)| known == data_type) {
            return Arc::clone(array);
        }
        let array = new_null_array(data_type, self.rows);
        self.by_type.push((data_type.clone(), array.clone()));
        array
    }
}

#[cfg(test)]
mod tests {
    use super::super::shape::ROOT;
    use super::*;
    use crate::formats::RecordsBuilder;
    use crate::model::Position;

    #[test]
    fn the_same_columns_once_more_forget_no_shape() {
        let mut builder = RecordsBuilder::default();
        builder.push(br#"{"a":1}"#, &Position::new("1"), 0, None);
        let records = builder.finish();
        let mut decoder = JsonDecoder::new(&[], SchemaMode::Evolve, false);
        let found = decoder.decode(&records).unwrap().found;
        let follows = |decoder: &JsonDecoder| decoder.shapes.follow(ROOT, br#""a":1}"#, 0).is_some();

        decoder.set_columns(&found);
        assert!(!follows(&decoder), "the place of a key may be another with more columns");
        assert!(decoder.decode(&records).unwrap().found.is_empty());
        assert!(follows(&decoder));
        decoder.set_columns(&found);
        assert!(follows(&decoder));
        decoder.set_columns(&[&found[..], &[SourceColumn::found("b", crate::model::SqlType::Text)]].concat());
        assert!(!follows(&decoder));
    }
}
