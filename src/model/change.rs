//! Changes: rows with weights. +1 says that a row came, −1 that it went; the sum of all changes so far is what is there now.
//!
//! (Budiu and others, "DBSP: Automatic Incremental View Maintenance", VLDB 2023, call this a Z-set.)

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{concat, concat_batches, filter, filter_record_batch, take, take_record_batch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};
use foldhash::fast::RandomState;

use crate::error::{Error, Result};

/// The column that holds the weights where changes travel as one batch.
pub const WEIGHT: &str = "_weight";

/// A batch of changes. A row may stand in it several times.
#[derive(Debug, Clone)]
pub struct Changes {
    rows: RecordBatch,
    /// `None` where each row came once: most batches of most inputs.
    weights: Option<Int64Array>,
}

impl Changes {
    /// Rows that came, once each.
    pub fn inserted(rows: RecordBatch) -> Changes {
        Changes { rows, weights: None }
    }

    /// Rows that went, once each.
    pub fn removed(rows: RecordBatch) -> Changes {
        let weights = Int64Array::from_value(-1, rows.num_rows());
        Changes { rows, weights: Some(weights) }
    }

    /// Row `i` with weight `i`. No weight may be null.
    pub fn new(rows: RecordBatch, weights: Int64Array) -> Changes {
        assert_eq!(rows.num_rows(), weights.len(), "a weight for each row");
        Changes { rows, weights: Some(weights) }
    }

    pub fn empty(schema: SchemaRef) -> Changes {
        Changes::inserted(RecordBatch::new_empty(schema))
    }

    pub fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    pub fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    /// Rows in the batch, whatever their weights.
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether each row came once.
    pub fn are_inserts(&self) -> bool {
        self.weights.is_none()
    }

    pub fn weight(&self, row: usize) -> i64 {
        self.weights.as_ref().map_or(1, |weights| weights.value(row))
    }

    /// A weight for each row.
    pub fn weights(&self) -> Int64Array {
        self.weights.clone().unwrap_or_else(|| Int64Array::from_value(1, self.len()))
    }

    /// Other rows with the same weights, one for each.
    pub fn with_rows(&self, rows: RecordBatch) -> Changes {
        assert_eq!(rows.num_rows(), self.len(), "a row for each weight");
        Changes { rows, weights: self.weights.clone() }
    }

    /// What came goes, and the other way round.
    pub fn negated(&self) -> Changes {
        let weights = self.weights().iter().map(|weight| weight.map(|weight| -weight)).collect();
        Changes { rows: self.rows.clone(), weights: Some(weights) }
    }

    /// Each row as often as it is there. Rows that are there less than once are left out.
    pub fn repeated(&self) -> Result<RecordBatch> {
        if self.are_inserts() {
            return Ok(self.rows.clone());
        }
        let places = (0..self.len()).flat_map(|row| std::iter::repeat_n(row as u32, self.weight(row).max(0) as usize));
        take_rows(&self.rows, &UInt32Array::from_iter_values(places))
    }

    /// The rows for which `keep` is true.
    pub fn filter(&self, keep: &BooleanArray) -> Result<Changes> {
        let rows = match self.rows.num_columns() {
            0 => without_columns(&self.rows, keep.true_count())?,
            _ => filter_record_batch(&self.rows, keep)?,
        };
        let weights = self.weights.as_ref().map(|weights| filter(weights, keep)).transpose()?;
        Ok(Changes { rows, weights: weights.map(as_weights) })
    }

    /// The rows at these places, in this order.
    pub fn take(&self, places: &UInt32Array) -> Result<Changes> {
        let rows = take_rows(&self.rows, places)?;
        let weights = self.weights.as_ref().map(|weights| take(weights, places, None)).transpose()?;
        Ok(Changes { rows, weights: weights.map(as_weights) })
    }

    /// Up to `count` rows from `first` on, without copying them.
    pub fn slice(&self, first: usize, count: usize) -> Changes {
        let first = first.min(self.len());
        let count = count.min(self.len() - first);
        Changes { rows: self.rows.slice(first, count), weights: self.weights.as_ref().map(|weights| weights.slice(first, count)) }
    }

    pub fn concat(schema: &SchemaRef, parts: &[Changes]) -> Result<Changes> {
        let mut parts = parts.iter().filter(|part| !part.is_empty());
        let (Some(first), rest) = (parts.next(), parts.collect::<Vec<_>>()) else { return Ok(Changes::empty(schema.clone())) };
        if rest.is_empty() {
            return Ok(first.clone());
        }
        let all = || std::iter::once(first).chain(rest.iter().copied());
        let rows = concat_batches(schema, all().map(|part| &part.rows))?;
        if all().all(Changes::are_inserts) {
            return Ok(Changes::inserted(rows));
        }
        let weights = all().map(|part| Arc::new(part.weights()) as ArrayRef).collect::<Vec<_>>();
        let weights = concat(&weights.iter().map(|weights| weights.as_ref()).collect::<Vec<_>>())?;
        Ok(Changes::new(rows, as_weights(weights)))
    }

