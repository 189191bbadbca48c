//! A set of rows that only grows: what DISTINCT remembers of rows that only come. Rows lie as strings of arrow's row format, each once. Rows with
//! a time can be forgotten when it is past.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;

use super::by_time::ByTime;
use super::encoder::Encoder;
use super::interner::{Interned, Interner, Number};
use super::operators::as_integers;
use super::state::State;
use crate::error::{Error, Result};
use crate::model::Changes;

pub struct Seen {
    schema: SchemaRef,
    encoder: Encoder,
    strings: Interner,
    /// Those that came since `take_changes`.
    unsaved: Vec<Number>,
    /// The column that says when a row may be forgotten.
    time: Option<usize>,
    by_time: ByTime,
}

impl Seen {
    pub fn new(schema: SchemaRef, time: Option<usize>) -> Result<Seen> {
        let encoder = Encoder::of_keys(&schema, (0..schema.fields().len()).collect())?;
        Ok(Seen { schema, encoder, strings: Interner::default(), unsaved: vec![], time, by_time: ByTime::default() })
    }

    /// Takes rows in. Returns which of them are new, the first of its kind each, in order.
    pub fn add(&mut self, columns: &[ArrayRef], count: usize) -> Result<Vec<usize>> {
        let interned = self.take_in(columns, count)?;
        self.unsaved.extend(interned.new.iter().map(|row| interned.numbers[*row]));
        Ok(interned.new)
    }

    /// Forgets the rows whose time is before this. One without a time stays.
    pub fn forget_before(&mut self, bound: i64) {
        let forgotten: HashSet<Number> = self.by_time.take_before(bound).into_iter().collect();
        if !forgotten.is_empty() {
            self.unsaved.retain(|number| !forgotten.contains(number));
            forgotten.into_iter().for_each(|number| self.strings.remove(number));
        }
    }

    fn take_in(&mut self, columns: &[ArrayRef], count: usize) -> Result<Interned> {
        let interned = self.strings.intern_all(&self.encoder.encode_columns(columns)?, count);
        if let Some(time) = self.time {
            let times = as_integers(&columns[time])?;
            for row in interned.new.iter().filter(|row| times.is_valid(**row)) {
                self.by_time.push(times.value(*row), interned.numbers[*row]);
            }
        }
        Ok(interned)
    }

    fn rows_at(&self, numbers: &[Number]) -> Result<Changes> {
        let columns = self.encoder.decode(numbers.iter().map(|number| self.strings.get(*number)))?;
        let options = RecordBatchOptions::new().with_row_count(Some(numbers.len()));
        Ok(Changes::inserted(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?))
    }
}

impl State for Seen {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn take_changes(&mut self) -> Result<Changes> {
        let unsaved = std::mem::take(&mut self.unsaved);
        self.rows_at(&unsaved)
    }

    fn everything(&self) -> Result<Changes> {
        self.rows_at(&self.strings.iter().collect::<Vec<_>>())
    }

    fn restore(&mut self, changes: &Changes) -> Result<()> {
        if !changes.are_inserts() {
            return Err(Error::internal("a set that only grows was saved with rows that went"));
        }
        self.take_in(changes.rows().columns(), changes.len())?;
        Ok(())
    }

    fn rows(&self) -> usize {
        self.strings.len()
    }

    fn bytes(&self) -> usize {
        self.strings.bytes() + self.unsaved.capacity() * size_of::<Number>() + self.by_time.bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};
    use proptest::prelude::*;

    use super::*;

    fn seen() -> Seen {
        Seen::new(Arc::new(Schema::new(vec![Field::new("a", DataType::Int64, true)])), Some(0)).unwrap()
    }

    fn values(changes: &Changes) -> BTreeSet<Option<i64>> {
        changes.rows().column(0).as_primitive::<Int64Type>().iter().collect()
    }

    proptest! {
        #[test]
        fn each_row_is_new_once(ticks in prop::collection::vec((prop::collection::vec(prop::option::of(0..20_i64), 0..10), 0..6_i64), 0..10)) {
            let mut set = seen();
            let mut restored = seen();
            let mut expected = BTreeSet::new();
            let mut bound = 0;
            for (tick, passes) in &ticks {
                let new = set.add(&[Arc::new(Int64Array::from(tick.clone()))], tick.len()).unwrap();
                let first: Vec<usize> = (0..tick.len()).filter(|row| expected.insert(tick[*row])).collect();
                prop_assert_eq!(new, first);
                bound += passes;
                set.forget_before(bound);
                expected.retain(|value| value.is_none_or(|value| value >= bound));
                restored.restore(&set.take_changes().unwrap()).unwrap();
                restored.forget_before(bound);
                prop_assert_eq!(values(&set.everything().unwrap()), expected.clone());
                prop_assert_eq!(values(&restored.everything().unwrap()), expected.clone());
                prop_assert!(restored.take_changes().unwrap().is_empty(), "what was restored is no change");
            }
        }
    }
}
