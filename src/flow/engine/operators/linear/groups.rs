//! All groups of an aggregate, as they are saved.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{and, concat, filter, take};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};

use super::{Accumulator, Aggregate, Look, Measure, Rows, Values, counted};
use crate::error::Result;
use crate::flow::engine::encoder::Encoder;
use crate::flow::engine::interner::{Interned, Interner, Number};
use crate::flow::engine::program::evaluate;
use crate::flow::engine::state::State;
use crate::model::Changes;

pub struct Groups {
    key: Encoder,
    numbers: Interner,
    /// By group: rows in it.
    counts: Vec<i64>,
    aggregates: Vec<Aggregate>,
    schema: SchemaRef,
    saved_schema: SchemaRef,
    /// By group: the last tick that touched it.
    touched_at: Vec<u32>,
    ticks: u32,
    /// Groups that changed since the state was saved, and the keys of those that went.
    dirty: Vec<Number>,
    is_dirty: Vec<bool>,
    gone: Vec<Box<[u8]>>,
}

/// The groups of a tick, each once, in the order they were met.
#[derive(Default)]
pub struct Touched {
    pub groups: Vec<Number>,
    pub is_new: Vec<bool>,
}

impl Groups {
    pub fn new(input: &Schema, key: Vec<usize>, aggregates: Vec<Aggregate>, schema: SchemaRef) -> Result<Groups> {
        let mut fields = schema.fields()[..key.len()].to_vec();
        fields.push(Arc::new(Field::new("count", DataType::Int64, false)));
        for (number, aggregate) in aggregates.iter().enumerate() {
            let Measure::Sum(sum) = &aggregate.measure else { continue };
            let types = sum.state_types().into_iter().enumerate();
            fields.extend(types.map(|(part, data_type)| Arc::new(Field::new(format!("{number}.{part}"), data_type, true))));
        }
        Ok(Groups {
            key: Encoder::of_keys(input, key)?,
            numbers: Interner::default(),
            counts: vec![],
            aggregates,
            schema,
            saved_schema: Arc::new(Schema::new(fields)),
            touched_at: vec![],
            ticks: 0,
            dirty: vec![],
            is_dirty: vec![],
            gone: vec![],
        })
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Rows in a group.
    pub fn count(&self, group: Number) -> i64 {
        self.counts[group as usize]
    }

    /// The group of each row, and all of them. The one without a key may come without a row.
    pub fn touch(&mut self, rows: &RecordBatch, comes_by_itself: bool) -> Result<(Vec<Number>, Touched)> {
        let keys = self.key.encode(rows)?;
        let mut touched = Touched::default();
        self.next_tick();
        let Interned { numbers, new } = self.numbers.intern_all(&keys, rows.num_rows());
        let mut new = new.into_iter().peekable();
        for (row, group) in numbers.iter().enumerate() {
            let is_new = new.next_if_eq(&row).is_some();
            self.touch_group(*group, is_new, &mut touched);
        }
        if comes_by_itself {
            let (group, is_new) = self.numbers.intern(&[]);
            self.touch_group(group, is_new, &mut touched);
        }
        Ok((numbers, touched))
    }

    fn next_tick(&mut self) {
        self.ticks = match self.ticks.checked_add(1) {
            Some(tick) => tick,
            None => {
                self.touched_at.fill(0);
                1
            }
        };
    }

    fn touch_group(&mut self, group: Number, is_new: bool, touched: &mut Touched) {
        if is_new {
            self.make_room(group);
        }
        if std::mem::replace(&mut self.touched_at[group as usize], self.ticks) != self.ticks {
            touched.groups.push(group);
            touched.is_new.push(is_new);
            self.mark_dirty(group);
        }
    }

    fn make_room(&mut self, group: Number) {
        let count = self.numbers.numbers();
        self.counts.resize(count, 0);
        self.is_dirty.resize(count, false);
        self.touched_at.resize(count, 0);
        self.counts[group as usize] = 0;
        self.touched_at[group as usize] = 0;
        for aggregate in &mut self.aggregates {
            if let Measure::Sum(sum) = &mut aggregate.measure {
                sum.clear(group as usize, count);
            }
        }
    }

    fn mark_dirty(&mut self, group: Number) {
        if !std::mem::replace(&mut self.is_dirty[group as usize], true) {
            self.dirty.push(group);
        }
    }

    /// Takes in rows, of which `groups` are the groups. `values` has what aggregates know beside sums, and is empty if none does.
    pub fn add(&mut self, input: &Changes, groups: &[Number], values: &mut [Option<Values>]) -> Result<()> {
        let weights = input.weights();
        for (group, weight) in groups.iter().zip(weights.values()) {
            self.counts[*group as usize] += weight;
        }
        let keys: Vec<ArrayRef> = self.key.columns().iter().map(|column| input.rows().column(*column).clone()).collect();
        for (number, aggregate) in self.aggregates.iter_mut().enumerate() {
            let values = values.get_mut(number).and_then(Option::as_mut);
            let arguments = aggregate.arguments.iter().map(|argument| evaluate(argument, input.rows())).collect::<Result<Vec<_>>>()?;
            let counted = counted(&arguments, aggregate.filter.as_ref(), input.rows())?;
            let all = Rows { groups, weights: weights.values(), counted: counted.as_ref() };
            let distinct = values.map(|values| values.add(&keys, &arguments, &all)).transpose()?;
            if let Measure::Sum(sum) = &mut aggregate.measure {
                let weights = distinct.as_deref().unwrap_or(all.weights);
                sum.add(&arguments, &Rows { weights, ..all })?;
            }
        }
        Ok(())
    }

    /// The results of each aggregate for these groups.
    pub fn results(&self, groups: &[Number], values: &[Option<Values>]) -> Result<Vec<ArrayRef>> {
        let result = |(number, aggregate): (usize, &Aggregate)| match (&aggregate.measure, values.get(number).and_then(Option::as_ref)) {
            (Measure::Sum(sum), _) => sum.result(groups),
            (Measure::First, Some(values)) => values.first(groups.iter().map(|group| self.numbers.get(*group))),
            (Measure::First, None) => unreachable!("the first of values is asked for where values are kept"),
        };
        self.aggregates.iter().enumerate().map(result).collect()
    }

    /// What came and what went. What is the same before and after is left out.
    pub fn difference(&self, before: &Look, after: &Look) -> Result<Changes> {
        let (went, came) = changed(before, after)?;
        let chosen = |groups: &[Number], which: &BooleanArray| which.values().set_indices().map(|place| groups[place]).collect::<Vec<_>>();
        let (gone, come) = (chosen(&before.groups, &went), chosen(&after.groups, &came));
        let mut columns = self.key.decode(gone.iter().chain(&come).map(|group| self.numbers.get(*group)))?;
        for (before, after) in before.results.iter().zip(&after.results) {
            let after = filter(after, &came)?;
            columns.push(match gone.is_empty() {
                true => after,
                false => concat(&[filter(before, &went)?.as_ref(), after.as_ref()])?,
            });
        }
        let options = RecordBatchOptions::new().with_row_count(Some(gone.len() + come.len()));
        let rows = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?;
        if gone.is_empty() {
            return Ok(Changes::inserted(rows));
        }
        let weights = std::iter::repeat_n(-1, gone.len()).chain(std::iter::repeat_n(1, come.len()));
        Ok(Changes::new(rows, Int64Array::from_iter_values(weights)))
    }

    fn sums(&self) -> impl Iterator<Item = &dyn Accumulator> {
        self.aggregates.iter().filter_map(|aggregate| match &aggregate.measure {
            Measure::Sum(sum) => Some(sum.as_ref()),
            Measure::First => None,
        })
    }

    /// All groups.
    pub fn numbers(&self) -> Vec<Number> {
        self.numbers.iter().collect()
    }

    /// The columns of their keys.
    pub fn keys(&self, groups: &[Number]) -> Result<Vec<ArrayRef>> {
        self.key.decode(groups.iter().map(|group| self.numbers.get(*group)))
    }

    /// A group that is no more.
    pub fn remove(&mut self, group: Number) {
        self.gone.push(self.numbers.get(group).into());
        self.is_dirty[group as usize] = false;
        self.numbers.remove(group);
    }

    /// What is saved of these groups.
    fn saved(&self, groups: &[Number]) -> Result<RecordBatch> {
        let mut columns = self.keys(groups)?;
        columns.push(Arc::new(Int64Array::from_iter_values(groups.iter().map(|group| self.counts[*group as usize]))));
        columns.extend(self.sums().flat_map(|sum| sum.state(groups)));
        Ok(RecordBatch::try_new(self.saved_schema.clone(), columns)?)
    }
}

/// Which of the groups that lived before, and which of those that live after, have no equal in the other.
fn changed(before: &Look, after: &Look) -> Result<(BooleanArray, BooleanArray)> {
    let (mut in_before, mut in_after) = (vec![], vec![]);
    let (mut nth_before, mut nth_after) = (0, 0);
    for (lived, lives) in before.lives.iter().zip(&after.lives) {
        if *lived && *lives {
            in_before.push(nth_before);
            in_after.push(nth_after);
        }
        nth_before += u32::from(*lived);
        nth_after += u32::from(*lives);
    }
    let (in_before, in_after) = (UInt32Array::from(in_before), UInt32Array::from(in_after));
    let mut same = BooleanArray::from(vec![true; in_before.len()]);
    for (was, is) in before.results.iter().zip(&after.results) {
        let equal = match in_before.len() == was.len() && in_after.len() == is.len() {
            true => not_distinct(was, is)?,
            false => not_distinct(&take(was, &in_before, None)?, &take(is, &in_after, None)?)?,
        };
        same = and(&same, &equal)?;
    }
    let (mut went, mut came) = (vec![true; before.groups.len()], vec![true; after.groups.len()]);
    for nth in same.values().set_indices() {
        went[in_before.value(nth) as usize] = false;
        came[in_after.value(nth) as usize] = false;
    }
    Ok((went.into(), came.into()))
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
        Ok(Changes::inserted(self.saved(&self.numbers())?))
    }

    fn restore(&mut self, changes: &Changes) -> Result<()> {
        let key_columns: Vec<usize> = (0..self.key.columns().len()).collect();
        let keys = Encoder::of_keys(&self.saved_schema, key_columns.clone())?.encode(changes.rows())?;
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
            let Measure::Sum(sum) = &mut aggregate.measure else { continue };
            let count = sum.state_types().len();
            sum.restore(&groups, &columns[next..next + count]);
            next += count;
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.numbers.len()
    }

    fn bytes(&self) -> usize {
        let aggregates: usize = self.sums().map(|sum| sum.bytes()).sum();
        let gone: usize = self.gone.iter().map(|key| key.len() + size_of::<Box<[u8]>>()).sum();
        let vectors = self.counts.capacity() * 8 + self.touched_at.capacity() * 4 + self.is_dirty.capacity() + self.dirty.capacity() * 4;
        self.numbers.bytes() + aggregates + gone + vectors
    }
}