    /// Each row once, with the sum of its weights; rows whose weights cancel are gone.
    pub fn consolidated(&self) -> Result<Changes> {
        if self.len() <= 1 && self.are_inserts() {
            return Ok(self.clone());
        }
        if self.rows.num_columns() == 0 {
            let sum = (0..self.len()).map(|row| self.weight(row)).sum();
            let weights: Vec<i64> = if sum == 0 { vec![] } else { vec![sum] };
            return Ok(Changes::new(without_columns(&self.rows, weights.len())?, weights.into()));
        }
        let rows = encode(&self.rows)?;
        let mut places: HashMap<&[u8], usize, RandomState> = HashMap::with_capacity_and_hasher(self.len(), RandomState::default());
        let mut sums: Vec<(u32, i64)> = Vec::with_capacity(self.len());
        for (row, encoded) in rows.iter().enumerate() {
            let place = *places.entry(encoded.data()).or_insert(sums.len());
            match sums.get_mut(place) {
                Some((_, sum)) => *sum += self.weight(row),
                None => sums.push((row as u32, self.weight(row))),
            }
        }
        sums.retain(|(_, sum)| *sum != 0);
        let rows = match sums.len() == self.len() {
            true => self.rows.clone(),
            false => take_rows(&self.rows, &UInt32Array::from_iter_values(sums.iter().map(|(row, _)| *row)))?,
        };
        match sums.iter().all(|(_, sum)| *sum == 1) {
            true => Ok(Changes::inserted(rows)),
            false => Ok(Changes::new(rows, sums.iter().map(|(_, sum)| Some(*sum)).collect())),
        }
    }

    /// One batch, with the weights as its last column.
    pub fn to_batch(&self) -> Result<RecordBatch> {
        let mut columns = self.rows.columns().to_vec();
        columns.push(Arc::new(self.weights()));
        Ok(RecordBatch::try_new(with_weight(&self.schema()), columns)?)
    }

    /// The inverse of `to_batch`.
    pub fn from_batch(batch: &RecordBatch) -> Result<Changes> {
        let last = batch.num_columns().checked_sub(1).filter(|last| batch.schema().field(*last).name() == WEIGHT);
        let Some(last) = last else { return Err(Error::internal("a batch of changes has no weights")) };
        let weights = as_weights(batch.column(last).clone());
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let schema = Arc::new(Schema::new(batch.schema().fields()[..last].to_vec()));
        let rows = RecordBatch::try_new_with_options(schema, batch.columns()[..last].to_vec(), &options)?;
        match weights.values().iter().all(|weight| *weight == 1) {
            true => Ok(Changes::inserted(rows)),
            false => Ok(Changes::new(rows, weights)),
        }
    }
}

/// The columns of changes to rows of `schema`, as one batch.
pub fn with_weight(schema: &SchemaRef) -> SchemaRef {
    let mut fields = schema.fields().to_vec();
    fields.push(Arc::new(Field::new(WEIGHT, DataType::Int64, false)));
    Arc::new(Schema::new(fields))
}

fn take_rows(rows: &RecordBatch, places: &UInt32Array) -> Result<RecordBatch> {
    match rows.num_columns() {
        0 => without_columns(rows, places.len()),
        _ => Ok(take_record_batch(rows, places)?),
    }
}

/// So many rows of nothing: what `count(*)` counts.
fn without_columns(like: &RecordBatch, count: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(like.schema(), vec![], &options)?)
}

fn encode(rows: &RecordBatch) -> Result<Rows> {
    let fields = rows.schema().fields().iter().map(|field| SortField::new(field.data_type().clone())).collect();
    Ok(RowConverter::new(fields)?.convert_columns(rows.columns())?)
}

