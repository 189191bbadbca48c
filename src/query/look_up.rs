//! A query that asks for rows of one view by its key, and for nothing else, is answered without a plan: what it wants is found out once, when
//! the statement is prepared. Whatever it is that such an answer would not be right for, the planner answers.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, Scalar, new_empty_array};
use arrow::compute::kernels::cmp;
use arrow::compute::{concat_batches, filter_record_batch, or};
use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{Expr, Limit, LogicalPlan, Projection, SkipType};

use super::view::{View, view_of};
use super::view_keys::{KEYS_MAX, combined, one_of};
use crate::catalog::Snapshot;
use crate::error::Result;
use crate::flow::published::{Keys, Published};
use crate::model::{Name, ObjectId};

/// The threads that serve sockets do no more than this for one look-up: probe chunks for keys, hash rows that are not indexed yet, take rows, and
/// compare them with values.
const PROBES_MAX: usize = 1 << 14;
const HASHED_MAX: usize = 1 << 15;
const ROWS_MAX: usize = 1 << 12;
const COMPARED_MAX: usize = 1 << 18;

/// What such a query wants.
pub struct LookUp {
    view: ObjectId,
    name: Name,
    published: Arc<Published>,
    /// Of the result, in columns of the view.
    columns: Vec<usize>,
    /// All must hold. The first `key` of them are about the columns that are looked up.
    conditions: Vec<Condition>,
    key: usize,
    /// `None`: all rows.
    limit: Option<Wanted>,
}

/// A column of the view that must have one of these values.
struct Condition {
    column: usize,
    data_type: DataType,
    values: Vec<Wanted>,
}

#[derive(Clone)]
enum Wanted {
    Value(ScalarValue),
    /// The number of a parameter, from 0.
    Parameter(usize),
}

impl LookUp {
    /// Of a plan as it comes from the statement, before anybody has changed it. `None` where it asks for something else.
    pub fn of(plan: &LogicalPlan) -> Option<LookUp> {
        let (plan, limit) = match plan {
            LogicalPlan::Limit(limit) => (limit.input.as_ref(), Some(fetched(limit)?)),
            other => (other, None),
        };
        let LogicalPlan::Projection(Projection { expr, input, .. }) = plan else { return None };
        let LogicalPlan::Filter(filter) = input.as_ref() else { return None };
        let view = scanned(&filter.input)?;
        // Whatever it is called here, the columns are those of the view.
        let place = |column: &Column| filter.input.schema().index_of_column(column).ok();
        let columns = expr.iter().map(|column| place(shown(column)?)).collect::<Option<Vec<_>>>()?;
        let condition = |part: &Expr| {
            let (column, values) = one_of(part)?;
            let column = place(column)?;
            let data_type = view.schema.field(column).data_type().clone();
            let values = values.into_iter().map(|value| wanted(value, &data_type)).collect::<Option<Vec<_>>>()?;
            Some(Condition { column, data_type, values })
        };
        let conditions = split_conjunction(&filter.predicate).into_iter().map(condition).collect::<Option<Vec<_>>>()?;
        let (conditions, key) = key_first(conditions, &view.paths)?;
        Some(LookUp { view: view.id, name: view.name.clone(), published: view.published(), columns, conditions, key, limit })
    }

    /// How many parameters are asked for, each time it is.
    pub fn parameters(&self) -> usize {
        let values = self.conditions.iter().flat_map(|condition| &condition.values).chain(&self.limit);
        values.filter(|value| matches!(value, Wanted::Parameter(_))).count()
    }

    /// Whether the name still means what it did.
    pub fn stands(&self, catalog: &Snapshot) -> bool {
        catalog.relation(&self.name).is_some_and(|object| object.id == self.view)
    }

    /// Whether what the view shows is no older than this.
    pub fn is_fresh(&self, limit: Duration, now_micros: i64) -> bool {
        let age = self.published.shown().and_then(|version| self.published.age(&version, now_micros));
        age.is_some_and(|age| age <= limit)
    }

    /// The rows as the view shows them now. `None` where the planner must look: the name means something else by now, there is nothing to read
    /// yet, a parameter is not of the column's type, or it is too much work.
    pub fn run(&self, catalog: &Snapshot, parameters: &[ScalarValue]) -> Result<Option<RecordBatch>> {
        let Some(version) = self.published.shown().filter(|_| self.stands(catalog)) else { return Ok(None) };
        let Some(values) = self.conditions.iter().map(|condition| condition.values(parameters)).collect::<Result<Option<Vec<_>>>>()? else {
            return Ok(None);
        };
        let count = values[..self.key].iter().fold(1_usize, |count, values| count.saturating_mul(values.len()));
        if count > KEYS_MAX || count * version.chunks().len() > PROBES_MAX {
            return Ok(None);
        }
        let path: Vec<usize> = self.conditions[..self.key].iter().map(|condition| condition.column).collect();
        if version.chunks().iter().map(|chunk| chunk.rows_without_index(&path)).sum::<usize>() > HASHED_MAX {
            return Ok(None);
        }
        let keys = Keys::new(path, &combined(&values[..self.key], count)?)?;
        // Keys are found by their hash, and the other columns must be looked at anyway.
        let read: Vec<usize> = self.columns.iter().copied().chain(self.conditions.iter().map(|condition| condition.column)).collect();
        let shown: Vec<usize> = (0..self.columns.len()).collect();
        let compared: usize = values.iter().map(|values| values.len()).sum();
        let Some(mut left) = self.limit(parameters) else { return Ok(None) };
        let (mut found, mut count) = (vec![], 0);
        for chunk in version.chunks() {
            let places = if left == 0 { vec![] } else { chunk.find(&keys)? };
            if places.is_empty() {
                continue;
            }
            count += chunk.repetitions(&places);
            if count > ROWS_MAX || count * compared > COMPARED_MAX {
                return Ok(None);
            }
            let rows = self.holding(chunk.take(&places, &read)?, &values)?;
            let rows = rows.slice(0, rows.num_rows().min(left)).project(&shown)?;
            left -= rows.num_rows();
            found.push(rows);
        }
        let rows = match found.as_slice() {
            [rows] => rows.clone(),
            several => concat_batches(&Arc::new(version.schema().project(&self.columns)?), several)?,
        };
        Ok(Some(rows))
    }

