//! One record: `object` goes through its fields, the predicted ones by `expected`, the others by `unexpected`. A value that is plainly of its
//! column's type is taken right there; any other is `place`d with care.

use std::borrow::Cow;

use crate::model::SchemaMode;
use crate::model::name::NAME_BYTES_MAX;

use super::column::Column;
use super::decoder::{JsonDecoder, Nesting};
use super::fields::{self, FieldId, Place};
use super::flaw::Flaw;
use super::payload::RECORD_BYTES_MAX;
use super::scan::{Behind, Cursor};
use super::shape::{ROOT, StepId};
use super::value::{Reading, Value};

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
    /// Reads the record at the cursor into this row. After a flaw the row must be taken back.
    pub(super) fn record(&mut self, cursor: &mut Cursor<'_>, row: usize) -> Result<(), Flaw> {
        self.rest.begin_record();
        self.path.clear();
        let start = cursor.at;
        if cursor.peek() != b'{' {
            return Err(not_an_object(cursor));
        }
        self.object(cursor, ROOT, row)?;
        if cursor.at - start > RECORD_BYTES_MAX {
            return Err(Flaw::TooLong { bytes: cursor.at - start });
        }
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
        let misfit = |_| unfit(&column.name, format!("{}, the record has {value}", column.data_type));
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
            self.columns.push(Column::new(&self.fields.columns()[slot].data_type, 0));
        }
    }

    fn keep_in_rest(&mut self, name: &str, json: &str) -> Result<(), Flaw> {
        if self.fields.mode() == SchemaMode::Fixed {
            return Ok(());
        }
        let slot = self.fields.rest();
        self.grow(slot);
        self.rest.push(name, json).map_err(|_| Flaw::NoRoomForRest)
    }

    fn store_rest(&mut self, row: usize) -> Result<(), Flaw> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let slot = self.fields.rest();
        let json = self.rest.to_json();
        if self.columns[slot].hold(&Reading::Json(&json), row) { Ok(()) } else { Err(Flaw::NoRoomForRest) }
    }

    fn require_values(&self, row: usize) -> Result<(), Flaw> {
        match self.fields.required().iter().find(|slot| !self.columns[**slot].has(row)) {
            None => Ok(()),
            Some(slot) => {
                let column = &self.fields.columns()[*slot];
                Err(unfit(&column.name, "not null, the record has no value for it".to_string()))
            }
        }
    }
}

fn unfit(column: &str, what: String) -> Flaw {
    Flaw::Unfit { column: column.to_string(), what }
}

fn not_an_object(cursor: &Cursor<'_>) -> Flaw {
    let found = match cursor.peek() {
        b'[' => "an array",
        b'"' => "a string",
        b'-' | b'0'..=b'9' => "a number",
        _ => "something else",
    };
    Flaw::NotAnObject { found, at: cursor.at }
}
