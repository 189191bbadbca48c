//! Groups with a time in their key, of rows that only come: each is given once, when its time is past, and then forgotten.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;

use super::super::bound::{Bound, as_integers};
use super::super::distinct_on::KeyTime;
use super::super::passed::Passed;
use super::super::{Moment, Operator};
use super::groups::Groups;
use super::{Aggregate, Values};
use crate::error::Result;
use crate::flow::engine::interner::Number;
use crate::flow::engine::state::State;
use crate::model::Changes;

pub struct ClosingGroups {
    groups: Groups,
    /// The time's place in the key, and in the input.
    time: usize,
    input_time: usize,
    bound: Bound,
    /// The bound of the last tick.
    passed: Passed,
    by_time: BTreeMap<i64, Vec<Number>>,
    /// `by_time` is not saved.
    was_restored: bool,
    /// By aggregate: nothing.
    values: Vec<Option<Values>>,
    late_rows: u64,
}

impl ClosingGroups {
    /// Groups rows by the columns `key` of the input, of which one is a time. None of the aggregates keeps values. The result has the key and then a
    /// column for each aggregate, as `schema` says.
    pub fn new(input: &Schema, key: Vec<usize>, aggregates: Vec<Aggregate>, schema: SchemaRef, time: KeyTime) -> Result<ClosingGroups> {
        Ok(ClosingGroups {
            input_time: key[time.column],
            time: time.column,
            bound: time.bound,
            values: aggregates.iter().map(|_| None).collect(),
            groups: Groups::new(input, key, aggregates, schema)?,
            passed: Passed::new(),
            by_time: BTreeMap::new(),
            was_restored: false,
            late_rows: 0,
        })
    }

    /// The rows whose group is still to be given. One without a time is in a window that never closes.
    fn in_time(&mut self, input: &Changes) -> Result<Changes> {
        let times = as_integers(input.rows().column(self.input_time))?;
        let is_late = |row: usize| self.passed.last().is_some_and(|passed| times.value(row) < passed);
        let in_time: BooleanArray = (0..times.len()).map(|row| Some(times.is_valid(row) && !is_late(row))).collect();
        self.late_rows += (times.len() - times.null_count() - in_time.true_count()) as u64;
        if in_time.true_count() == input.len() { Ok(input.clone()) } else { input.filter(&in_time) }
    }

    fn take_in(&mut self, input: &Changes) -> Result<()> {
        let (numbers, touched) = self.groups.touch(input.rows(), false)?;
        let new = touched.groups.iter().zip(&touched.is_new).filter(|(_, is_new)| **is_new).map(|(group, _)| *group);
        self.expect(&new.collect::<Vec<_>>())?;
        self.groups.add(input, &numbers, &mut self.values)
    }

    /// Notes when groups close.
    fn expect(&mut self, groups: &[Number]) -> Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        let times = as_integers(&self.groups.keys(groups)?[self.time])?;
        for (group, time) in groups.iter().zip(times.values()) {
            self.by_time.entry(*time).or_default().push(*group);
        }
        Ok(())
    }

    /// Gives the groups whose time is before the bound, and forgets them.
    fn close(&mut self, bound: i64) -> Result<Changes> {
        let mut closed = vec![];
        while let Some(past) = self.by_time.first_entry().filter(|entry| *entry.key() < bound) {
            closed.extend(past.remove());
        }
        if closed.is_empty() {
            return Ok(Changes::empty(self.groups.schema().clone()));
        }
        let results = self.groups.results(&closed, &self.values)?;
        let columns: Vec<ArrayRef> = self.groups.keys(&closed)?.into_iter().chain(results).collect();
        closed.into_iter().for_each(|group| self.groups.remove(group));
        Ok(Changes::inserted(RecordBatch::try_new(self.groups.schema().clone(), columns)?))
    }
}

#[async_trait]
impl Operator for ClosingGroups {
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("an aggregate has one input") };
        if std::mem::take(&mut self.was_restored) {
            self.expect(&self.groups.numbers())?;
        }
        if !input.is_empty() {
            let in_time = self.in_time(input)?;
            self.take_in(&in_time)?;
        }
        let bound = self.bound.at(moment)?.max(self.passed.last());
        self.passed.set(bound);
        match bound {
            Some(bound) => self.close(bound),
            None => Ok(Changes::empty(self.groups.schema().clone())),
        }
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("groups".to_string(), &mut self.groups), ("passed".to_string(), &mut self.passed)]
    }

    fn late_rows(&self) -> u64 {
        self.late_rows
    }

    fn restored(&mut self) {
        self.by_time.clear();
        self.was_restored = true;
    }
}