fn as_weights(array: ArrayRef) -> Int64Array {
    array.as_any().downcast_ref::<Int64Array>().expect("weights are 64-bit integers").clone()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn rows(values: &[i64]) -> RecordBatch {
        RecordBatch::try_from_iter([("a", Arc::new(Int64Array::from(values.to_vec())) as ArrayRef)]).unwrap()
    }

    fn pairs(changes: &Changes) -> Vec<(i64, i64)> {
        let values = as_weights(changes.rows().column(0).clone());
        (0..changes.len()).map(|row| (values.value(row), changes.weight(row))).collect()
    }

    #[test]
    fn what_cancels_is_gone() {
        let changes = Changes::new(rows(&[1, 2, 1, 3, 2, 1]), vec![1, 1, 1, 1, -1, 1].into());
        assert_eq!(pairs(&changes.consolidated().unwrap()), [(1, 3), (3, 1)]);
        let nothing = Changes::concat(&changes.schema(), &[changes.clone(), changes.negated()]).unwrap();
        assert!(nothing.consolidated().unwrap().is_empty());
    }

    #[test]
    fn inserts_stay_inserts() {
        let both = Changes::concat(&rows(&[]).schema(), &[Changes::inserted(rows(&[1])), Changes::inserted(rows(&[2]))]).unwrap();
        assert!(both.are_inserts() && both.consolidated().unwrap().are_inserts());
        let mixed = Changes::concat(&rows(&[]).schema(), &[both, Changes::removed(rows(&[1]))]).unwrap();
        assert_eq!(pairs(&mixed.consolidated().unwrap()), [(2, 1)]);
    }

    #[test]
    fn as_one_batch_and_back() {
        let changes = Changes::new(rows(&[1, 2]), vec![-1, 4].into());
        assert_eq!(pairs(&Changes::from_batch(&changes.to_batch().unwrap()).unwrap()), pairs(&changes));
        assert!(Changes::from_batch(&Changes::inserted(rows(&[7])).to_batch().unwrap()).unwrap().are_inserts());
    }

    /// Numbers and their weights: many of them alike.
    fn some() -> impl Strategy<Value = Vec<(i64, i64)>> {
        prop::collection::vec((0..4_i64, -2..3_i64), 0..10)
    }

    fn changes(pairs: &[(i64, i64)]) -> Changes {
        let (values, weights): (Vec<i64>, Vec<i64>) = pairs.iter().copied().unzip();
        match weights.iter().all(|weight| *weight == 1) {
            true => Changes::inserted(rows(&values)),
            false => Changes::new(rows(&values), weights.into()),
        }
    }

    fn sums(pairs: &[(i64, i64)]) -> BTreeMap<i64, i64> {
        let mut sums = BTreeMap::new();
        pairs.iter().for_each(|(value, weight)| *sums.entry(*value).or_default() += weight);
        sums.retain(|_, sum| *sum != 0);
        sums
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn changes_are_sums(left in some(), right in some(), keep in prop::collection::vec(any::<bool>(), 10)) {
            let (one, other) = (changes(&left), changes(&right));
            let both = Changes::concat(&one.schema(), &[one.clone(), other.clone()]).unwrap();
            let all = [left.clone(), right.clone()].concat();
            prop_assert_eq!(pairs(&both), all.clone());
            let consolidated = both.consolidated().unwrap();
            prop_assert_eq!(consolidated.len(), sums(&all).len());
            prop_assert_eq!(sums(&pairs(&consolidated)), sums(&all));
            prop_assert_eq!(pairs(&Changes::from_batch(&both.to_batch().unwrap()).unwrap()), all.clone());
            prop_assert!(Changes::concat(&one.schema(), &[both.clone(), both.negated()]).unwrap().consolidated().unwrap().is_empty());
            let kept: Vec<_> = left.iter().zip(&keep).filter(|(_, keep)| **keep).map(|(pair, _)| *pair).collect();
            let mask = BooleanArray::from(keep[..left.len()].to_vec());
            prop_assert_eq!(pairs(&one.filter(&mask).unwrap()), kept);
            let backwards = UInt32Array::from_iter_values((0..left.len() as u32).rev());
            let reversed: Vec<_> = left.iter().rev().copied().collect();
            prop_assert_eq!(pairs(&one.take(&backwards).unwrap()), reversed);
            let repeated: usize = left.iter().map(|(_, weight)| (*weight).max(0) as usize).sum();
            prop_assert_eq!(one.repeated().unwrap().num_rows(), repeated);
        }

        #[test]
        fn rows_of_nothing_are_counted(weights in prop::collection::vec(-2..3_i64, 0..6)) {
            let rows = without_columns(&RecordBatch::new_empty(Arc::new(Schema::empty())), weights.len()).unwrap();
            let changes = Changes::new(rows, weights.clone().into());
            let sum: i64 = weights.iter().sum();
            let consolidated = changes.consolidated().unwrap();
            prop_assert_eq!((0..consolidated.len()).map(|row| consolidated.weight(row)).collect::<Vec<_>>(), [sum].into_iter().filter(|sum| *sum != 0).collect::<Vec<_>>());
            let repeated: usize = weights.iter().map(|weight| (*weight).max(0) as usize).sum();
            prop_assert_eq!(changes.repeated().unwrap().num_rows(), repeated);
            prop_assert_eq!(Changes::from_batch(&changes.to_batch().unwrap()).unwrap().len(), weights.len());
        }
    }
}
