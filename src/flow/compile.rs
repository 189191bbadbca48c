//! A pipeline's query, made ready to run over one batch after another.
//!
//! The query is planned once by DataFusion, over leaves that give whatever batch lies in their slot, and the physical plan is run again
//! for each batch: planning costs milliseconds, a run a tenth of one. It is planned anew from its text when a source has new columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties, displayable};
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::Statement as DataFusionStatement;
use futures::TryStreamExt;
use sqlparser::ast::Query;

use super::expectations::{Expectations, Output};
use super::feed::FeedBatch;
use super::now;
use super::slot::Slot;
use crate::catalog::Expectation;
use crate::error::{Error, Result, SqlState};
use crate::model::{Name, ObjectId, SourceColumn, column};
use crate::sql;

const STATELESS_HINT: &str = "a query that looks at one row at a time may select, compute, filter, unnest and UNION ALL";

pub use crate::model::column::METADATA_COLUMNS;

/// A source as a query sees it.
#[derive(Clone)]
pub struct Input {
    pub id: ObjectId,
    pub name: Name,
    pub columns: Arc<Vec<SourceColumn>>,
}

/// A query over sources, with the expectations on its rows.
pub struct Compiled {
    inputs: Vec<CompiledInput>,
    plan: Arc<dyn ExecutionPlan>,
    task: Arc<TaskContext>,
    schema: SchemaRef,
    expectations: Expectations,
}

struct CompiledInput {
    id: ObjectId,
    columns: usize,
    schema: SchemaRef,
    slot: Arc<Slot>,
}

impl Compiled {
    /// Plans `query` over `inputs`. What is not stateless, or names what is not there, is refused by name.
    pub async fn new(query: &str, inputs: &[Input], expectations: &[Expectation]) -> Result<Compiled> {
        Compiled::plan(sql::parse_query(query)?, inputs, expectations).await
    }

    /// The same, of a query that may remember something from row to row: then there is `None`.
    pub async fn if_stateless(query: &str, inputs: &[Input], expectations: &[Expectation]) -> Result<Option<Compiled>> {
        match Compiled::new(query, inputs, expectations).await {
            Err(error) if error.hint() == Some(STATELESS_HINT) => Ok(None),
            compiled => compiled.map(Some),
        }
    }

    /// Plans a query that was accepted before, over inputs that may have got columns since. One that the query names itself goes to a sibling.
    pub async fn anew(query: &str, inputs: &[Input], expectations: &[Expectation]) -> Result<Compiled> {
        let mut parsed = sql::parse_query(query)?;
        if let [input] = inputs {
            sql::set_aside::set_aside(&mut parsed, &siblings(&input.columns));
        }
        Compiled::plan(parsed, inputs, expectations).await
    }

    async fn plan(mut parsed: Query, inputs: &[Input], expectations: &[Expectation]) -> Result<Compiled> {
        let named: Vec<&str> = METADATA_COLUMNS.into_iter().filter(|name| sql::identifiers::mentions(&parsed, name)).collect();
        sql::metadata_columns::hide_from_wildcards(&mut parsed, &named, &|name| inputs.iter().any(|input| input.name == *name))?;
        sql::result_names::spell_out(&mut parsed);
        let context = sql::planner::context(Arc::new(RuntimeEnv::default()), 1)?;
        now::register(&context);
        let inputs = inputs.iter().map(|input| register(&context, input, &named)).collect::<Result<Vec<_>>>()?;
        let statement = DataFusionStatement::Statement(Box::new(sqlparser::ast::Statement::Query(Box::new(parsed))));
        let logical = context.state().statement_to_plan(statement).await.map_err(Error::from).map_err(|error| explain(error, &inputs))?;
        refuse_state(&logical)?;
        let schema = Arc::new(logical.schema().as_arrow().clone());
        refuse_twins(&schema)?;
        let plan = context.state().create_physical_plan(&logical).await?;
        let expectations = Expectations::new(&context, &schema, expectations)?;
        Ok(Compiled { inputs, plan, task: context.task_ctx(), schema, expectations })
    }

    /// The columns of the result.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The operators, for EXPLAIN.
    pub fn describe(&self, is_verbose: bool) -> String {
        displayable(self.plan.as_ref()).indent(is_verbose).to_string()
    }

    /// Whether this was planned with at least so many columns of the source.
    pub fn knows(&self, source: ObjectId, columns: usize) -> bool {
        self.inputs.iter().any(|input| input.id == source && input.columns >= columns)
    }

    /// Runs the query over one batch of one source. An error means that a row cannot be computed (a cast fails), or breaks an expectation
    /// that says FAIL; nothing of the batch is to be kept then.
    pub async fn run(&self, source: ObjectId, batch: &FeedBatch) -> Result<Output> {
        for input in &self.inputs {
            let rows = match input.id == source {
                true => Some(input.arrange(batch)?),
                false => None,
            };
            input.slot.fill(rows);
        }
        let plan = reset_plan_states(self.plan.clone())?;
        let mut batches = Vec::new();
        for partition in 0..plan.output_partitioning().partition_count() {
            let stream = plan.execute(partition, self.task.clone())?;
            batches.extend(stream.try_collect::<Vec<_>>().await?);
        }
        for input in &self.inputs {
            input.slot.fill(None);
        }
        let rows = concat_batches(&plan.schema(), &batches)?;
        self.expectations.look_at(rows)
    }
}

