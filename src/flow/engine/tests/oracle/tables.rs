//! The tables of the oracle, and their rows: few values, so that keys meet, ties happen and groups become empty.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, Int64Builder, ListBuilder, RecordBatch,
    StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::ast::Type;
use super::dice::Dice;

pub struct Table {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Type)],
    /// Whether its first column is another for each row.
    pub has_id: bool,
}

pub const TABLES: [Table; 3] = [
    Table {
        name: "a",
        columns: &[
            ("id", Type::Int),
            ("k", Type::Int),
            ("v", Type::Int),
            ("z", Type::Big),
            ("f", Type::Float),
            ("d", Type::Decimal),
            ("p", Type::Bool),
            ("s", Type::Text),
            ("t", Type::Time),
            ("e", Type::Date),
        ],
        has_id: true,
    },
    Table {
        name: "b",
        columns: &[
            ("id", Type::Int),
            ("k", Type::Int),
            ("w", Type::Int),
            ("i", Type::Small),
            ("s", Type::Text),
            ("g", Type::Ints),
            ("t", Type::Time),
        ],
        has_id: true,
    },
    Table { name: "c", columns: &[("k", Type::Int), ("i", Type::Small), ("s", Type::Text), ("f", Type::Float)], has_id: false },
];

impl Table {
    pub fn time(&self) -> Option<usize> {
        self.columns.iter().position(|(name, _)| *name == "t")
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    /// Of `Int`, `Small`, `Big`, `Time` (microseconds), `Date` (days), `Decimal` (hundredths), `Bool` (0 or 1), `Float` (quarters).
    Number(i64),
    Text(&'static str),
    Ints(Vec<Option<i64>>),
}

pub type Row = Vec<Cell>;

const WORDS: [&str; 6] = ["ant", "bee", "", "Ant", "a_b", "elk"];
const BIG: [i64; 4] = [i64::MAX, i64::MIN, i64::MAX - 1, 0];
pub const MINUTE_MICROS: i64 = 60_000_000;

/// A row of a table, whose first column is `id` if the table has one.
pub fn row(dice: &mut Dice, table: &Table, id: i64) -> Row {
    let cells = table.columns.iter().enumerate().map(|(place, (_, ty))| match table.has_id && place == 0 {
        true => Cell::Number(id),
        false => cell(dice, *ty),
    });
    cells.collect()
}

pub fn cell(dice: &mut Dice, ty: Type) -> Cell {
    if dice.one_in(8) {
        return Cell::Null;
    }
    match ty {
        Type::Int | Type::Small => Cell::Number(match dice.one_in(3) {
            true => dice.below(20) as i64 - 10,
            false => dice.below(4) as i64,
        }),
        Type::Big => Cell::Number(*dice.pick(&BIG)),
        Type::Float | Type::Ratio | Type::Real => Cell::Number(dice.below(64) as i64 - 32),
        Type::Decimal => Cell::Number(dice.below(40) as i64 * 25 - 500),
        Type::Bool => Cell::Number(dice.below(2) as i64),
        Type::Text => Cell::Text(dice.pick::<&str>(&WORDS)),
        Type::Time => Cell::Number(dice.below(100) as i64 * MINUTE_MICROS),
        Type::Date => Cell::Number(dice.below(3) as i64),
        Type::Ints => Cell::Ints((0..dice.below(4)).map(|_| (!dice.one_in(6)).then(|| dice.below(4) as i64)).collect()),
    }
}

pub fn schema(table: &Table) -> SchemaRef {
    let field = |(place, (name, ty)): (usize, &(&str, Type))| Field::new(*name, data_type(*ty), !(table.has_id && place == 0));
    Arc::new(Schema::new(table.columns.iter().enumerate().map(field).collect::<Vec<_>>()))
}

fn data_type(ty: Type) -> DataType {
    match ty {
        Type::Int | Type::Big => DataType::Int64,
        Type::Small => DataType::Int32,
        Type::Float | Type::Ratio | Type::Real => DataType::Float64,
        Type::Decimal => DataType::Decimal128(10, 2),
        Type::Bool => DataType::Boolean,
        Type::Text => DataType::Utf8,
        Type::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Type::Date => DataType::Date32,
        Type::Ints => DataType::new_list(DataType::Int64, true),
    }
}

pub fn batch(table: &Table, rows: &[&Row]) -> RecordBatch {
    let columns = table.columns.iter().enumerate().map(|(place, (_, ty))| array(*ty, rows.iter().map(|row| &row[place])));
    RecordBatch::try_new(schema(table), columns.collect()).unwrap()
}

fn array<'a>(ty: Type, cells: impl Iterator<Item = &'a Cell>) -> ArrayRef {
    let cells: Vec<_> = cells.collect();
    let numbers = || {
        cells.iter().map(|cell| match cell {
            Cell::Number(number) => Some(*number),
            _ => None,
        })
    };
    match ty {
        Type::Int | Type::Big => Arc::new(Int64Array::from_iter(numbers())),
        Type::Small => Arc::new(Int32Array::from_iter(numbers().map(|number| number.map(|number| number as i32)))),
        Type::Float | Type::Ratio | Type::Real => {
            Arc::new(Float64Array::from_iter(numbers().map(|number| number.map(|number| number as f64 / 4.0))))
        }
        Type::Decimal => {
            let values = Decimal128Array::from_iter(numbers().map(|number| number.map(i128::from)));
            Arc::new(values.with_precision_and_scale(10, 2).unwrap())
        }
        Type::Bool => Arc::new(BooleanArray::from_iter(numbers().map(|number| number.map(|number| number == 1)))),
        Type::Text => Arc::new(StringArray::from_iter(cells.iter().map(|cell| match cell {
            Cell::Text(word) => Some(*word),
            _ => None,
        }))),
        Type::Time => Arc::new(TimestampMicrosecondArray::from_iter(numbers()).with_timezone("UTC")),
        Type::Date => Arc::new(Date32Array::from_iter(numbers().map(|number| number.map(|number| number as i32)))),
        Type::Ints => {
            let mut lists = ListBuilder::new(Int64Builder::new());
            for cell in cells {
                match cell {
                    Cell::Ints(values) => lists.append_value(values.iter().copied()),
                    _ => lists.append_null(),
                }
            }
            Arc::new(lists.finish())
        }
    }
}
