//! Aggregates that can take back what they took in: counts, sums, averages, variances. Also DISTINCT, which is a count that nobody sees.
//!
//! A group has a number, and each aggregate has its state in plain vectors at that number. A tick costs the rows that came and the groups
//! that they touch, whatever the number of groups.

mod accumulator;
mod average;
mod count;
mod exact_float;
mod spread;
mod sum;
mod truth;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{and, take};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::physical_expr::PhysicalExpr;

use super::{Moment, Operator};
use crate::error::Result;
use crate::flow::engine::encoder::Encoder;
use crate::flow::engine::interner::{Interner, Number};
use crate::flow::engine::program::{evaluate, met};
use crate::flow::engine::state::State;
use crate::model::Changes;

pub use accumulator::{Accumulator, accumulator_for};

/// An aggregate: what it is computed from, and what it knows of each group.
pub struct Aggregate {
    /// A row counts if none of these is null.
    pub arguments: Vec<Arc<dyn PhysicalExpr>>,
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    pub accumulator: Box<dyn Accumulator>,
}

pub struct Linear {
    groups: Groups,
    /// One row, whether there is input or not: an aggregate without GROUP BY.
    is_global: bool,
}

/// All groups, as they are saved.
struct Groups {
    key: Encoder,
    numbers: Interner,
    /// By group: rows in it.
    counts: Vec<i64>,
    aggregates: Vec<Aggregate>,
    schema: SchemaRef,
    saved_schema: SchemaRef,
    /// Groups that changed since the state was saved, and the keys of those that went.
    dirty: Vec<Number>,
    is_dirty: Vec<bool>,
    gone: Vec<Box<[u8]>>,
}

impl Linear {
    /// Groups rows by the columns `key` of the input. The result has these columns and then one for each aggregate, as `schema` says.
    pub fn new(input: &Schema, key: Vec<usize>, aggregates: Vec<Aggregate>, schema: SchemaRef) -> Result<Linear> {
        let is_global = key.is_empty();
        let mut fields = schema.fields()[..key.len()].to_vec();
        fields.push(Arc::new(Field::new("count", DataType::Int64, false)));
        for (number, aggregate) in aggregates.iter().enumerate() {
            let types = aggregate.accumulator.state_types().into_iter().enumerate();
            fields.extend(types.map(|(part, data_type)| Arc::new(Field::new(format!("{number}.{part}"), data_type, true))));
        }
        let groups = Groups {
            key: Encoder::new(input, key)?,
            numbers: Interner::default(),
            counts: vec![],
            aggregates,
            schema,
            saved_schema: Arc::new(Schema::new(fields)),
            dirty: vec![],
            is_dirty: vec![],
            gone: vec![],
        };
        Ok(Linear { groups, is_global })
    }

    fn lives(&self, group: Number) -> bool {
        self.groups.counts[group as usize] > 0 || self.is_global
    }
}

#[async_trait]
impl Operator for Linear {
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("an aggregate has one input") };
        let begins = moment.is_first && self.is_global;
        if input.is_empty() && !begins {
            return Ok(Changes::empty(self.groups.schema.clone()));
        }
        let groups = &mut self.groups;
        let mut touched = Touched::default();
        let numbers = groups.intern(input.rows(), &mut touched)?;
        if begins {
            groups.intern_bytes(&[], &mut touched);
        }
        let lived: Vec<bool> = touched.groups.iter().map(|group| !touched.is_new(*group) && self.lives(*group)).collect();
        let before = self.groups.results(&chosen(&touched.groups, &lived))?;
        self.groups.add(input, &numbers)?;
        let lives: Vec<bool> = touched.groups.iter().map(|group| self.lives(*group)).collect();
        let after = self.groups.results(&chosen(&touched.groups, &lives))?;
        let changes = self.groups.difference(&touched.groups, (&lived, before), (&lives, after))?;
        for (group, _) in touched.groups.iter().zip(&lives).filter(|(_, lives)| !**lives) {
            self.groups.remove(*group);
        }
        Ok(changes)
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("groups".to_string(), &mut self.groups)]
    }
}

/// The groups of a tick, each once, in the order they were met.
#[derive(Default)]
struct Touched {
    groups: Vec<Number>,
    seen: std::collections::HashMap<Number, bool, foldhash::fast::RandomState>,
}

impl Touched {
    fn meet(&mut self, group: Number, is_new: bool) {
        if let std::collections::hash_map::Entry::Vacant(entry) = self.seen.entry(group) {
            entry.insert(is_new);
            self.groups.push(group);
        }
    }

    fn is_new(&self, group: Number) -> bool {
        self.seen.get(&group).copied().unwrap_or(false)
    }
}

fn chosen(groups: &[Number], which: &[bool]) -> Vec<Number> {
    groups.iter().zip(which).filter(|(_, chosen)| **chosen).map(|(group, _)| *group).collect()
}