    /// So many rows are wanted. `None` if that is no number.
    fn limit(&self, parameters: &[ScalarValue]) -> Option<usize> {
        let Some(wanted) = &self.limit else { return Some(usize::MAX) };
        match wanted.value(&DataType::Int64, parameters)? {
            ScalarValue::Int64(Some(rows)) => usize::try_from(rows).ok(),
            _ => None,
        }
    }

    /// The rows for which the conditions hold. Behind the columns of the result they have those of the conditions.
    fn holding(&self, rows: RecordBatch, values: &[ArrayRef]) -> Result<RecordBatch> {
        let mut rows = rows;
        for (number, values) in values.iter().enumerate() {
            let column = rows.column(self.columns.len() + number);
            let mut holds = BooleanArray::from(vec![false; column.len()]);
            for value in 0..values.len() {
                holds = or(&holds, &cmp::not_distinct(column, &Scalar::new(values.slice(value, 1)))?)?;
            }
            if holds.true_count() < rows.num_rows() {
                rows = filter_record_batch(&rows, &holds)?;
            }
        }
        Ok(rows)
    }
}

impl Condition {
    /// The values, but for nulls, which nothing equals. `None` if one is not of the column's type.
    fn values(&self, parameters: &[ScalarValue]) -> Result<Option<ArrayRef>> {
        let mut values = Vec::with_capacity(self.values.len());
        for wanted in &self.values {
            match wanted.value(&self.data_type, parameters) {
                None => return Ok(None),
                Some(value) if value.is_null() => {}
                Some(value) => values.push(value),
            }
        }
        Ok(Some(match values.is_empty() {
            true => new_empty_array(&self.data_type),
            false => ScalarValue::iter_to_array(values)?,
        }))
    }
}

impl Wanted {
    /// As one of this type. `None` if it is none.
    fn value(&self, data_type: &DataType, parameters: &[ScalarValue]) -> Option<ScalarValue> {
        match self {
            Wanted::Value(value) => Some(value.clone()),
            Wanted::Parameter(number) => of_type(parameters.get(*number)?, data_type),
        }
    }
}

/// The value as one of this type, if it is the same there.
fn of_type(value: &ScalarValue, data_type: &DataType) -> Option<ScalarValue> {
    match value.data_type() {
        _ if value.is_null() => ScalarValue::try_from(data_type).ok(),
        own if own == *data_type => Some(value.clone()),
        own if own.is_integer() && data_type.is_integer() => value.cast_to(data_type).ok(),
        _ => None,
    }
}

fn wanted(value: &Expr, data_type: &DataType) -> Option<Wanted> {
    match value {
        Expr::Literal(value, _) => of_type(value, data_type).map(Wanted::Value),
        Expr::Placeholder(placeholder) => {
            let number: usize = placeholder.id.strip_prefix('$')?.parse().ok()?;
            number.checked_sub(1).map(Wanted::Parameter)
        }
        // As the parameter's type; whether it is that of the column is seen when there is a value.
        Expr::Cast(cast) if matches!(cast.expr.as_ref(), Expr::Placeholder(_)) && cast.field.data_type() == data_type => {
            wanted(&cast.expr, data_type)
        }
        _ => None,
    }
}

/// The conditions about the columns of one of the paths, or the first few of them, before the others; and how many they are. The path is the one of
/// which they say the most.
fn key_first(mut conditions: Vec<Condition>, paths: &[Vec<usize>]) -> Option<(Vec<Condition>, usize)> {
    // Equal floats need not be alike.
    if !conditions.iter().all(|condition| Keys::allow(&condition.data_type)) {
        return None;
    }
    let said = |path: &[usize]| path.iter().take_while(|column| conditions.iter().any(|condition| condition.column == **column)).count();
    let (path, count) = paths.iter().map(|path| (path, said(path))).reduce(|best, other| if other.1 > best.1 { other } else { best })?;
    for (place, column) in path[..count].iter().enumerate() {
        let found = conditions.iter().position(|condition| condition.column == *column)?;
        conditions.swap(place, found);
    }
    (count > 0).then_some((conditions, count))
}

/// The column that is given out, under whatever name.
fn shown(expression: &Expr) -> Option<&Column> {
    match expression {
        Expr::Column(column) => Some(column),
        Expr::Alias(alias) => shown(&alias.expr),
        _ => None,
    }
}

fn scanned(plan: &LogicalPlan) -> Option<View> {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => scanned(&alias.input),
        LogicalPlan::TableScan(scan) if scan.projection.is_none() && scan.filters.is_empty() && scan.fetch.is_none() => view_of(scan),
        _ => None,
    }
}

/// How many rows are wanted, from the first on.
fn fetched(limit: &Limit) -> Option<Wanted> {
    match limit.get_skip_type().ok()? {
        SkipType::Literal(0) => wanted(limit.fetch.as_deref()?, &DataType::Int64),
        _ => None,
    }
}
