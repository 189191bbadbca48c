//! The decoder. `decode` goes through a batch, `record` through one record, `object` through its fields: the predicted ones by `expected`,
//! the others by `unexpected`. A value that is plainly of its column's type is taken right there; any other is `place`d with care.

use std::borrow::Cow;

use arrow::array::{Array, BinaryArray, RecordBatch, RecordBatchOptions};

use crate::error::Result;
use crate::formats::{Decoded, Records, Reject};
use crate::model::column::{REST_COLUMN, to_arrow_schema};
use crate::model::name::NAME_BYTES_MAX;
use crate::model::{SchemaMode, SourceColumn};

use super::column::Column;
use super::fields::{self, FieldId, Fields, Place};
use super::flaw::Flaw;
use super::rest::Rest;
use super::scan::{Behind, Cursor};
use super::shape::{ROOT, Shapes, StepId};
use super::value::{Reading, Value};

/// A longer record is rejected.
pub const RECORD_BYTES_MAX: usize = 8 << 20;

/// Turns records into columns. One per reader; it remembers what records look like, which changes its speed and nothing else.
pub struct JsonDecoder {
    fields: Fields,
    /// The columns that are not only found in the batch at hand.
    known: usize,
    nesting: Nesting,
    shapes: Shapes,
    /// By slot, while a batch is decoded.
    columns: Vec<Column>,
    rows_expected: usize,
    rest: Rest,
    /// The names of the objects we are in, each with `_` behind it, where objects become columns.
    path: String,
    folded: String,
}

/// What becomes of an object in a field that was not declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nesting {
    /// It is one json value.
    Kept,
    /// Its fields become columns.
    Flattened,
}

/// A field whose value is being read.
struct Field<'n> {
    /// As it is spelled, with the objects it is in.
    name: &'n str,
    step: StepId,
    place: Place,
}

/// Where we are in an object.
struct Trail {
    opened: StepId,
    last: StepId,
    behind: Behind,
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
            rows_expected: 0,
            rest: Rest::default(),
            path: String::new(),
            folded: String::new(),
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

    /// Decodes with the present columns. Those that the records have beside them are in the result and nowhere else: the caller makes them
    /// durable and calls `set_columns`.
    pub fn decode(&mut self, records: &Records) -> Result<Decoded> {
        self.begin(records.len());
        let payloads = Payloads::new(&records.payload);
        let mut rows = Vec::with_capacity(records.len());
        let mut rejects = Vec::new();
        for record in 0..records.len() {
            let found = self.fields.columns().len();
            match payloads.text(record).and_then(|text| self.record(text, rows.len())) {
                Ok(()) => rows.push(record as u32),
                Err(flaw) => {
                    self.take_back(rows.len(), found);
                    rejects.push(Reject { record: record as u32, reason: flaw.to_string() });
                }
            }
        }
        self.shapes.reconsider(records.len());
        let (batch, found) = self.finish(rows.len())?;
        Ok(Decoded { batch, rows, found, rejects })
    }

    fn begin(&mut self, records: usize) {
        self.rows_expected = records;
        self.columns = self.fields.columns().iter().map(|column| Column::new(&column.data_type, records)).collect();
        self.mark_shared();
    }