impl Groups {
    /// The group of each row.
    fn intern(&mut self, rows: &RecordBatch, touched: &mut Touched) -> Result<Vec<Number>> {
        let keys = self.key.encode(rows)?;
        Ok((0..rows.num_rows()).map(|row| self.intern_bytes(keys.row(row), touched)).collect())
    }

    fn intern_bytes(&mut self, key: &[u8], touched: &mut Touched) -> Number {
        let (group, is_new) = self.numbers.intern(key);
        if is_new {
            self.make_room(group);
            self.mark_dirty(group);
        }
        touched.meet(group, is_new);
        group
    }

    fn make_room(&mut self, group: Number) {
        let count = self.numbers.numbers();
        self.counts.resize(count, 0);
        self.is_dirty.resize(count, false);
        self.counts[group as usize] = 0;
        for aggregate in &mut self.aggregates {
            aggregate.accumulator.clear(group as usize, count);
        }
    }

    fn mark_dirty(&mut self, group: Number) {
        if !std::mem::replace(&mut self.is_dirty[group as usize], true) {
            self.dirty.push(group);
        }
    }

    fn add(&mut self, input: &Changes, groups: &[Number]) -> Result<()> {
        for (row, group) in groups.iter().enumerate() {
            self.counts[*group as usize] += input.weight(row);
            self.mark_dirty(*group);
        }
        let weights = input.weights();
        for aggregate in &mut self.aggregates {
            let values = aggregate.arguments.iter().map(|argument| evaluate(argument, input.rows())).collect::<Result<Vec<_>>>()?;
            let counted = counted(&values, aggregate.filter.as_ref(), input.rows())?;
            let rows = Rows { groups, weights: weights.values(), counted: counted.as_ref() };
            aggregate.accumulator.add(&values, &rows)?;
        }
        Ok(())
    }

    /// The rows of the result for these groups.
    fn results(&self, groups: &[Number]) -> Result<Vec<ArrayRef>> {
        let mut columns = self.key.decode(groups.iter().map(|group| self.numbers.get(*group)))?;
        for aggregate in &self.aggregates {
            columns.push(aggregate.accumulator.result(groups)?);
        }
        Ok(columns)
    }

    /// What came and what went: `before` has the groups of `touched` that lived, `after` those that live. What is the same in both is left out.
    fn difference(
        &self,
        touched: &[Number],
        (lived, before): (&[bool], Vec<ArrayRef>),
        (lives, after): (&[bool], Vec<ArrayRef>),
    ) -> Result<Changes> {
        let gone = self.batch(before, chosen(touched, lived).len())?;
        let come = self.batch(after, chosen(touched, lives).len())?;
        if gone.num_rows() == 0 {
            return Ok(Changes::inserted(come));
        }
        let (gone_keep, come_keep) = self.changed(&gone, &come, lived, lives)?;
        let gone = Changes::removed(gone).filter(&gone_keep)?;
        Changes::concat(&self.schema, &[gone, Changes::inserted(come).filter(&come_keep)?])
    }

    /// Which rows of `gone` and of `come` have no equal in the other.
    fn changed(&self, gone: &RecordBatch, come: &RecordBatch, lived: &[bool], lives: &[bool]) -> Result<(BooleanArray, BooleanArray)> {
        let (mut in_gone, mut in_come) = (vec![], vec![]);
        let (mut nth_gone, mut nth_come) = (0, 0);
        for (lived, lives) in lived.iter().zip(lives) {
            if *lived && *lives {
                in_gone.push(nth_gone);
                in_come.push(nth_come);
            }
            nth_gone += u32::from(*lived);
            nth_come += u32::from(*lives);
        }
        let (gone_places, come_places) = (UInt32Array::from(in_gone.clone()), UInt32Array::from(in_come.clone()));
        let mut same = BooleanArray::from(vec![true; in_gone.len()]);
        for column in self.key.columns().len()..gone.num_columns() {
            let before = take(gone.column(column), &gone_places, None)?;
            let after = take(come.column(column), &come_places, None)?;
            same = and(&same, &not_distinct(&before, &after)?)?;
        }
        let (mut gone_keep, mut come_keep) = (vec![true; gone.num_rows()], vec![true; come.num_rows()]);
        for (nth, same) in same.values().iter().enumerate() {
            gone_keep[in_gone[nth] as usize] = !same;
            come_keep[in_come[nth] as usize] = !same;
        }
        Ok((gone_keep.into(), come_keep.into()))
    }

    fn batch(&self, columns: Vec<ArrayRef>, count: usize) -> Result<RecordBatch> {
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }

    fn remove(&mut self, group: Number) {
        self.gone.push(self.numbers.get(group).into());
        self.is_dirty[group as usize] = false;
        self.numbers.remove(group);
    }

