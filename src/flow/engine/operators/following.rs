//! Window functions that look back, or only so far ahead: a change costs the rows that come after it in its partition, not all of it.
//!
//! What was given is kept in the window's order. The rows from the first change on are computed again; what the functions made of all rows
//! before these stands in the last of them, and is handed on.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, RecordBatch, UInt32Array};
use arrow::compute::{SortOptions, concat_batches, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::encoder::Encoder;
use crate::flow::engine::ordered::{Ordered, behind_key};
use crate::flow::engine::program::Program;
use crate::flow::engine::state::State;
use crate::model::Changes;

/// The program's column that tells the rows to compute from those that are only looked at.
pub const FOLLOWS: &str = "__follows";
const PARTITION: &str = "__partition_number";

pub struct Following {
    program: Program,
    /// What was given, each row with its number in its partition at last.
    rows: Ordered,
    /// Of rows as they come: how the strings of `rows` begin, up to the order.
    place: Encoder,
    reach: RowReach,
    carried: Vec<usize>,
    /// The input's columns, and the number of the partition among those that were touched.
    numbered: SchemaRef,
    /// What the program is given.
    given: SchemaRef,
    schema: SchemaRef,
}

/// How many rows before it and after it the answer for a row depends on, but for what is carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowReach {
    pub before: usize,
    pub after: usize,
}

pub struct FollowingSpec {
    /// Is given the input's columns, `FOLLOWS`, and `before` of each of `carried`. Gives, for the rows that follow, the input's columns, those of
    /// the functions, and the number of the row in its partition.
    pub program: Program,
    pub input: SchemaRef,
    pub key: Vec<usize>,
    pub order: Vec<(usize, SortOptions)>,
    pub reach: RowReach,
    /// Columns of what the program gives, whose values in the row before are handed to it.
    pub carried: Vec<usize>,
}

/// The program's column with what a column of its result was in the row before those that it is given; null where there is none.
pub fn before(column: usize) -> String {
    format!("__before_{column}")
}

/// A partition, from a place on.
#[derive(Clone)]
struct Part {
    key: Box<[u8]>,
    from: Box<[u8]>,
}

/// Rows of the partitions that were touched.
struct Touched {
    /// The rows before those to compute.
    context: RecordBatch,
    context_parts: UInt32Array,
    /// What was given for the rows that are to be computed again.
    old: RecordBatch,
    old_parts: UInt32Array,
    /// The rows before the context, and which of them is each partition's.
    before: RecordBatch,
    before_parts: UInt32Array,
}

impl Following {
    pub fn new(spec: FollowingSpec) -> Result<Following> {
        let FollowingSpec { program, input, key, order, reach, carried } = spec;
        let rows = program.schema().clone();
        let number = rows.fields().len() - 1;
        let places = behind_key(&rows, &key, order);
        let in_order = places.iter().copied().chain([(number, SortOptions::default())]).collect();
        let with = |more: Vec<Field>| Arc::new(Schema::new([input.fields().to_vec(), more.into_iter().map(Arc::new).collect()].concat()));
        let follows = Field::new(FOLLOWS, DataType::Boolean, true);
        let befores = carried.iter().map(|column| Field::new(before(*column), rows.field(*column).data_type().clone(), true));
        Ok(Following {
            place: Encoder::ordered(&rows, key.clone(), places)?,
            numbered: with(vec![Field::new(PARTITION, DataType::UInt32, false)]),
            given: with([follows].into_iter().chain(befores).collect()),
            schema: Arc::new(rows.project(&(0..number).collect::<Vec<_>>())?),
            rows: Ordered::new(rows, key, in_order)?,
            program,
            reach,
            carried,
        })
    }

