//! The values of each group, where an aggregate needs to know them: with DISTINCT to count each once, for min and max to know the next one
//! when the first goes. A row is the group's key and the value, so that it can be saved by itself.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{SortOptions, take};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use super::Rows;
use crate::error::Result;
use crate::flow::engine::arrangement::{Arrangement, Became};
use crate::flow::engine::ordered::Ordered;
use crate::flow::engine::relation::Arrival;
use crate::flow::engine::seen::Seen;
use crate::flow::engine::state::State;
use crate::model::Changes;

pub enum Values {
    /// Each value with how often it is there.
    Distinct(Box<Arrangement>),
    /// The same where rows only come: nobody asks how often.
    Seen(Box<Seen>),
    /// The first value of a group is its least or its greatest. Where rows only come, no other is kept.
    Ordered(Box<Ordered>, Arrival),
}

/// Which value of a group is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extreme {
    Least,
    Greatest,
}

impl Extreme {
    /// The extreme that a function gives, if it does and its values can be put in order as it would.
    pub fn of(function: &str, argument: &DataType) -> Option<Extreme> {
        let has_order = argument.is_integer()
            || argument.is_floating()
            || matches!(argument, DataType::Decimal128(..) | DataType::Decimal256(..) | DataType::Boolean | DataType::Timestamp(..))
            || matches!(argument, DataType::Date32 | DataType::Date64 | DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_))
            || matches!(argument, DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary);
        match function {
            "min" if has_order => Some(Extreme::Least),
            "max" if has_order => Some(Extreme::Greatest),
            _ => None,
        }
    }
}

impl Values {
    /// Each value once, of groups by columns like `group`.
    pub fn distinct(group: &[FieldRef], types: &[DataType], arrival: Arrival) -> Result<Values> {
        let key = (0..group.len() + types.len()).collect();
        let schema = schema(group, types);
        Ok(match arrival {
            Arrival::Changing => Values::Distinct(Box::new(Arrangement::new(schema, key)?)),
            Arrival::AppendOnly => Values::Seen(Box::new(Seen::new(schema, None)?)),
        })
    }

    pub fn ordered(group: &[FieldRef], value: &DataType, extreme: Extreme, arrival: Arrival) -> Result<Values> {
        let options = SortOptions { descending: extreme == Extreme::Greatest, nulls_first: false };
        let schema = schema(group, std::slice::from_ref(value));
        let ordered = Ordered::new(schema, (0..group.len()).collect(), vec![(group.len(), options)])?;
        Ok(Values::Ordered(Box::new(ordered), arrival))
    }

    /// Takes in the values of rows that count. Returns the weight of each row in a sum over distinct values.
    pub fn add(&mut self, keys: &[ArrayRef], values: &[ArrayRef], rows: &Rows) -> Result<Vec<i64>> {
        let weights = Int64Array::from(rows.weights.to_vec());
        let columns = keys.iter().chain(values).cloned().collect();
        let all = Changes::new(RecordBatch::try_new(self.schema(), columns)?, weights);
        let changes = match rows.counted {
            None => all,
            Some(counted) => all.filter(counted)?,
        };
        let places: Option<Vec<usize>> = rows.counted.map(|counted| counted.values().set_indices().collect());
        let place = |row: usize| places.as_ref().map_or(row, |places| places[row]);
        let mut weights = vec![0; rows.weights.len()];
        match self {
            Values::Distinct(counts) => {
                counts.update(&changes, |row, _, became| {
                    weights[place(row)] = match became {
                        Became::New => 1,
                        Became::Kept => 0,
                        Became::Gone => -1,
                    };
                })?;
                Ok(weights)
            }
            Values::Seen(seen) => {
                let new = seen.add(changes.rows().columns(), changes.len())?;
                new.into_iter().for_each(|row| weights[place(row)] = 1);
                Ok(weights)
            }
            Values::Ordered(ordered, Arrival::Changing) => ordered.update(&changes).map(|()| vec![]),
            Values::Ordered(ordered, Arrival::AppendOnly) => {
                let entering = ordered.entering_first(&changes, 1)?;
                ordered.update_first(&entering, 1).map(|()| vec![])
            }
        }
    }

    /// The first value of each of these groups, null where there is none.
    pub fn first<'a>(&'a self, keys: impl Iterator<Item = &'a [u8]>) -> Result<ArrayRef> {
        let Values::Ordered(ordered, _) = self else { unreachable!("the values of DISTINCT are in no order") };
        let mut found = vec![];
        let mut places = vec![];
        for key in keys {
            let first = ordered.rows_of(key).next();
            places.push(first.map(|_| found.len() as u32));
            found.extend(first.map(|(row, _)| row));
        }
        let rows = ordered.decode(found.into_iter())?;
        let value = rows.columns().last().expect("a value follows its key");
        Ok(take(value, &UInt32Array::from(places), None)?)
    }

    pub fn state(&mut self) -> &mut dyn State {
        match self {
            Values::Distinct(counts) => counts.as_mut(),
            Values::Seen(seen) => seen.as_mut(),
            Values::Ordered(ordered, _) => ordered.as_mut(),
        }
    }

    fn schema(&self) -> SchemaRef {
        match self {
            Values::Distinct(counts) => counts.schema().clone(),
            Values::Seen(seen) => State::schema(seen.as_ref()),
            Values::Ordered(ordered, _) => State::schema(ordered.as_ref()),
        }
    }
}

fn schema(group: &[FieldRef], types: &[DataType]) -> SchemaRef {
    let group = group.iter().enumerate().map(|(number, field)| Field::new(format!("group {number}"), field.data_type().clone(), true));
    let values = types.iter().enumerate().map(|(number, data_type)| Field::new(format!("value {number}"), data_type.clone(), true));
    Arc::new(Schema::new(group.chain(values).collect::<Vec<_>>()))
}
