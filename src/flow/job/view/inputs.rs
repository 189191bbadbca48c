//! All that a view reads, and what of it goes into the next tick.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use futures::FutureExt;
use futures::future::select_all;

use super::super::super::FlowServices;
use super::super::super::compile;
use super::super::super::engine::{Relation, Watermark};
use super::super::super::feed::FeedBatch;
use super::super::super::published::{Boundary, Version};
use super::super::inputs::Inputs;
use super::super::spec::{ViewInputFrom, ViewInputSpec, ViewSpec};
use super::super::{InputStatus, JobSpec};
use super::Taken;
use super::table_input::{self, TableInput};
use super::times::Times;
use super::upstream::Upstream;
use crate::catalog::Definition;
use crate::error::{Error, Result};
use crate::model::{Changes, Epoch, ObjectId, PartitionId, PartitionState, Position, Positions, column};
use crate::sources::Behind;
use crate::sql::planner;

/// What the one partition of a table is called, and that of a view.
const TABLE_PARTITION: &str = "log";
const VIEW_PARTITION: &str = "epochs";

pub struct ViewInputs {
    pub sources: Inputs,
    pub kept: KeptInputs,
}

/// The relations in the dataflow's order. Of the sources only what they look like; of tables and views also how far each is.
pub struct KeptInputs(Vec<Reading>);

/// A relation of the dataflow, in its order.
struct Reading {
    id: ObjectId,
    schema: SchemaRef,
    from: From,
}

enum From {
    /// The nth source, how many of its columns are read, and how far its times have come where it has a watermark.
    Source {
        nth: usize,
        columns: usize,
        times: Option<Times>,
    },
    Table(Box<TableInput>),
    View(Upstream),
}

impl ViewInputs {
    /// The relations as the dataflow is to see them. Does not begin to read.
    pub async fn relations(spec: &JobSpec, view: &ViewSpec) -> Result<Vec<Relation>> {
        let mut relations = Vec::with_capacity(view.inputs.len());
        for input in &view.inputs {
            relations.push(match &input.from {
                ViewInputFrom::Source(nth) => {
                    let Definition::Source(source) = &spec.sources[*nth].0.definition else {
                        return Err(Error::internal(format!("\"{}\" is not a source", input.name)));
                    };
                    let known = source.columns.iter().filter(|column| input.columns.contains(&column.name)).cloned().collect::<Vec<_>>();
                    let relation = Relation::source(input.name.clone(), &column::to_arrow_schema(&known));
                    let mark = source.watermark.as_ref().and_then(|mark| {
                        let column = known.iter().position(|column| column.name == mark.column)?;
                        Some(Watermark { column, lateness_micros: mark.lateness_micros })
                    });
                    match mark {
                        Some(mark) => relation.with_watermark(mark),
                        None => relation,
                    }
                }
                ViewInputFrom::Table(table) => {
                    let snapshot = table.refresh().await?;
                    Relation::table(input.name.clone(), table_input::schema_of(&input.name, &input.columns, &snapshot)?)
                }
                ViewInputFrom::View { schema, .. } => Relation::table(input.name.clone(), schema.clone()),
            });
        }
        Ok(relations)
    }

    /// Goes on from `positions`.
    pub async fn open(
        spec: &JobSpec,
        view: &ViewSpec,
        relations: &[Relation],
        services: &FlowServices,
        positions: BTreeMap<ObjectId, Positions>,
    ) -> Result<ViewInputs> {
        let runtime = Arc::new(RuntimeEnv::default());
        services.lake.register(&runtime);
        let state = planner::context(runtime, 1)?.state();
        let open = |(input, relation): (&ViewInputSpec, &Relation)| {
            let from = open(input, relation, services, &state, positions.get(&input.id))?;
            Ok(Reading { id: input.id, schema: relation.schema.clone(), from })
        };
        let relations = view.inputs.iter().zip(relations).map(open).collect::<Result<Vec<_>>>()?;
        let sources = Inputs::open(&spec.sources, &services.feeds, positions.clone()).await?;
        Ok(ViewInputs { sources, kept: KeptInputs(relations) })
    }

    /// Whether a tick can be computed: every view that is read has shown something.
    pub async fn are_ready(&mut self, services: &FlowServices) -> Result<bool> {
        let mut are_ready = true;
        for upstream in self.upstreams_mut() {
            are_ready &= upstream.prepare(services).await?;
        }
        Ok(are_ready)
    }

    /// Nothing of any relation.
    pub fn nothing(&self) -> Vec<Vec<Changes>> {
        self.kept.0.iter().map(|_| vec![]).collect()
    }

