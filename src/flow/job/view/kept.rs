//! What the job of a view keeps: the operators' state and the answer, how they are saved, and how they come back.

use std::collections::BTreeMap;

use arrow::compute::cast;
use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};

use super::super::super::FlowServices;
use super::super::super::engine::{Dataflow, Delivery, Relation, State, StateSize};
use super::super::super::manifest::{SavedState, ShownBefore};
use super::super::super::published::{Answer, Bases, Seen};
use super::super::super::saved::{self, ANSWER, Retired, StateStore};
use super::super::JobSpec;
use super::super::spec::{Outlet, ViewSpec};
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
    /// What the saved state was computed from.
    bases: Bases,
    /// What came into the inputs before this moment is in the saved answer.
    complete_micros: Option<i64>,
    /// When the saved answer was shown.
    time_micros: Option<i64>,
    /// What readers are shown while this is computed anew.
    before: Option<ShownBefore>,
}

impl Kept {
    /// Plans the view. Nothing is restored yet.
    pub async fn plan(spec: &JobSpec, view: &ViewSpec, relations: &[Relation], services: &FlowServices) -> Result<Kept> {
        let delivery = match &view.outlet {
            Outlet::Shown(_) => Delivery::Kept,
            Outlet::Written(_) => Delivery::Written,
        };
        let mut dataflow = Dataflow::plan_to_give(&sql::parse_query(&view.query)?, relations, view.emit, delivery).await?;
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
            bases: Bases::new(),
            complete_micros: None,
            time_micros: None,
            before: None,
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
        self.before = saved.before;
        if !saved.has_begun {
            return Ok(());
        }
        let mut states: BTreeMap<String, &mut dyn State> = self.dataflow.states().into_iter().collect();
        let answer = &mut self.answer;
        let restore = |name: &str, changes: &Changes| match (states.get_mut(name), &mut *answer) {
            (Some(state), _) => state.restore(changes),
            (None, Some(answer)) if name == ANSWER => answer.restore(changes),
            (None, _) => Ok(()),
        };
        self.store.read(restore).await?;
        self.dataflow.resume();
        self.now_micros = saved.now_micros;
        self.bases = saved.bases;
        self.complete_micros = saved.complete_micros;
        self.time_micros = saved.time_micros;
        self.has_begun = true;
        Ok(())
    }

    /// Begins anew: what an earlier plan saved is to be removed, but for the answer, which readers are shown until this has caught up.
    pub fn discard(&mut self, spec: &JobSpec, services: &FlowServices, saved: SavedState, mut retired: Vec<Retired>, epoch: Epoch) {
        let now_micros = services.clock.now_micros();
        let is_shown = self.answer.is_some() && (saved.has_begun || saved.before.is_some());
        let (before, over) = match saved.before {
            Some(before) => (before, saved.objects),
            None => {
                let (objects, over) = saved::only(ANSWER, saved.objects);
                (ShownBefore { objects, bases: saved.bases, complete_micros: saved.complete_micros }, over)
            }
        };
        retired.extend(over.into_iter().map(|object| saved::retire(object, epoch, now_micros)));
        self.store = StateStore::new(services.lake.clone(), spec.job, vec![], retired);
        self.before = Some(before).filter(|_| is_shown);
    }

    /// Whether readers are shown what an earlier computation left.
    pub fn shows_before(&self) -> bool {
        self.before.is_some()
    }

    /// This has caught up: what was shown before is not needed any more.
    pub fn forget_before(&mut self, epoch: Epoch, services: &FlowServices) {
        if let Some(before) = self.before.take() {
            self.store.retire(before.objects, epoch, services.clock.now_micros());
        }
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

    /// Writes what changed since the last epoch. `seen`: what it was computed from.
    pub async fn save(&mut self, epoch: Epoch, seen: &Seen, now_micros: i64) -> Result<()> {
        let mut states = self.dataflow.states();
        if let Some(answer) = &mut self.answer {
            states.push((ANSWER.to_string(), answer.state()));
        }
        self.store.write(epoch, states, now_micros).await?;
        self.bases = seen.bases.clone();
        crash_point(fault::VIEW_STATE_WRITTEN);
        Ok(())
    }

    /// What the manifest is to say.
    pub fn saved(&self) -> (Option<SavedState>, Vec<Retired>) {
        let state = SavedState {
            fingerprint: self.fingerprint.clone(),
            now_micros: self.now_micros,
            objects: self.store.objects().to_vec(),
            has_begun: self.has_begun,
            bases: self.bases.clone(),
            complete_micros: self.complete_micros,
            time_micros: self.time_micros,
            before: self.before.clone(),
        };
        ((self.has_begun || self.before.is_some()).then_some(state), self.store.retired().to_vec())
    }

    /// Since when the answer that is saved may lack something, and when it was shown.
    pub fn moments(&self) -> (Option<i64>, Option<i64>) {
        (self.complete_micros, self.time_micros)
    }

    /// The same of the answer that is about to be saved.
    pub fn set_moments(&mut self, complete_micros: Option<i64>, time_micros: Option<i64>) {
        (self.complete_micros, self.time_micros) = (complete_micros, time_micros);
    }

    /// Removes what was saved since the last epoch.
    pub async fn discard_unnamed(&mut self) {
        self.store.discard_unnamed().await;
    }

    /// `begun` is when the writing of the epoch began.
    pub fn clean(&mut self, epoch: Epoch, needed_from: Option<Epoch>, begun: DateTime<Utc>) {
        let shown = self.before.iter().flat_map(|before| &before.objects).map(|object| object.name.clone());
        self.store.clean(epoch, needed_from, shown.collect(), begun);
    }

    /// How large each operator's state is, the answer's last.
    pub fn sizes(&mut self) -> Vec<StateSize> {
        let mut sizes = self.dataflow.sizes();
        if let Some(answer) = &mut self.answer {
            let bytes = answer.bytes();
            sizes.push(StateSize { operator: "Answer".to_string(), rows: answer.state().rows(), bytes });
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
const STATE_FORMAT: u32 = 2;

/// The same for dataflows that can take in each other's state: those of one query that are kept in the same way and save the same things.
fn fingerprint(query: &str, dataflow: &mut Dataflow, schema: &SchemaRef) -> String {
    let mut states: Vec<(String, SchemaRef)> = dataflow.states().into_iter().map(|(name, state)| (name, state.schema())).collect();
    states.push((ANSWER.to_string(), schema.clone()));
    let text = format!("{STATE_FORMAT}\n{query}\n{}\n{}", dataflow.explain().join("\n"), saved::describe(&states));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
