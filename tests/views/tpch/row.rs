//! Rows as plain values, and batches of changes made of them.

use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Decimal128Array, Int32Array, Int64Array, RecordBatch, StringArray};
use lakewire::model::Changes;

use super::super::Step;
use super::table::{Kind, TABLES, Table};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// An integer, a number of cents, or a day since 1970, as the column has it.
    Number(i64),
    Text(String),
}

/// A row of the table with this place in `TABLES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    table: usize,
    values: Vec<Value>,
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_string())
    }
}

impl Row {
    pub fn new<const N: usize>(table: usize, values: [Value; N]) -> Row {
        assert_eq!(N, TABLES[table].columns.len(), "a value for each column of {}", TABLES[table].name);
        Row { table, values: values.into() }
    }

    pub fn number(&self, column: &str) -> i64 {
        match &self.values[TABLES[self.table].place(column)] {
            Value::Number(number) => *number,
            Value::Text(_) => panic!("{column} is a text"),
        }
    }

    pub fn with(&self, column: &str, value: impl Into<Value>) -> Row {
        let mut row = self.clone();
        row.values[TABLES[self.table].place(column)] = value.into();
        row
    }
}

/// What has happened and was not told yet.
#[derive(Default)]
pub struct Ledger(Vec<(Row, i64)>);

impl Ledger {
    pub fn insert(&mut self, row: &Row) {
        self.0.push((row.clone(), 1));
    }

    pub fn remove(&mut self, row: &Row) {
        self.0.push((row.clone(), -1));
    }

    /// The new row takes the place of the old one.
    pub fn update(&mut self, old: &mut Row, new: Row) {
        self.remove(old);
        self.insert(&new);
        *old = new;
    }

    /// What is in it, by table, and empties it.
    pub fn take(&mut self) -> Step {
        let entries = std::mem::take(&mut self.0);
        let of_table = |table: usize| entries.iter().filter(move |(row, _)| row.table == table).collect::<Vec<_>>();
        let changed = (0..TABLES.len()).map(of_table).zip(&TABLES).filter(|(entries, _)| !entries.is_empty());
        changed.map(|(entries, table)| (table.name, changes(table, &entries))).collect()
    }
}

fn changes(table: &Table, entries: &[&(Row, i64)]) -> Changes {
    let columns = (0..table.columns.len()).map(|place| column(table.columns[place].1, entries.iter().map(|(row, _)| &row.values[place])));
    let rows = RecordBatch::try_new(table.schema(), columns.collect()).expect("the columns are those of the schema");
    match entries.iter().all(|(_, weight)| *weight == 1) {
        true => Changes::inserted(rows),
        false => Changes::new(rows, entries.iter().map(|(_, weight)| Some(*weight)).collect()),
    }
}

fn column<'a>(kind: Kind, values: impl Iterator<Item = &'a Value>) -> ArrayRef {
    let number = |value: &Value| match value {
        Value::Number(number) => *number,
        Value::Text(text) => panic!("{text} is no number"),
    };
    match kind {
        Kind::BigInt => Arc::new(Int64Array::from_iter_values(values.map(number))),
        Kind::Int => Arc::new(Int32Array::from_iter_values(values.map(|value| number(value) as i32))),
        Kind::Date => Arc::new(Date32Array::from_iter_values(values.map(|value| number(value) as i32))),
        Kind::Money => {
            let cents = Decimal128Array::from_iter_values(values.map(|value| i128::from(number(value))));
            Arc::new(cents.with_precision_and_scale(15, 2).expect("cents fit"))
        }
        Kind::Text => Arc::new(StringArray::from_iter_values(values.map(|value| match value {
            Value::Text(text) => text.as_str(),
            Value::Number(number) => panic!("{number} is no text"),
        }))),
    }
}
