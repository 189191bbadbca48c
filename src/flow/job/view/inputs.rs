//! All that a view reads, and what of it goes into the next tick.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use futures::FutureExt;
use futures::future::select_all;

use super::super::super::FlowServices;
use super::super::super::compile;
use super::super::super::engine::{Relation, Watermark};
use super::super::super::feed::FeedBatch;
use super::super::super::published::{Base, Bases, Seen};
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
/// Beside the position in a table: which table that is.
const TABLE_ID: &str = "table";

pub struct ViewInputs {
    pub sources: Inputs,
    pub kept: KeptInputs,
}

/// The relations in the dataflow's order. Of the sources only what they look like; of tables and views also how far each is.
pub struct KeptInputs(pub(super) Vec<Reading>);

/// A relation of the dataflow, in its order.
pub(super) struct Reading {
    pub id: ObjectId,
    pub schema: SchemaRef,
    pub from: From,
}

pub(super) enum From {
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
                    let head = table.refresh_head().await?;
                    Relation::table(input.name.clone(), table_input::schema_of(&input.name, &input.columns, &head)?)
                }
                ViewInputFrom::View { schema, unique, .. } => {
                    Relation::table(input.name.clone(), schema.clone()).with_unique(unique.clone())
                }
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
        let state = planner::context(services.runtime.clone(), 1)?.state();
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

    /// Nothing of any relation yet.
    pub fn nothing(&self) -> Taken {
        Taken::of(self.kept.0.len())
    }

    /// A batch of a source as the dataflow sees it, for each relation that it is.
    pub fn arrange(&mut self, source: usize, batch: &FeedBatch, taken: &mut Taken) -> Result<()> {
        for (place, reading) in self.kept.0.iter_mut().enumerate() {
            if let From::Source { nth, columns, times } = &mut reading.from
                && *nth == source
            {
                let rows = compile::arrange(batch, &reading.schema, *columns)?;
                if let Some(times) = times {
                    times.see(&batch.partition, &rows)?;
                }
                taken.turn_to(place);
                taken.add(Changes::inserted(rows));
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

    /// A part of the way that tables and views were set out on.
    pub async fn take(&mut self, taken: &mut Taken) -> Result<()> {
        for (place, reading) in self.kept.0.iter_mut().enumerate() {
            taken.turn_to(place);
            match &mut reading.from {
                From::Source { .. } => {}
                From::Table(table) => table.take(taken).await?,
                From::View(upstream) => upstream.take(taken)?,
            }
        }
        Ok(())
    }

    /// What goes into the dataflow: one batch for each relation.
    pub fn batches(&self, taken: Taken) -> Result<Vec<Changes>> {
        self.kept.0.iter().zip(taken.changes).map(|(reading, changes)| Changes::concat(&reading.schema, &changes)).collect()
    }

    /// Before which moment everything that has come into the inputs is in, as far as it is known: records in sources, commits in tables.
    pub fn complete_micros(&mut self, now_micros: i64) -> Option<i64> {
        let of_kept = |reading: &mut Reading| match &mut reading.from {
            From::Source { .. } => Some(now_micros),
            From::Table(table) => table.complete_micros(),
            From::View(upstream) => upstream.complete_micros(),
        };
        let of_sources = self.sources.complete_micros(now_micros)?;
        self.kept.0.iter_mut().map(of_kept).try_fold(of_sources, |least, at| Some(least.min(at?)))
    }

    /// All that was seen.
    pub fn seen(&self) -> Seen {
        let mut bases: Bases = self.sources.positions().into_iter().map(|(id, positions)| (id, Base::Source(positions))).collect();
        for reading in &self.kept.0 {
            if let From::Table(table) = &reading.from
                && let Some(position) = table.position()
            {
                bases.insert(reading.id, Base::Table(position));
            }
        }
        let views = self.upstreams().filter_map(|upstream| Some((upstream.id, upstream.included()?.clone())));
        Seen::of(bases, views)
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
    pub async fn poll(&mut self, now_micros: i64) {
        for reading in &mut self.kept.0 {
            if let From::Table(table) = &mut reading.from
                && let Err(error) = table.poll(now_micros).await
            {
                tracing::debug!(?error, table = table.name.as_str(), "the table could not be looked at; this is tried again");
            }
        }
    }

    pub fn positions(&self) -> BTreeMap<ObjectId, Positions> {
        let mut positions = self.sources.positions();
        for reading in &self.kept.0 {
            if let Some((partition, position)) = reading.position() {
                let mut of_reading = Positions::from([(partition, PartitionState::At(position))]);
                if let From::Table(table) = &reading.from
                    && let Some(id) = table.id()
                {
                    of_reading.insert(PartitionId::new(TABLE_ID), PartitionState::At(Position::new(id)));
                }
                positions.insert(reading.id, of_reading);
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

    pub fn upstreams(&self) -> impl Iterator<Item = &Upstream> {
        self.kept.0.iter().filter_map(|reading| match &reading.from {
            From::View(upstream) => Some(upstream),
            _ => None,
        })
    }

    pub fn upstreams_mut(&mut self) -> impl Iterator<Item = &mut Upstream> {
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
            let table = TableInput::new(input.name.clone(), table.clone(), relation.schema.clone(), state.clone());
            let id = at(positions, TABLE_ID).map(|id| id.as_str().to_string());
            From::Table(Box::new(table.after(number(positions, TABLE_PARTITION)?, id)))
        }
        ViewInputFrom::View { job, schema, .. } => {
            let published = services.views.get(input.id);
            From::View(Upstream::new(input.id, input.name.clone(), *job, schema.clone(), published, epoch_of(positions)?))
        }
    })
}

/// The epoch of a view that is a position in it.
pub(super) fn epoch_of(positions: Option<&Positions>) -> Result<Option<Epoch>> {
    Ok(number(positions, VIEW_PARTITION)?.map(|epoch| Epoch(epoch as u64)))
}

/// The version of a table up to which a job has read it, if these are positions in a table.
pub fn table_version(positions: &Positions) -> Result<Option<i64>> {
    number(Some(positions), TABLE_PARTITION)
}

/// The position in the only partition.
fn number(positions: Option<&Positions>, partition: &str) -> Result<Option<i64>> {
    let parse = |position: &Position| {
        let number = position.as_str().parse().map_err(|_| Error::internal(format!("position {position} is not a number")))?;
        Ok(number)
    };
    at(positions, partition).map(parse).transpose()
}

fn at<'a>(positions: Option<&'a Positions>, partition: &str) -> Option<&'a Position> {
    match positions?.get(&PartitionId::new(partition))? {
        PartitionState::At(position) => Some(position),
        PartitionState::Done => None,
    }
}
