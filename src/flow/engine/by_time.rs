//! Numbers of things, such as groups or rows, that go when their time is past.

use std::collections::BTreeMap;

use super::interner::Number;

#[derive(Default)]
pub struct ByTime(BTreeMap<i64, Vec<Number>>);

impl ByTime {
    pub fn push(&mut self, time: i64, number: Number) {
        self.0.entry(time).or_default().push(number);
    }

    /// Takes out those whose time is before the bound.
    pub fn take_before(&mut self, bound: i64) -> Vec<Number> {
        let mut taken = vec![];
        while let Some(past) = self.0.first_entry().filter(|entry| *entry.key() < bound) {
            taken.extend(past.remove());
        }
        taken
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Memory, roughly.
    pub fn bytes(&self) -> usize {
        self.0.values().map(|numbers| numbers.capacity() * size_of::<Number>() + size_of::<(i64, Vec<Number>)>()).sum()
    }
}
