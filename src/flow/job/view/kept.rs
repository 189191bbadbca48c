//! What the job of a view keeps: the operators' state and the answer, how they are saved, and how they come back.

use arrow::compute::cast;
use arrow::datatypes::SchemaRef;

use super::super::super::FlowServices;
use super::super::super::engine::{Dataflow, Relation, StateSize};
use super::super::super::manifest::SavedState;
use super::super::super::published::Answer;
use super::super::super::saved::{self, Retired, StateStore};
use super::super::JobSpec;
use super::super::spec::{Outlet, ViewSpec};
use super::ANSWER;
use crate::error::{Error, Result};
use crate::fault::{self, crash_point};
use crate::model::{Changes, Epoch};
use crate::sql;

pub struct Kept {
    dataflow: Dataflow,
    schema: SchemaRef,
    /// Unless its rows are written and forgotten.
    pub answer: Option<Answer>,
    store: StateStore,
    fingerprint: String,
    /// What `now()` was in the last tick.
    now_micros: i64,
    has_begun: bool,
}

impl Kept {
    /// Plans the view. Nothing is restored yet.
    pub async fn plan(spec: &JobSpec, view: &ViewSpec, relations: &[Relation], services: &FlowServices) -> Result<Kept> {
        let mut dataflow = Dataflow::plan_to_emit(&sql::parse_query(&view.query)?, relations, view.emit).await?;
        let schema = match &view.outlet {
            Outlet::Shown(schema) => schema.clone(),
            Outlet::Written(_) => dataflow.schema().clone(),
        };
        if dataflow.schema().fields().len() != schema.fields().len() {
            return Err(Error::internal(format!("view \"{}\" was made with other columns than it is planned with now", spec.name)));
        }
        let fingerprint = fingerprint(&view.query, &mut dataflow, &schema);
        let answer = match &view.outlet {
            Outlet::Shown(_) => Some(Answer::new(schema.clone())?),
            Outlet::Written(_) => None,
        };
        Ok(Kept {
            dataflow,
            schema,
            answer,
            store: StateStore::new(services.lake.clone(), spec.job, vec![], vec![]),
            fingerprint,
            now_micros: 0,
            has_begun: false,
        })
    }

    /// The columns of the answer.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether this was saved by a dataflow like this one.
    pub fn fits(&self, state: &SavedState) -> bool {
        state.fingerprint == self.fingerprint
    }

    /// Says how far the times of a relation have come. Returns whether that is further than before.
    pub fn advance_watermark(&self, relation: usize, micros: i64) -> bool {
        self.dataflow.advance_watermark(relation, micros)
    }

    /// Rows that came after their window had closed, since the run began.
    pub fn late_rows(&self) -> u64 {
        self.dataflow.late_rows()
    }

    /// Whether the answer changes as time passes, also if nothing comes.
    pub fn follows_the_clock(&self) -> bool {
        self.dataflow.follows_the_clock()
    }

    /// Whether there was a tick, in this run or an earlier one.
    pub fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Goes on from what was saved. Errors of kind `State`: it is not all there.
    pub async fn restore(&mut self, spec: &JobSpec, services: &FlowServices, saved: SavedState, retired: Vec<Retired>) -> Result<()> {
        self.store = StateStore::new(services.lake.clone(), spec.job, saved.objects, retired);
        let mut states = self.store.read().await?;
        if let Some(answer) = &mut self.answer {
            answer.restore(&states.remove(ANSWER).unwrap_or_default())?;
        }
        for (name, state) in self.dataflow.states() {
            for changes in states.remove(&name).unwrap_or_default() {
                state.restore(&changes)?;
            }
        }
        self.dataflow.resume();
        self.now_micros = saved.now_micros;
        self.has_begun = true;
        Ok(())
    }

    /// Begins anew: what an earlier plan saved is to be removed.
    pub fn discard(&mut self, spec: &JobSpec, services: &FlowServices, saved: SavedState, mut retired: Vec<Retired>, epoch: Epoch) {
        let now_micros = services.clock.now_micros();
        retired.extend(saved.objects.into_iter().map(|object| saved::retire(object, epoch, now_micros)));
        self.store = StateStore::new(services.lake.clone(), spec.job, vec![], retired);
    }

    /// One tick: what changed in the answer, which is consolidated.
    pub async fn tick(&mut self, inputs: &[Changes], now_micros: i64) -> Result<Changes> {
        self.now_micros = self.now_micros.max(now_micros);
        self.has_begun = true;
        let made = self.dataflow.tick(inputs, self.now_micros).await?;
        let changes = shown(&made, &self.schema)?;
        crash_point(fault::VIEW_TICK_COMPUTED);
        if let Some(answer) = &mut self.answer {
            answer.apply(&changes)?;
        }
        Ok(changes)
    }

    /// Writes what changed since the last epoch.
    pub async fn save(&mut self, epoch: Epoch, now_micros: i64) -> Result<()> {
        let mut states = self.dataflow.states();
        if let Some(answer) = &mut self.answer {
            states.push((ANSWER.to_string(), answer.state()));
        }
        self.store.write(epoch, states, now_micros).await?;
        crash_point(fault::VIEW_STATE_WRITTEN);
        Ok(())
    }

    /// What the manifest is to say.
    pub fn saved(&self) -> (Option<SavedState>, Vec<Retired>) {
        let objects = self.store.objects().to_vec();
        let state = SavedState { fingerprint: self.fingerprint.clone(), now_micros: self.now_micros, objects };
        (self.has_begun.then_some(state), self.store.retired().to_vec())
    }

    /// Removes what was saved since the last epoch.
    pub async fn discard_unnamed(&mut self) {
        self.store.discard_unnamed().await;
    }

    pub fn clean(&mut self, epoch: Epoch, needed_from: Option<Epoch>, services: &FlowServices) {
        self.store.clean(epoch, needed_from, services.clock.now());
    }

    /// How large each operator's state is, the answer's last.
    pub fn sizes(&mut self) -> Vec<StateSize> {
        let mut sizes = self.dataflow.sizes();
        if let Some(answer) = &mut self.answer {
            let answer = answer.state();
            sizes.push(StateSize { operator: "Answer".to_string(), rows: answer.rows(), bytes: answer.bytes() });
        }
        sizes
    }
}

/// The answer under the names and types that the view was made with.
fn shown(changes: &Changes, schema: &SchemaRef) -> Result<Changes> {
    let mut is_cast = false;
    let mut columns = Vec::with_capacity(schema.fields().len());
    for (column, field) in changes.rows().columns().iter().zip(schema.fields()) {
        if column.data_type() == field.data_type() {
            columns.push(column.clone());
        } else {
            is_cast = true;
            columns.push(cast(column, field.data_type())?);
        }
    }
    let shown = changes.with_rows(arrow::array::RecordBatch::try_new(schema.clone(), columns)?);
    match is_cast || shown.are_inserts() {
        true => shown.consolidated(),
        false => Ok(shown),
    }
}

/// To be changed when an operator means something else by what it saves under the same name and columns.
const STATE_FORMAT: u32 = 1;

/// The same for dataflows that can take in each other's state: those of one query that save the same things.
fn fingerprint(query: &str, dataflow: &mut Dataflow, schema: &SchemaRef) -> String {
    let mut states: Vec<(String, SchemaRef)> = dataflow.states().into_iter().map(|(name, state)| (name, state.schema())).collect();
    states.push((ANSWER.to_string(), schema.clone()));
    let text = format!("{STATE_FORMAT}\n{query}\n{}", saved::describe(&states));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
