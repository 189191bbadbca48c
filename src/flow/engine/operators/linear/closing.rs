//! Groups with a time in their key, of rows that only come: each is given once, when its time is past, and then forgotten.

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::is_not_null;
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;

use super::super::bound::{Bound, as_integers};
use super::super::distinct_on::KeyTime;
use super::super::{Moment, Operator};
use super::Aggregate;
use super::groups::Groups;
use crate::error::Result;
use crate::flow::engine::by_time::ByTime;
use crate::flow::engine::interner::Number;
use crate::flow::engine::state::State;
use crate::model::Changes;

pub struct ClosingGroups {
    open: TimedGroups,
    /// The column of the time in the input.
    time: usize,
    bound: Bound,
}

/// The groups that were not given yet.
struct TimedGroups {
    groups: Groups,
    /// The column of the time in the key.
    time: usize,
    by_time: ByTime,
    /// `by_time` is not saved.
    was_restored: bool,
}

impl ClosingGroups {
    /// Groups rows by the columns `key` of the input, of which one is a time. No row comes whose group was given. None of the aggregates keeps values.
    /// The result has the key and then a column for each aggregate, as `schema` says.
    pub fn new(input: &Schema, key: Vec<usize>, aggregates: Vec<Aggregate>, schema: SchemaRef, time: KeyTime) -> Result<ClosingGroups> {
        let input_time = key[time.column];
        let groups = Groups::new(input, key, aggregates, schema)?;
        let open = TimedGroups { groups, time: time.column, by_time: ByTime::default(), was_restored: false };
        Ok(ClosingGroups { open, time: input_time, bound: time.bound })
    }
}

impl TimedGroups {
    fn take_in(&mut self, input: &Changes) -> Result<()> {
        let (numbers, touched) = self.groups.touch(input.rows(), false)?;
        let new = touched.groups.iter().zip(&touched.is_new).filter(|(_, is_new)| **is_new).map(|(group, _)| *group);
        self.expect(&new.collect::<Vec<_>>())?;
        self.groups.add(input, &numbers, &mut [])
    }

    /// Notes when groups close.
    fn expect(&mut self, groups: &[Number]) -> Result<()> {
        if groups.is_empty() {
            return Ok(());
        }
        let times = as_integers(&self.groups.keys(groups)?[self.time])?;
        for (group, time) in groups.iter().zip(times.values()) {
            self.by_time.push(*time, *group);
        }
        Ok(())
    }

    fn expect_what_was_restored(&mut self) -> Result<()> {
        if std::mem::take(&mut self.was_restored) {
            self.by_time.clear();
            self.expect(&self.groups.numbers())?;
        }
        Ok(())
    }

    /// Gives the groups whose time is before the bound, and forgets them.
    fn close(&mut self, bound: i64) -> Result<Changes> {
        let closed = self.by_time.take_before(bound);
        if closed.is_empty() {
            return Ok(Changes::empty(self.groups.schema().clone()));
        }
        let results = self.groups.results(&closed, &[])?;
        let columns: Vec<ArrayRef> = self.groups.keys(&closed)?.into_iter().chain(results).collect();
        closed.into_iter().for_each(|group| self.groups.remove(group));
        Ok(Changes::inserted(RecordBatch::try_new(self.groups.schema().clone(), columns)?))
    }
}

#[async_trait]
impl Operator for ClosingGroups {
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("an aggregate has one input") };
        self.open.expect_what_was_restored()?;
        if !input.is_empty() {
            let time = input.rows().column(self.time);
            // A row without a time is in a window that never closes.
            let timed = if time.null_count() > 0 { input.filter(&is_not_null(time)?)? } else { input.clone() };
            self.open.take_in(&timed)?;
        }
        match self.bound.at(moment)? {
            Some(bound) => self.open.close(bound),
            None => Ok(Changes::empty(self.open.groups.schema().clone())),
        }
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("groups".to_string(), &mut self.open)]
    }
}

impl State for TimedGroups {
    fn schema(&self) -> SchemaRef {
        State::schema(&self.groups)
    }

    fn take_changes(&mut self) -> Result<Changes> {
        self.groups.take_changes()
    }

    fn everything(&self) -> Result<Changes> {
        self.groups.everything()
    }

    fn restore(&mut self, changes: &Changes) -> Result<()> {
        self.was_restored = true;
        self.groups.restore(changes)
    }

    fn rows(&self) -> usize {
        self.groups.rows()
    }

    fn bytes(&self) -> usize {
        self.groups.bytes() + self.by_time.bytes()
    }
}
