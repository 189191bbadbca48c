//! Aggregates over rows that only come: the state of a group is merged with the state of its new rows. Any aggregate of DataFusion's can do
//! that; none can take a row back.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::execution::SessionState;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::streaming::StreamingTableExec;

use super::{Moment, Operator};
use crate::error::{Error, Result};
use crate::flow::engine::arrangement::{Arrangement, KeyNumber};
use crate::flow::engine::program::{Program, conform};
use crate::flow::engine::state::State;
use crate::flow::slot::Slot;
use crate::model::Changes;

/// Without a group, these of DataFusion's (55.2) take in only the first of the states that they are given to merge.
const FIRST_STATE_ONLY: [&str; 1] = ["percentile_cont"];

pub struct Merge {
    /// From rows to states, from states to fewer states, from states to results.
    partial: Program,
    reduce: Program,
    finish: Program,
    /// One row per group.
    states: Arrangement,
    schema: SchemaRef,
}

impl Merge {
    /// `whole` is the aggregate as DataFusion runs it at once, over one leaf, its first `keys` columns being the group. `None` where its
    /// plan is not of the kind that can be taken apart.
    pub fn new(state: &SessionState, whole: &Program, keys: usize, schema: SchemaRef) -> Result<Option<Merge>> {
        let Some(aggregate) = single_aggregate(whole.plan()) else { return Ok(None) };
        if keys == 0 && aggregate.aggr_expr().iter().any(|function| FIRST_STATE_ONLY.contains(&function.fun().name())) {
            return Ok(None);
        }
        let phase = |mode, input: Arc<dyn ExecutionPlan>| -> Result<Arc<dyn ExecutionPlan>> {
            let (group, filters) = match mode {
                AggregateMode::Partial => (aggregate.group_expr().clone(), aggregate.filter_expr().to_vec()),
                _ => (aggregate.group_expr().as_final(), vec![None; aggregate.aggr_expr().len()]),
            };
            Ok(Arc::new(AggregateExec::try_new(mode, group, aggregate.aggr_expr().to_vec(), filters, input, aggregate.input_schema())?))
        };
        let partial = phase(AggregateMode::Partial, aggregate.input().clone())?;
        let leaf = |slot: &Arc<Slot>| -> Result<Arc<dyn ExecutionPlan>> {
            Ok(Arc::new(StreamingTableExec::try_new(partial.schema(), vec![slot.clone()], None, vec![], false, None)?))
        };
        let (to_reduce, to_finish) = (Slot::new(partial.schema()), Slot::new(partial.schema()));
        let reduce = Program::of_plan(state, phase(AggregateMode::PartialReduce, leaf(&to_reduce)?)?, vec![to_reduce]);
        let finish = Program::of_plan(state, phase(AggregateMode::Final, leaf(&to_finish)?)?, vec![to_finish]);
        let partial = whole.with_plan(partial);
        let Ok(states) = Arrangement::new(partial.schema().clone(), (0..keys).collect()) else { return Ok(None) };
        Ok(Some(Merge { partial, reduce, finish, states, schema }))
    }

    async fn merge(&mut self, rows: RecordBatch) -> Result<Changes> {
        let new = Changes::inserted(self.partial.run([rows]).await?);
        let keys = self.states.encode_keys(new.rows())?;
        let known: Vec<KeyNumber> = (0..new.len()).filter_map(|row| self.states.find_key(keys.row(row))).collect();
        let old = self.states.gather(known.into_iter())?;
        let both = Changes::concat(self.partial.schema(), &[old.clone(), new.clone()])?;
        let merged = match old.is_empty() {
            true => new,
            false => Changes::inserted(conform(&self.reduce.run([both.rows().clone()]).await?, self.partial.schema())?),
        };
        let after = Changes::inserted(self.results(&merged).await?);
        let before = Changes::inserted(self.results(&old).await?);
        let change = Changes::concat(self.partial.schema(), &[old.negated(), merged])?;
        self.states.update(&change, |_, _, _| {})?;
        Changes::concat(&self.schema, &[before.negated(), after])?.consolidated()
    }

    async fn results(&self, states: &Changes) -> Result<RecordBatch> {
        match states.is_empty() {
            // Without groups, no states at all would give a row.
            true => Ok(RecordBatch::new_empty(self.schema.clone())),
            false => conform(&self.finish.run([states.rows().clone()]).await?, &self.schema),
        }
    }
}

/// The aggregate in a plan that is nothing else, or only puts its columns in order.
fn single_aggregate(plan: &Arc<dyn ExecutionPlan>) -> Option<&AggregateExec> {
    let aggregate = plan.downcast_ref::<AggregateExec>()?;
    (*aggregate.mode() == AggregateMode::Single).then_some(aggregate)
}

#[async_trait]
impl Operator for Merge {
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes> {
        let [input] = inputs else { unreachable!("an aggregate has one input") };
        let begins = moment.is_first && self.states.is_keyless();
        if input.is_empty() && !begins {
            return Ok(Changes::empty(self.schema.clone()));
        }
        if (0..input.len()).any(|row| input.weight(row) < 0) {
            return Err(Error::internal("a row went from an input that only grows"));
        }
        self.merge(input.repeated()?).await
    }

    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![("states".to_string(), &mut self.states)]
    }
}
