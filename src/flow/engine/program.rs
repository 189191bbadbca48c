//! A piece of a query that DataFusion runs: planned once over slots, run again for each tick.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{SortOptions, cast, concat_batches, prep_null_mask_filter, take_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::DFSchemaRef;
use datafusion::error::Result as DataFusionResult;
use datafusion::execution::{SessionState, TaskContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNode, UserDefinedLogicalNodeCore};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{LexOrdering, PhysicalExpr, PhysicalSortExpr};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::streaming::StreamingTableExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use futures::TryStreamExt;

use super::encoder::Encoder;
use crate::error::Result;
use crate::flow::slot::Slot;
use crate::sql::overflow;

pub struct Program {
    plan: Arc<dyn ExecutionPlan>,
    slots: Vec<Arc<Slot>>,
    task: Arc<TaskContext>,
    schema: SchemaRef,
    /// By what the rows of the first slot are sorted before the plan sees them.
    order: Option<Arc<Encoder>>,
}

impl Program {
    /// The program that `build` makes of leaves with these columns. Its result has the columns of `build`'s plan, all of them nullable.
    pub async fn new(
        state: &SessionState,
        leaves: &[DFSchemaRef],
        build: impl FnOnce(Vec<LogicalPlan>) -> Result<LogicalPlan>,
    ) -> Result<Program> {
        Program::over(state, leaves, &[], build).await
    }

    /// The same over one leaf whose rows `run` sorts by this first: the plan sorts them no more, and what ties in its own order stays as it is.
    pub async fn in_order(
        state: &SessionState,
        leaf: DFSchemaRef,
        order: &[(usize, SortOptions)],
        build: impl FnOnce(Vec<LogicalPlan>) -> Result<LogicalPlan>,
    ) -> Result<Program> {
        let encoder = match order.is_empty() {
            true => None,
            false => Some(Arc::new(Encoder::ordered(leaf.as_arrow(), vec![], order.to_vec())?)),
        };
        let program = Program::over(state, &[leaf], order, build).await?;
        Ok(Program { order: encoder, ..program })
    }

    async fn over(
        state: &SessionState,
        leaves: &[DFSchemaRef],
        order: &[(usize, SortOptions)],
        build: impl FnOnce(Vec<LogicalPlan>) -> Result<LogicalPlan>,
    ) -> Result<Program> {
        let slots: Vec<_> = leaves.iter().map(|schema| Slot::new(Arc::new(schema.as_arrow().clone()))).collect();
        let leaves = leaves.iter().zip(&slots).map(|(schema, slot)| leaf(schema, slot, order)).collect();
        let logical = build(leaves)?;
        let planner = DefaultPhysicalPlanner::with_extension_planners(vec![Arc::new(LeafPlanner)]);
        let schema = nullable(logical.schema().as_arrow());
        let plan = planner.create_physical_plan(&overflow::checked_plan(logical)?, state).await?;
        Ok(Program { plan, slots, task: state.task_ctx(), schema, order: None })
    }

    /// A program that was planned by hand over `slots`.
    pub fn of_plan(state: &SessionState, plan: Arc<dyn ExecutionPlan>, slots: Vec<Arc<Slot>>) -> Program {
        let schema = nullable(&plan.schema());
        Program { plan, slots, task: state.task_ctx(), schema, order: None }
    }

    /// Another plan over the same leaves.
    pub fn with_plan(&self, plan: Arc<dyn ExecutionPlan>) -> Program {
        Program { schema: nullable(&plan.schema()), plan, slots: self.slots.clone(), task: self.task.clone(), order: self.order.clone() }
    }

    pub fn plan(&self) -> &Arc<dyn ExecutionPlan> {
        &self.plan
    }

    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Runs over these rows, one batch per leaf.
    pub async fn run(&self, inputs: impl IntoIterator<Item = RecordBatch>) -> Result<RecordBatch> {
        for (place, (slot, rows)) in self.slots.iter().zip(inputs).enumerate() {
            let order = self.order.as_ref().filter(|_| place == 0);
            slot.fill(Some(match order {
                Some(order) => sorted(&rows, order)?,
                None => rows,
            }));
        }
        let plan = reset_plan_states(self.plan.clone())?;
        let mut batches = Vec::new();
        for partition in 0..plan.output_partitioning().partition_count() {
            let stream = plan.execute(partition, self.task.clone())?;
            batches.extend(stream.try_collect::<Vec<_>>().await?);
        }
        for slot in &self.slots {
            slot.fill(None);
        }
        let batches = batches.iter().map(|batch| conform(batch, &self.schema)).collect::<Result<Vec<_>>>()?;
        Ok(concat_batches(&self.schema, &batches)?)
    }
}