    /// The partitions of these rows, each from the first of them on, and which is each row's.
    fn parts_of(&self, rows: &RecordBatch) -> Result<(Vec<Part>, Vec<u32>)> {
        let (keys, places) = (self.rows.encode_keys(rows)?, self.place.encode(rows)?);
        let mut numbers: HashMap<&[u8], u32, foldhash::fast::RandomState> = HashMap::default();
        let mut parts: Vec<Part> = vec![];
        let mut part_of = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            let (key, place) = (keys.row(row), places.row(row));
            let number = *numbers.entry(key).or_insert(parts.len() as u32);
            match parts.get_mut(number as usize) {
                Some(part) if place < part.from.as_ref() => part.from = place.into(),
                Some(_) => {}
                None => parts.push(Part { key: key.into(), from: place.into() }),
            }
            part_of.push(number);
        }
        Ok((parts, part_of))
    }

    /// The same from the place on where the row stands that comes `count` rows earlier, or the first.
    fn earlier(&self, parts: &[Part], count: usize) -> Result<Vec<Part>> {
        if count == 0 {
            return Ok(parts.to_vec());
        }
        let nth = |part: &Part| self.rows.rows_between(&part.key, &part.from).rev().take(count).last().map(Box::<[u8]>::from);
        let rows: Vec<Option<Box<[u8]>>> = parts.iter().map(nth).collect();
        let found: Vec<&[u8]> = rows.iter().flatten().map(AsRef::as_ref).collect();
        let places = self.place.encode(&self.rows.decode(found.into_iter())?)?;
        let mut next = 0..;
        let place = |row: Option<Box<[u8]>>| row.and_then(|_| next.next()).map(|row| places.row(row).into());
        let places: Vec<Option<Box<[u8]>>> = rows.into_iter().map(place).collect();
        Ok(parts.iter().zip(places).map(|(part, place)| Part { key: part.key.clone(), from: place.unwrap_or(part.from.clone()) }).collect())
    }

    /// What is known of partitions that are computed again from a place on.
    fn touched(&self, parts: &[Part]) -> Result<Touched> {
        let contexts = self.earlier(parts, self.reach.before)?;
        let (mut rows, mut part_of): (Vec<&[u8]>, Vec<u32>) = (vec![], vec![]);
        for (number, (context, part)) in contexts.iter().zip(parts).enumerate() {
            rows.extend(self.rows.rows_between(&context.from, &part.from));
            part_of.resize(rows.len(), number as u32);
        }
        let context = rows.len();
        for (number, part) in parts.iter().enumerate() {
            rows.extend(self.rows.rows_from(&part.key, &part.from).map(|(row, _)| row));
            part_of.resize(rows.len(), number as u32);
        }
        let known = rows.len();
        let mut before_parts = Vec::with_capacity(parts.len());
        for context in &contexts {
            let before = self.rows.rows_between(&context.key, &context.from).next_back();
            before_parts.push(before.map(|_| (rows.len() - known) as u32));
            rows.extend(before);
        }
        let decoded = self.rows.decode(rows.into_iter())?;
        let old_parts = part_of.split_off(context);
        Ok(Touched {
            context: decoded.slice(0, context),
            context_parts: part_of.into(),
            old: decoded.slice(context, known - context),
            old_parts: old_parts.into(),
            before: decoded.slice(known, decoded.num_rows() - known),
            before_parts: before_parts.into(),
        })
    }

    /// The input's columns of these rows, with the partition of each.
    fn numbered(&self, rows: &RecordBatch, parts: UInt32Array) -> Result<RecordBatch> {
        let mut columns = rows.columns()[..self.numbered.fields().len() - 1].to_vec();
        columns.push(Arc::new(parts));
        Ok(RecordBatch::try_new(self.numbered.clone(), columns)?)
    }

    /// What the program runs over.
    fn given(&self, touched: &Touched, input: &Changes, part_of: Vec<u32>) -> Result<RecordBatch> {
        let old = Changes::inserted(self.numbered(&touched.old, touched.old_parts.clone())?);
        let new = input.with_rows(self.numbered(input.rows(), part_of.into())?);
        let rows = Changes::concat(&self.numbered, &[old, new])?;
        let rows = if input.are_inserts() { rows.rows().clone() } else { rows.consolidated()?.repeated()? };
        let context = self.numbered(&touched.context, touched.context_parts.clone())?;
        let all = concat_batches(&self.numbered, [&context, &rows])?;
        let (mut columns, parts) = (all.columns().to_vec(), all.column(all.num_columns() - 1));
        columns.pop();
        columns.push(Arc::new(BooleanArray::from_iter((0..all.num_rows()).map(|row| Some(row >= context.num_rows())))));
        let before = take(&touched.before_parts, parts, None)?;
        for column in &self.carried {
            columns.push(take(touched.before.column(*column), &before, None)?);
        }
        Ok(RecordBatch::try_new(self.given.clone(), columns)?)
    }

    /// What is given of changes of `rows`: all but the numbers.
    fn shown(&self, changes: &Changes) -> Result<Changes> {
        let columns: Vec<ArrayRef> = changes.rows().columns()[..self.schema.fields().len()].to_vec();
        let shown = changes.with_rows(RecordBatch::try_new(self.schema.clone(), columns)?);
        if shown.are_inserts() { Ok(shown) } else { shown.consolidated() }
    }
}

#[async_trait]
impl Operator for Following {
    async fn tick(&mut self, inputs: &[Changes], _: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("a window has one input") };
        if input.is_empty() {
            return Ok(Changes::empty(self.schema.clone()));
        }
        let (parts, part_of) = self.parts_of(input.rows())?;
        let touched = self.touched(&self.earlier(&parts, self.reach.after)?)?;
        let made = Changes::inserted(self.program.run([self.given(&touched, input, part_of)?]).await?);
        let changes = Changes::concat(self.program.schema(), &[Changes::removed(touched.old), made])?;
        let changes = if changes.are_inserts() { changes } else { changes.consolidated()? };
        self.rows.update(&changes)?;
        self.shown(&changes)
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("rows".to_string(), &mut self.rows)]
    }
}