    /// Takes a record back as if it had not come.
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
        let arrays = columns.into_iter().map(|column| column.finish(rows)).collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok((RecordBatch::try_new_with_options(schema, arrays, &options)?, found))
    }

    fn record(&mut self, text: &str, row: usize) -> Result<(), Flaw> {
        self.rest.clear();
        self.path.clear();
        let mut cursor = Cursor::new(text);
        if cursor.peek() != b'{' {
            return Err(not_an_object(&cursor));
        }
        self.object(&mut cursor, ROOT, row)?;
        cursor.finish()?;
        self.store_rest(row)?;
        self.require_values(row)
    }

    /// Reads the object at the cursor, which `opened` stands for.
    fn object(&mut self, cursor: &mut Cursor<'_>, opened: StepId, row: usize) -> Result<(), Flaw> {
        cursor.enter()?;
        let mut trail = Trail { opened, last: opened, behind: Behind::Opening };
        while cursor.peek() != b'}' {
            match self.shapes.follow(trail.last, cursor.bytes(), cursor.at) {
                Some((step, value)) => {
                    cursor.at = value;
                    self.expected(step, cursor, row)?;
                    trail.last = step;
                }
                None => match self.unexpected(&trail, cursor, row)? {
                    Some(step) => trail.last = step,
                    None => break,
                },
            }
            trail.behind = Behind::Member;
        }
        cursor.leave();
        Ok(())
    }

    #[inline]
    fn expected(&mut self, step: StepId, cursor: &mut Cursor<'_>, row: usize) -> Result<(), Flaw> {
        let place = self.shapes.place(step);
        if let Some(end) = self.take(place, cursor, row) {
            cursor.at = end;
            return Ok(());
        }
        // The literal of the step may stop before blanks that this record has.
        cursor.skip_space();
        if cursor.is_at("null") {
            cursor.at += "null".len();
            return Ok(());
        }
        let name = self.shapes.name(step);
        self.value(Field { name: &name, step, place }, cursor, row)
    }

    /// Takes the value at the cursor if it is plainly one for the column at this place.
    #[inline]
    fn take(&mut self, place: Place, cursor: &Cursor<'_>, row: usize) -> Option<usize> {
        match place {
            Place::Declared(slot) => self.columns[slot].take(cursor, row),
            Place::Found { .. } if self.nesting == Nesting::Flattened && cursor.peek() == b'{' => None,
            Place::Found { eldest, .. } => self.columns[eldest].take(cursor, row),
            Place::New | Place::Rest | Place::Skipped => None,
        }
    }

    /// Reads a key that no shape foretold, if there is one, and its value.
    fn unexpected(&mut self, trail: &Trail, cursor: &mut Cursor<'_>, row: usize) -> Result<Option<StepId>, Flaw> {
        let start = cursor.at;
        let Some(key) = cursor.next_key(trail.behind)? else { return Ok(None) };
        let mut name = key.value();
        if !self.path.is_empty() {
            name = Cow::Owned(format!("{}{name}", self.path));
        }
        let place = self.fields.place(fields::fold(&name, &mut self.folded));
        let step = self.shapes.learn(trail.opened, trail.last, cursor.since(start), &name, place);
        self.value(Field { name: &name, step, place }, cursor, row)?;
        Ok(Some(step))
    }

    fn value(&mut self, field: Field<'_>, cursor: &mut Cursor<'_>, row: usize) -> Result<(), Flaw> {
        if cursor.peek() == b'{' && self.is_flattened(&field) {
            return self.nested(&field, cursor, row);
        }
        if field.place == Place::Skipped {
            return cursor.skip_value();
        }
        let start = cursor.at;
        let value = Value::read(cursor)?;
        match value {
            Value::Null => Ok(()),
            value => self.place(&field, &value, cursor.since(start), row),
        }
    }

    /// A name that is too long is not carried on: what is in the object would only go to `_rest` with ever longer names.
    fn is_flattened(&self, field: &Field<'_>) -> bool {
        self.nesting == Nesting::Flattened && !matches!(field.place, Place::Declared(_)) && field.name.len() <= NAME_BYTES_MAX
    }

    fn nested(&mut self, field: &Field<'_>, cursor: &mut Cursor<'_>, row: usize) -> Result<(), Flaw> {
        let outside = self.path.len();
        self.path.push_str(&field.name[outside..]);
        self.path.push('_');
        let inside = self.shapes.enter(field.step);
        self.object(cursor, inside, row)?;
        self.path.truncate(outside);
        Ok(())
    }

    /// Stores a value that is not null. Of several values of one field the first is the field's; the others are in `_rest`.
    fn place(&mut self, field: &Field<'_>, value: &Value<'_>, source: &str, row: usize) -> Result<(), Flaw> {
        let stored = match field.place {
            Place::Declared(slot) => self.put(slot, value, source, row)?,
            Place::Found { field, .. } => self.hold(field, value, row),
            Place::New => return self.place_new(field, value, source, row),
            Place::Rest | Place::Skipped => false,
        };
        if stored { Ok(()) } else { self.keep_in_rest(field.name, source) }
    }

    /// The field had no column when its key was learned; it may have one now.
    fn place_new(&mut self, field: &Field<'_>, value: &Value<'_>, source: &str, row: usize) -> Result<(), Flaw> {
        let folded = fields::fold(field.name, &mut self.folded);
        if let (Place::New, Some(reading)) = (self.fields.place(folded), Reading::of(value)) {
            match self.fields.find(folded, &reading) {
                Some(slot) => self.grow(slot),
                None => return self.keep_in_rest(field.name, source),
            }
        }
        let place = self.fields.place(fields::fold(field.name, &mut self.folded));
        self.shapes.set_place(field.step, place);
        self.place(&Field { place, ..*field }, value, source, row)
    }

    /// Puts a value into a declared column, unless that has its value.
    fn put(&mut self, slot: usize, value: &Value<'_>, source: &str, row: usize) -> Result<bool, Flaw> {
        if self.columns[slot].has(row) {
            return Ok(false);
        }
        let column = &self.fields.columns()[slot];
        let misfit = |_| Flaw::Refused(format!("column \"{}\" is {}, the record has {value}", column.name, column.data_type));
        self.columns[slot].put(value, source, row).map_err(misfit)?;
        Ok(true)
    }

    /// Puts a value into the first of a field's columns that holds it, or into a new sibling, unless one of them has its value.
    fn hold(&mut self, field: FieldId, value: &Value<'_>, row: usize) -> bool {
        let slots = self.fields.readings(field);
        let Some(reading) = Reading::of(value).filter(|_| !slots.iter().any(|slot| self.columns[*slot].has(row))) else { return false };
        if slots.iter().any(|slot| self.columns[*slot].hold(&reading, row)) {
            return true;
        }
        let eldest = slots[0];
        let Some(sibling) = self.fields.find_sibling(field, &reading) else { return false };
        self.grow(sibling);
        self.columns[eldest].shared = true;
        self.columns[sibling].shared = true;
        self.columns[sibling].hold(&reading, row)
    }

    /// Makes the column that was found at this slot.
    fn grow(&mut self, slot: usize) {
        if slot == self.columns.len() {
            self.columns.push(Column::new(&self.fields.columns()[slot].data_type, self.rows_expected));
        }
    }

    fn keep_in_rest(&mut self, name: &str, json: &str) -> Result<(), Flaw> {
        if self.fields.mode() == SchemaMode::Fixed {
            return Ok(());
        }
        let slot = self.fields.rest();
        self.grow(slot);
        self.rest.push(name, json).map_err(|_| no_room_for_rest())
    }

    fn store_rest(&mut self, row: usize) -> Result<(), Flaw> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let slot = self.fields.rest();
        let json = self.rest.to_json();
        if self.columns[slot].hold(&Reading::Json(&json), row) { Ok(()) } else { Err(no_room_for_rest()) }
    }

    fn require_values(&self, row: usize) -> Result<(), Flaw> {
        match self.fields.required().iter().find(|slot| !self.columns[**slot].has(row)) {
            None => Ok(()),
            Some(slot) => {
                let column = &self.fields.columns()[*slot];
                Err(Flaw::Refused(format!("column \"{}\" is not null, the record has no value for it", column.name)))
            }
        }
    }
}