fn sorted(rows: &RecordBatch, order: &Encoder) -> Result<RecordBatch> {
    let strings = order.encode(rows)?;
    let mut places: Vec<u32> = (0..rows.num_rows() as u32).collect();
    places.sort_by(|one, other| strings.row(*one as usize).cmp(strings.row(*other as usize)));
    Ok(take_record_batch(rows, &UInt32Array::from(places))?)
}

/// The same columns, all of them nullable: DataFusion is not always right about that, and changes travel between its plans.
pub fn nullable(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true).with_metadata(Default::default())));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The rows under a schema with as many columns of types that are the same, or nearly.
pub fn conform(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let pairs = rows.columns().iter().zip(schema.fields());
    let columns = pairs.map(|(column, field)| match column.data_type() == field.data_type() {
        true => Ok(column.clone()),
        false => Ok(cast(column, field.data_type())?),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_>>()?, &options)?)
}

/// A plan that gives what lies in `slot`, under the names of `schema`.
fn leaf(schema: &DFSchemaRef, slot: &Arc<Slot>, order: &[(usize, SortOptions)]) -> LogicalPlan {
    LogicalPlan::Extension(Extension { node: Arc::new(Leaf { schema: schema.clone(), slot: slot.clone(), order: order.to_vec() }) })
}

#[derive(Debug, Clone)]
struct Leaf {
    schema: DFSchemaRef,
    slot: Arc<Slot>,
    /// In which its rows come. None is known where it is empty.
    order: Vec<(usize, SortOptions)>,
}

impl Leaf {
    fn identity(&self) -> usize {
        Arc::as_ptr(&self.slot) as usize
    }
}

impl PartialEq for Leaf {
    fn eq(&self, other: &Leaf) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Leaf {}

impl Hash for Leaf {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

impl PartialOrd for Leaf {
    fn partial_cmp(&self, other: &Leaf) -> Option<Ordering> {
        self.identity().partial_cmp(&other.identity())
    }
}

impl UserDefinedLogicalNodeCore for Leaf {
    fn name(&self) -> &str {
        "Leaf"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![]
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Leaf")
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, _: Vec<LogicalPlan>) -> DataFusionResult<Leaf> {
        Ok(self.clone())
    }
}

struct LeafPlanner;

#[async_trait]
impl ExtensionPlanner for LeafPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        _: &[Arc<dyn ExecutionPlan>],
        _: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> DataFusionResult<Option<Arc<dyn ExecutionPlan>>> {
        let Some(leaf) = node.as_any().downcast_ref::<Leaf>() else { return Ok(None) };
        let schema = Arc::new(leaf.schema.as_arrow().clone());
        let by_column = |(column, options): &(usize, SortOptions)| {
            PhysicalSortExpr::new(Arc::new(Column::new(schema.field(*column).name(), *column)), *options)
        };
        let order = LexOrdering::new(leaf.order.iter().map(by_column));
        Ok(Some(Arc::new(StreamingTableExec::try_new(schema, vec![leaf.slot.clone()], None, order, false, None)?)))
    }
}

/// The value of an expression for each row.
pub fn evaluate(expression: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<ArrayRef> {
    Ok(expression.evaluate(rows)?.into_array(rows.num_rows())?)
}

/// For which rows a condition is true: neither false nor null.
pub fn met(condition: &Arc<dyn PhysicalExpr>, rows: &RecordBatch) -> Result<BooleanArray> {
    let met = evaluate(condition, rows)?;
    let met = met.as_boolean();
    Ok(match met.null_count() {
        0 => met.clone(),
        _ => prep_null_mask_filter(met),
    })
}