    /// What is saved of these groups.
    fn saved(&self, groups: &[Number]) -> Result<RecordBatch> {
        let mut columns = self.key.decode(groups.iter().map(|group| self.numbers.get(*group)))?;
        columns.push(Arc::new(Int64Array::from_iter_values(groups.iter().map(|group| self.counts[*group as usize]))));
        for aggregate in &self.aggregates {
            columns.extend(aggregate.accumulator.state(groups));
        }
        Ok(RecordBatch::try_new(self.saved_schema.clone(), columns)?)
    }
}

/// The rows of a tick, as an accumulator adds them.
pub struct Rows<'a> {
    pub groups: &'a [Number],
    pub weights: &'a [i64],
    /// Those that count; all where there is nothing to choose.
    counted: Option<&'a BooleanArray>,
}

impl Rows<'_> {
    /// Calls `add` with the row, its group and its weight for each row that counts.
    #[inline]
    pub fn each(&self, mut add: impl FnMut(usize, usize, i64)) {
        match self.counted {
            None => {
                for (row, (group, weight)) in self.groups.iter().zip(self.weights).enumerate() {
                    add(row, *group as usize, *weight);
                }
            }
            Some(counted) => {
                for row in counted.values().set_indices() {
                    add(row, self.groups[row] as usize, self.weights[row]);
                }
            }
        }
    }
}

/// The rows whose arguments are all there and that pass the filter. `None` for all.
fn counted(values: &[ArrayRef], filter: Option<&Arc<dyn PhysicalExpr>>, rows: &RecordBatch) -> Result<Option<BooleanArray>> {
    let mut counted = filter.map(|filter| met(filter, rows)).transpose()?;
    for nulls in values.iter().filter_map(|value| value.logical_nulls()).filter(|nulls| nulls.null_count() > 0) {
        let there = BooleanArray::new(nulls.inner().clone(), None);
        counted = Some(match counted {
            None => there,
            Some(counted) => and(&counted, &there)?,
        });
    }
    Ok(counted)
}

impl State for Groups {
    fn schema(&self) -> SchemaRef {
        self.saved_schema.clone()
    }

    fn take_changes(&mut self) -> Result<Changes> {
        let mut dirty = std::mem::take(&mut self.dirty);
        // The number of a group that went may be another's by now, and then stands here twice.
        dirty.retain(|group| std::mem::take(&mut self.is_dirty[*group as usize]));
        let gone = std::mem::take(&mut self.gone);
        let kept = Changes::inserted(self.saved(&dirty)?);
        if gone.is_empty() {
            return Ok(kept);
        }
        let mut columns = self.key.decode(gone.iter().map(AsRef::as_ref))?;
        columns.push(Arc::new(Int64Array::from_value(0, gone.len())));
        let states = &self.saved_schema.fields()[columns.len()..];
        columns.extend(states.iter().map(|field| new_null_array(field.data_type(), gone.len())));
        let gone = RecordBatch::try_new(self.saved_schema.clone(), columns)?;
        Changes::concat(&self.saved_schema, &[Changes::removed(gone), kept])
    }

    fn everything(&self) -> Result<Changes> {
        Ok(Changes::inserted(self.saved(&self.numbers.iter().collect::<Vec<_>>())?))
    }

    fn restore(&mut self, changes: &Changes) -> Result<()> {
        let key_columns: Vec<usize> = (0..self.key.columns().len()).collect();
        let keys = Encoder::new(&self.saved_schema, key_columns.clone())?.encode(changes.rows())?;
        let mut groups = Vec::with_capacity(changes.len());
        let mut rows = Vec::with_capacity(changes.len());
        for row in 0..changes.len() {
            let (group, is_new) = self.numbers.intern(keys.row(row));
            if is_new {
                self.make_room(group);
            }
            match changes.weight(row) {
                1.. => {
                    groups.push(group);
                    rows.push(row as u32);
                }
                _ => self.numbers.remove(group),
            }
        }
        let kept = changes.take(&UInt32Array::from(rows))?;
        let columns = &kept.rows().columns()[key_columns.len()..];
        for (row, group) in groups.iter().enumerate() {
            self.counts[*group as usize] = columns[0].as_primitive::<Int64Type>().value(row);
        }
        let mut next = 1;
        for aggregate in &mut self.aggregates {
            let count = aggregate.accumulator.state_types().len();
            aggregate.accumulator.restore(&groups, &columns[next..next + count]);
            next += count;
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.numbers.len()
    }

    fn bytes(&self) -> usize {
        let aggregates: usize = self.aggregates.iter().map(|aggregate| aggregate.accumulator.bytes()).sum();
        let gone: usize = self.gone.iter().map(|key| key.len() + size_of::<Box<[u8]>>()).sum();
        let vectors = self.counts.capacity() * 8 + self.is_dirty.capacity() + self.dirty.capacity() * 4;
        self.numbers.bytes() + aggregates + gone + vectors
    }
}
