//! Reading a version of a view: all of its chunks, or the rows of some keys.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Statistics, internal_err};
use datafusion::error::Result;
use datafusion::execution::TaskContext;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::statistics::StatisticsArgs;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions, SendableRecordBatchStream,
};

use crate::flow::published::{Chunk, Keys, Version};
use crate::model::Name;

#[derive(Debug)]
pub struct ViewScan {
    name: Name,
    version: Arc<Version>,
    columns: Vec<usize>,
    /// What is looked up. `None`: everything is read.
    keys: Option<Keys>,
    /// No more rows than these are wanted of each partition.
    limit: Option<usize>,
    properties: Arc<PlanProperties>,
}

impl ViewScan {
    /// `columns` of the view, in at most so many partitions.
    pub fn new(
        name: Name,
        version: Arc<Version>,
        columns: Vec<usize>,
        keys: Option<Keys>,
        limit: Option<usize>,
        at_once: usize,
    ) -> Result<ViewScan> {
        let schema = Arc::new(version.schema().project(&columns)?);
        let partitions = if keys.is_some() { 1 } else { version.chunks().len().clamp(1, at_once.max(1)) };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(ViewScan { name, version, columns, keys, limit, properties: Arc::new(properties) })
    }

    fn chunks(&self, partition: usize) -> Vec<Arc<Chunk>> {
        let all = self.version.chunks();
        let each = all.len().div_ceil(self.properties.partitioning.partition_count());
        all.iter().skip(partition * each).take(each).cloned().collect()
    }

    fn key_names(&self) -> Vec<&str> {
        let name = |column: &usize| self.version.schema().field(*column).name().as_str();
        self.keys.iter().flat_map(|keys| keys.columns().iter().map(name)).collect()
    }
}

impl DisplayAs for ViewScan {
    fn fmt_as(&self, _t: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ViewScan: {}", self.name)?;
        match &self.keys {
            Some(keys) => write!(f, ", looks up {} of ({})", keys.count(), self.key_names().join(", ")),
            None => write!(f, ", {} rows in {} chunks", self.version.rows, self.version.chunks().len()),
        }
    }
}

impl ExecutionPlan for ViewScan {
    fn name(&self) -> &'static str {
        "ViewScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![]
    }

    fn apply_expressions(&self, _f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>, _: ReplaceChildrenOptions) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        if partition >= self.properties.partitioning.partition_count() {
            return internal_err!("a view has no partition {partition}");
        }
        let (schema, columns, keys) = (self.schema(), self.columns.clone(), self.keys.clone());
        let mut left = self.limit.unwrap_or(usize::MAX);
        let read = move |chunk: Arc<Chunk>| -> Option<Result<RecordBatch>> {
            let rows = match &keys {
                _ if left == 0 => None,
                Some(keys) => chunk.look_up(keys, &columns).transpose(),
                None => Some(chunk.read(&columns)),
            };
            let rows = rows?.map(|rows| rows.slice(0, rows.num_rows().min(left)));
            left -= rows.as_ref().map_or(0, RecordBatch::num_rows);
            Some(rows.map_err(Into::into))
        };
        let batches = futures::stream::iter(self.chunks(partition).into_iter().filter_map(read));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn statistics_from_inputs(&self, _input_stats: &[Arc<Statistics>], args: &StatisticsArgs) -> Result<Arc<Statistics>> {
        let mut statistics = Statistics::new_unknown(&self.schema());
        if args.partition().is_none() && self.keys.is_none() && self.limit.is_none() {
            statistics.num_rows = Precision::Exact(self.version.rows as usize);
        }
        Ok(Arc::new(statistics))
    }
}
