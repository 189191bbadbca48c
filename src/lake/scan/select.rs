//! Which files a query has to read: those whose partition values and statistics allow a row that it wants.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{and, cast, prep_null_mask_filter};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::{PruningPredicate, PruningPredicateBuilder};
use datafusion::physical_plan::PhysicalExpr;
use datafusion::scalar::ScalarValue;

use crate::lake::file_list::{Chunk, Kind, Shape};
use crate::lake::snapshot::Snapshot;

/// Whether the choice of files answers the filter completely: it is about partition values alone.
pub fn is_exact(filter: &Expr, shape: &Shape) -> bool {
    let columns = filter.column_refs();
    !filter.is_volatile()
        && !columns.is_empty()
        && columns.iter().all(|column| shape.partition_columns.contains(&column.name))
        && !has_subquery(filter)
}

/// The files that may have rows for which all filters hold.
pub fn files(snapshot: &Snapshot, filters: &[Expr], state: &dyn Session) -> Result<Vec<Chunk>> {
    let shape = snapshot.files().shape();
    let choice = Choice::of(filters, shape, state)?;
    let mut chosen = Vec::new();
    for chunk in snapshot.files().chunks() {
        let kept = choice.keep(chunk)?;
        match kept.true_count() {
            0 => {}
            all if all == chunk.len() => chosen.push(chunk.clone()),
            _ => chosen.push(chunk.filtered(&kept)?),
        }
    }
    Ok(chosen)
}

struct Choice<'a> {
    shape: &'a Shape,
    partition_schema: Arc<Schema>,
    by_partition: Option<Arc<dyn PhysicalExpr>>,
    by_statistics: Option<Arc<PruningPredicate>>,
}

impl<'a> Choice<'a> {
    fn of(filters: &[Expr], shape: &'a Shape, state: &dyn Session) -> Result<Choice<'a>> {
        let (exact, _): (Vec<_>, Vec<_>) = filters.iter().cloned().partition(|filter| is_exact(filter, shape));
        let partition_fields: Vec<_> =
            shape.partition_columns.iter().filter_map(|name| shape.table.field_with_name(name).ok()).cloned().collect();
        let partition_schema = Arc::new(Schema::new(partition_fields));
        let by_partition = match conjunction(exact) {
            Some(filter) => Some(state.create_physical_expr(filter, &DFSchema::try_from(partition_schema.clone())?)?),
            None => None,
        };
        let by_statistics = match conjunction(filters.to_vec()) {
            Some(filter) => {
                let filter = state.create_physical_expr(filter, &DFSchema::try_from(shape.table.clone())?)?;
                // Statistics are a help only: what cannot be made into a predicate over them chooses nothing.
                PruningPredicateBuilder::new()
                    .with_file_schema(shape.table.clone())
                    .build(filter)
                    .filter(|predicate| !predicate.always_true())
            }
            None => None,
        };
        Ok(Choice { shape, partition_schema, by_partition, by_statistics })
    }

    fn keep(&self, chunk: &Chunk) -> Result<BooleanArray> {
        let mut keep = BooleanArray::from(vec![true; chunk.len()]);
        if let Some(filter) = &self.by_partition {
            keep = self.holds(filter.as_ref(), chunk)?;
        }
        if let Some(predicate) = &self.by_statistics {
            let possible = predicate.prune(&ChunkStatistics { chunk, table: &self.shape.table })?;
            keep = and(&keep, &BooleanArray::from(possible))?;
        }
        Ok(keep)
    }

    /// The filter's value for each file; unknown is false, as in WHERE.
    fn holds(&self, filter: &dyn PhysicalExpr, chunk: &Chunk) -> Result<BooleanArray> {
        let values = self.partition_schema.fields().iter().map(|field| partition_column(chunk, field)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(chunk.len()));
        let batch = RecordBatch::try_new_with_options(nullable(&self.partition_schema), values, &options)?;
        let result = filter.evaluate(&batch)?.into_array(chunk.len())?;
        let holds = cast(&result, &DataType::Boolean)?.as_boolean().clone();
        match holds.null_count() {
            0 => Ok(holds),
            _ => Ok(prep_null_mask_filter(&holds)),
        }
    }
}

/// A chunk's statistics as DataFusion asks for them.
struct ChunkStatistics<'a> {
    chunk: &'a Chunk,
    table: &'a Schema,
}

impl ChunkStatistics<'_> {
    fn value(&self, kind: Kind, column: &Column) -> Option<ArrayRef> {
        let field = self.table.field_with_name(&column.name).ok()?;
        // A partition column has one value in each file.
        self.chunk.column(kind, field).or_else(|| self.chunk.column(Kind::Partition, field))
    }
}

impl PruningStatistics for ChunkStatistics<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.value(Kind::Min, column)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.value(Kind::Max, column)
    }

    fn num_containers(&self) -> usize {
        self.chunk.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let field = self.table.field_with_name(&column.name).ok()?;
        cast(&self.chunk.column(Kind::Nulls, field)?, &DataType::UInt64).ok()
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows: &Int64Array = self.chunk.rows()?;
        cast(rows, &DataType::UInt64).ok()
    }

    fn contained(&self, _column: &Column, _values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}

fn partition_column(chunk: &Chunk, field: &Field) -> ArrayRef {
    chunk.column(Kind::Partition, field).unwrap_or_else(|| new_null_array(field.data_type(), chunk.len()))
}

/// Whatever the table says, a log of another's may lack a partition value.
fn nullable(schema: &Schema) -> Arc<Schema> {
    Arc::new(Schema::new(schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>()))
}

fn has_subquery(filter: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    let is_subquery = |expr: &Expr| {
        Ok(matches!(
            expr,
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) | Expr::OuterReferenceColumn(_, _) | Expr::Placeholder(_)
        ))
    };
    filter.exists(is_subquery).unwrap_or(true)
}