impl CompiledInput {
    fn arrange(&self, batch: &FeedBatch) -> Result<RecordBatch> {
        arrange(batch, &self.schema, self.columns)
    }
}

/// The batch with the columns of `schema`: the source's first `columns`, of which those that are newer than the batch are null, and then some
/// of `METADATA_COLUMNS`.
pub fn arrange(batch: &FeedBatch, schema: &SchemaRef, columns: usize) -> Result<RecordBatch> {
    let count = batch.rows.num_rows();
    let arrays = schema
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| {
            let metadata = METADATA_COLUMNS.iter().position(|name| index >= columns && field.name() == name);
            match metadata {
                Some(0) => Arc::new(StringArray::from_iter_values(std::iter::repeat_n(batch.partition.as_str(), count))) as ArrayRef,
                Some(nth) => batch.metadata[nth - 1].clone(),
                None if index < batch.rows.num_columns() => batch.rows.column(index).clone(),
                None => new_null_array(field.data_type(), count),
            }
        })
        .collect();
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(schema.clone(), arrays, &options)?)
}

fn register(context: &SessionContext, input: &Input, metadata: &[&str]) -> Result<CompiledInput> {
    let mut fields: Vec<Arc<Field>> = column::to_arrow_schema(&input.columns).fields().to_vec();
    fields.extend(metadata.iter().map(|name| Arc::new(metadata_field(name))));
    let schema = Arc::new(Schema::new(fields));
    let slot = Slot::new(schema.clone());
    let table = StreamingTable::try_new(schema.clone(), vec![slot.clone()])?;
    context.register_table(datafusion::common::TableReference::bare(input.name.as_str()), Arc::new(table))?;
    Ok(CompiledInput { id: input.id, columns: input.columns.len(), schema, slot })
}

/// What each column is called where its own name is taken.
fn siblings(columns: &[SourceColumn]) -> Vec<(String, String)> {
    let sibling = |column: &SourceColumn| format!("{}__{}", column.name, column.data_type.reading_suffix());
    columns.iter().map(|column| (column.name.clone(), sibling(column))).collect()
}

/// The type of one of `METADATA_COLUMNS`.
pub fn metadata_field(name: &str) -> Field {
    let data_type = match name {
        "_arrival_time" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "_key" => DataType::Binary,
        _ => DataType::Utf8,
    };
    Field::new(name, data_type, name == "_key")
}

/// Only what looks at one row at a time may run here.
fn refuse_state(plan: &LogicalPlan) -> Result<()> {
    let mut refusal = None;
    plan.apply_with_subqueries(|node| {
        refusal = refusal_of(node);
        Ok(match refusal {
            Some(_) => TreeNodeRecursion::Stop,
            None => TreeNodeRecursion::Continue,
        })
    })?;
    match refusal {
        None => Ok(()),
        Some(what) => Err(Error::unsupported(format!("a pipeline cannot use {what} yet")).with_hint(STATELESS_HINT)),
    }
}

fn refusal_of(node: &LogicalPlan) -> Option<&'static str> {
    match node {
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => None,
        LogicalPlan::Unnest(_) | LogicalPlan::Union(_) | LogicalPlan::TableScan(_) => None,
        LogicalPlan::Aggregate(_) => Some("aggregates"),
        LogicalPlan::Join(_) => Some("joins"),
        LogicalPlan::Window(_) => Some("window functions"),
        LogicalPlan::Distinct(_) => Some("DISTINCT or UNION"),
        LogicalPlan::Sort(_) => Some("ORDER BY"),
        LogicalPlan::Limit(_) => Some("LIMIT"),
        LogicalPlan::Subquery(_) => Some("subqueries in expressions"),
        LogicalPlan::RecursiveQuery(_) => Some("WITH RECURSIVE"),
        LogicalPlan::EmptyRelation(_) | LogicalPlan::Values(_) => Some("rows that come from no source"),
        _ => Some("this kind of query"),
    }
}

/// A table cannot have two columns of one name.
fn refuse_twins(schema: &Schema) -> Result<()> {
    let mut seen = std::collections::HashSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name())) {
        None => Ok(()),
        Some(twin) => Err(Error::duplicate(format!("column \"{}\" specified more than once", twin.name()))
            .with_state(SqlState::DUPLICATE_COLUMN)
            .with_hint("give one of them another name with AS")),
    }
}

fn explain(error: Error, inputs: &[CompiledInput]) -> Error {
    let unknown = error.sqlstate() == SqlState::UNDEFINED_COLUMN && error.hint().is_none();
    match unknown && inputs.iter().any(|input| input.columns == 0) {
        true => error.with_hint("no data was found in the source yet; declare the columns in CREATE SOURCE, or use SELECT *"),
        false => error,
    }
}

#[cfg(test)]
mod tests;