    /// A batch of a source as the dataflow sees it, for each relation that it is.
    pub fn arrange(&mut self, source: usize, batch: &FeedBatch, into: &mut [Vec<Changes>]) -> Result<()> {
        for (reading, changes) in self.kept.0.iter_mut().zip(into) {
            if let From::Source { nth, columns, times } = &mut reading.from
                && *nth == source
            {
                let rows = compile::arrange(batch, &reading.schema, *columns)?;
                if let Some(times) = times {
                    times.see(&batch.partition, &rows)?;
                }
                changes.push(Changes::inserted(rows));
            }
        }
        Ok(())
    }

    /// The watermarks that are known, each with the place of its relation.
    pub fn watermarks(&self, now_micros: i64) -> Vec<(usize, i64)> {
        let watermark = |reading: &Reading| match &reading.from {
            From::Source { nth, times: Some(times), .. } => times.watermark(&self.sources.backlog(*nth), now_micros),
            _ => None,
        };
        self.kept.0.iter().enumerate().filter_map(|(place, reading)| Some((place, watermark(reading)?))).collect()
    }

    /// What tables and views have: whole versions, of each until there are `rows_max` rows.
    pub async fn take(&mut self, rows_max: usize, into: &mut [Vec<Changes>]) -> Result<Taken> {
        let mut all = Taken::default();
        for (reading, changes) in self.kept.0.iter_mut().zip(into) {
            let taken = match &mut reading.from {
                From::Source { .. } => continue,
                From::Table(table) => table.take(rows_max).await?,
                From::View(upstream) => upstream.take()?,
            };
            all.has_advanced |= taken.has_advanced;
            all.has_more |= taken.has_more;
            changes.extend(taken.changes);
        }
        Ok(all)
    }

    /// Waits until each view that is read has committed what was seen of it.
    pub async fn boundaries(&mut self) -> Result<Vec<Boundary>> {
        let mut boundaries = vec![];
        for upstream in self.upstreams_mut() {
            boundaries.push(upstream.boundary().await?);
        }
        Ok(boundaries)
    }

    /// What leads to these boundaries.
    pub fn take_to(&mut self, boundaries: &[Boundary], into: &mut [Vec<Changes>]) -> Result<Taken> {
        let mut all = Taken::default();
        let mut boundaries = boundaries.iter();
        for (reading, changes) in self.kept.0.iter_mut().zip(into) {
            if let From::View(upstream) = &mut reading.from
                && let Some(boundary) = boundaries.next()
            {
                let taken = upstream.take_to(boundary.version.clone())?;
                upstream.committed(boundary);
                all.has_advanced |= taken.has_advanced;
                changes.extend(taken.changes);
            }
        }
        Ok(all)
    }

    /// What goes into the dataflow: one batch for each relation.
    pub fn batches(&self, taken: &[Vec<Changes>]) -> Result<Vec<Changes>> {
        self.kept.0.iter().zip(taken).map(|(reading, changes)| Changes::concat(&reading.schema, changes)).collect()
    }

    /// What was seen of other views.
    pub fn includes(&self) -> BTreeMap<ObjectId, Arc<Version>> {
        self.upstreams().filter_map(|upstream| Some((upstream.id, upstream.included()?.clone()))).collect()
    }

    /// Asks to be told when all that is there now is in.
    pub async fn mark(&mut self) -> Result<()> {
        self.sources.mark().await?;
        self.mark_kept().await
    }

    /// The same for tables and views alone.
    pub async fn mark_kept(&mut self) -> Result<()> {
        for reading in &mut self.kept.0 {
            match &mut reading.from {
                From::Source { .. } => {}
                From::Table(table) => table.mark().await?,
                From::View(upstream) => upstream.mark(),
            }
        }
        Ok(())
    }

    pub fn have_passed_mark(&self) -> bool {
        self.sources.have_passed_mark() && self.kept_have_passed_mark()
    }

    pub fn kept_have_passed_mark(&self) -> bool {
        self.kept.0.iter().all(|reading| match &reading.from {
            From::Source { .. } => true,
            From::Table(table) => table.has_passed_mark(),
            From::View(upstream) => upstream.has_passed_mark(),
        })
    }

    /// Looks whether other writers have committed to the tables. That the store does not answer is told when it matters.
    pub async fn poll(&mut self) {
        for reading in &mut self.kept.0 {
            if let From::Table(table) = &mut reading.from
                && let Err(error) = table.poll().await
            {
                tracing::debug!(?error, table = table.name.as_str(), "the table could not be looked at; this is tried again");
            }
        }
    }