fn not_an_object(cursor: &Cursor<'_>) -> Flaw {
    let found = match cursor.peek() {
        _ if cursor.at == cursor.text().len() => return Flaw::Refused("the record is empty".to_string()),
        b'[' => "an array",
        b'"' => "a string",
        b'-' | b'0'..=b'9' => "a number",
        _ => "something else",
    };
    Flaw::Refused(format!("the record is not a JSON object: {found} begins at byte {}", cursor.at + 1))
}

fn no_room_for_rest() -> Flaw {
    Flaw::Refused(format!("column \"{REST_COLUMN}\" has no room for the fields that can be no columns"))
}

/// The payloads of a batch as text. Checked as a whole, for one long check is cheaper than many short ones.
struct Payloads<'a> {
    array: &'a BinaryArray,
    /// The bytes of all payloads, if they are UTF-8.
    text: Option<&'a str>,
}

impl<'a> Payloads<'a> {
    fn new(array: &'a BinaryArray) -> Payloads<'a> {
        let ends = array.value_offsets();
        let bytes = &array.value_data()[ends[0] as usize..ends[array.len()] as usize];
        Payloads { array, text: std::str::from_utf8(bytes).ok() }
    }

    fn text(&self, record: usize) -> Result<&'a str, Flaw> {
        let ends = self.array.value_offsets();
        let [from, to] = [ends[record], ends[record + 1]].map(|end| (end - ends[0]) as usize);
        if to - from > RECORD_BYTES_MAX {
            return Err(Flaw::Refused(format!("the record has {} bytes, more than the {RECORD_BYTES_MAX} that are read", to - from)));
        }
        // A payload that ends within a character is good as a part of the whole, but not by itself.
        match self.text.and_then(|text| text.get(from..to)) {
            Some(text) => Ok(text),
            None => std::str::from_utf8(self.array.value(record)).map_err(|error| Flaw::InvalidUtf8 { at: error.valid_up_to() }),
        }
    }
}

#[cfg(test)]
mod tests {
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
