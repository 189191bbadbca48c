//! Which column a field's values go to, and which columns there are. Columns that a batch finds stand at the end and can be taken back.

use std::collections::{HashMap, HashSet};

use crate::model::column::{METADATA_COLUMNS, REST_COLUMN};
use crate::model::name::NAME_BYTES_MAX;
use crate::model::{SchemaMode, SourceColumn, SqlType};

use super::value::Reading;

/// Columns of one source. What comes after goes to `_rest`, for which there is always room.
pub const COLUMNS_MAX: usize = 2000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldId(u32);

/// Where the values of a field go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// To the one column that was declared for it.
    Declared(usize),
    /// To the columns that were found for it, the eldest of which is `eldest`.
    Found { field: FieldId, eldest: usize },
    /// To a column that is found when its first value comes.
    New,
    /// To `_rest`: the name can be no column.
    Rest,
    /// Nowhere: the columns are fixed.
    Skipped,
}

pub struct Fields {
    mode: SchemaMode,
    columns: Vec<SourceColumn>,
    names: HashSet<String>,
    places: HashMap<String, Place>,
    /// By `FieldId`: the columns of a found field, in their order.
    readings: Vec<Vec<usize>>,
    /// The columns that were declared `NOT NULL`.
    required: Vec<usize>,
    rest: Option<usize>,
}

impl Fields {
    pub fn new(columns: &[SourceColumn], mode: SchemaMode) -> Fields {
        let (names, places) = (HashSet::new(), HashMap::new());
        let mut fields = Fields { mode, columns: Vec::new(), names, places, readings: Vec::new(), required: Vec::new(), rest: None };
        for column in columns {
            fields.add(column.clone());
        }
        fields
    }

    pub fn columns(&self) -> &[SourceColumn] {
        &self.columns
    }

    pub fn mode(&self) -> SchemaMode {
        self.mode
    }

    /// The columns that were declared `NOT NULL`.
    pub fn required(&self) -> &[usize] {
        &self.required
    }

    /// The first columns of the fields that have more than one.
    pub fn eldest_with_siblings(&self) -> impl Iterator<Item = usize> {
        self.readings.iter().filter(|slots| slots.len() > 1).map(|slots| slots[0])
    }

    /// Where the values of a field go whose name, folded to lower case, is `folded`.
    pub fn place(&self, folded: &str) -> Place {
        match (self.places.get(folded), self.mode) {
            (Some(place), _) => *place,
            (None, SchemaMode::Fixed) => Place::Skipped,
            (None, SchemaMode::Evolve) if is_usable(folded) => Place::New,
            (None, SchemaMode::Evolve) => Place::Rest,
        }
    }

    /// The columns of a found field, in their order.
    pub fn readings(&self, field: FieldId) -> &[usize] {
        &self.readings[field.0 as usize]
    }

    /// Finds the first column of a field. `None` if there can be no more columns or the name is another field's sibling.
    pub fn find(&mut self, folded: &str, reading: &Reading<'_>) -> Option<usize> {
        self.find_column(SourceColumn::found(folded, reading.data_type()))
    }

    /// Finds the column for a reading that no column of the field holds.
    pub fn find_sibling(&mut self, field: FieldId, reading: &Reading<'_>) -> Option<usize> {
        let eldest = self.readings(field)[0];
        self.find_column(SourceColumn::sibling(&self.columns[eldest].field, reading.data_type()))
    }

    /// The column `_rest`, which is found when it is first needed.
    pub fn rest(&mut self) -> usize {
        match self.rest {
            Some(slot) => slot,
            None => self.add(SourceColumn::found(REST_COLUMN, SqlType::Json)),
        }
    }

    /// Takes back all columns but the first `count`, and gives them away.
    pub fn take_back(&mut self, count: usize) -> Vec<SourceColumn> {
        let taken = self.columns.split_off(count);
        if !taken.is_empty() {
            let kept = std::mem::take(&mut self.columns);
            *self = Fields::new(&kept, self.mode);
        }
        taken
    }

    fn find_column(&mut self, column: SourceColumn) -> Option<usize> {
        let room_for_rest = self.rest.is_none() as usize;
        let refused =
            column.name.len() > NAME_BYTES_MAX || self.names.contains(&column.name) || self.columns.len() + room_for_rest >= COLUMNS_MAX;
        (!refused).then(|| self.add(column))
    }

    fn add(&mut self, column: SourceColumn) -> usize {
        let slot = self.columns.len();
        match (column.name.as_str(), column.declared) {
            (REST_COLUMN, _) => self.rest = Some(slot),
            (_, true) => {
                self.places.entry(column.field.clone()).or_insert(Place::Declared(slot));
            }
            (_, false) => self.add_reading(&column.field, slot),
        }
        if column.not_null {
            self.required.push(slot);
        }
        self.names.insert(column.name.clone());
        self.columns.push(column);
        slot
    }

    fn add_reading(&mut self, field: &str, slot: usize) {
        match self.places.get(field) {
            Some(Place::Found { field, .. }) => self.readings[field.0 as usize].push(slot),
            Some(_) => {}
            None => {
                let place = Place::Found { field: FieldId(self.readings.len() as u32), eldest: slot };
                self.places.insert(field.to_string(), place);
                self.readings.push(vec![slot]);
            }
        }
    }
}

/// Folds a field's name to lower case, as an unquoted SQL name is.
pub fn fold<'s>(name: &str, folded: &'s mut String) -> &'s str {
    folded.clear();
    match name.is_ascii() {
        true => {
            folded.push_str(name);
            folded.make_ascii_lowercase();
        }
        // The whole name at once, for the lower case of a final sigma depends on what is before it.
        false => folded.push_str(&name.to_lowercase()),
    }
    folded
}

fn is_usable(folded: &str) -> bool {
    let is_reserved = METADATA_COLUMNS.contains(&folded) || folded == REST_COLUMN;
    !is_reserved && !folded.is_empty() && folded.len() <= NAME_BYTES_MAX && !folded.chars().any(char::is_control)
}