    pub fn has_tables(&self) -> bool {
        self.kept.0.iter().any(|reading| matches!(reading.from, From::Table(_)))
    }

    pub fn positions(&self) -> BTreeMap<ObjectId, Positions> {
        let mut positions = self.sources.positions();
        for reading in &self.kept.0 {
            if let Some((partition, position)) = reading.position() {
                positions.insert(reading.id, Positions::from([(partition, PartitionState::At(position))]));
            }
        }
        positions
    }

    pub fn status(&self) -> Vec<InputStatus> {
        let kept = self.kept.0.iter().filter_map(|reading| {
            let (partition, position) = reading.position()?;
            let source = match &reading.from {
                From::Source { .. } => return None,
                From::Table(table) => table.name.clone(),
                From::View(upstream) => upstream.name.clone(),
            };
            Some(InputStatus { source, partition, state: PartitionState::At(position), behind: Behind::default() })
        });
        self.sources.status().into_iter().chain(kept).collect()
    }

    /// From which epochs of other views this one goes on after a stop.
    pub fn epochs(&self) -> BTreeMap<ObjectId, Epoch> {
        self.upstreams().filter_map(|upstream| Some((upstream.id, upstream.position()?))).collect()
    }

    fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.kept.0.iter().filter_map(|reading| match &reading.from {
            From::View(upstream) => Some(upstream),
            _ => None,
        })
    }

    fn upstreams_mut(&mut self) -> impl Iterator<Item = &mut Upstream> {
        self.kept.0.iter_mut().filter_map(|reading| match &mut reading.from {
            From::View(upstream) => Some(upstream),
            _ => None,
        })
    }
}

impl KeptInputs {
    /// Waits until a table or a view may have something new, for ever if there is none. May be dropped and called again.
    pub async fn changed(&mut self) {
        let mut waiting = vec![];
        for reading in &mut self.0 {
            match &mut reading.from {
                From::Source { .. } => {}
                From::Table(table) => waiting.push(async { drop(table.versions.changed().await) }.boxed()),
                From::View(upstream) => waiting.push(async { drop(upstream.changed.changed().await) }.boxed()),
            }
        }
        match waiting.is_empty() {
            true => std::future::pending().await,
            false => drop(select_all(waiting).await),
        }
    }
}

impl Reading {
    /// Where it is, if it is a table or a view.
    fn position(&self) -> Option<(PartitionId, Position)> {
        match &self.from {
            From::Source { .. } => None,
            From::Table(table) => Some((PartitionId::new(TABLE_PARTITION), Position::new(table.position()?.to_string()))),
            From::View(upstream) => Some((PartitionId::new(VIEW_PARTITION), Position::new(upstream.position()?.to_string()))),
        }
    }
}

fn open(
    input: &ViewInputSpec,
    relation: &Relation,
    services: &FlowServices,
    state: &SessionState,
    positions: Option<&Positions>,
) -> Result<From> {
    Ok(match &input.from {
        ViewInputFrom::Source(nth) => From::Source {
            nth: *nth,
            columns: relation.schema.fields().len() - relation.hidden,
            times: relation.watermark.map(|mark| Times::new(mark.column, mark.lateness_micros)),
        },
        ViewInputFrom::Table(table) => {
            let position = number(positions, TABLE_PARTITION)?;
            From::Table(Box::new(TableInput::new(input.name.clone(), table.clone(), relation.schema.clone(), state.clone(), position)))
        }
        ViewInputFrom::View { job, schema } => {
            let epoch = number(positions, VIEW_PARTITION)?.map(|epoch| Epoch(epoch as u64));
            From::View(Upstream::new(input.id, input.name.clone(), *job, schema.clone(), services.views.get(input.id), epoch))
        }
    })
}

/// The version of a table up to which a job has read it, if these are positions in a table.
pub fn table_version(positions: &Positions) -> Result<Option<i64>> {
    number(Some(positions), TABLE_PARTITION)
}

/// The position in the only partition.
fn number(positions: Option<&Positions>, partition: &str) -> Result<Option<i64>> {
    match positions.and_then(|positions| positions.get(&PartitionId::new(partition))) {
        Some(PartitionState::At(position)) => {
            let number = position.as_str().parse().map_err(|_| Error::internal(format!("position {position} is not a number")))?;
            Ok(Some(number))
        }
        Some(PartitionState::Done) | None => Ok(None),
    }
}
