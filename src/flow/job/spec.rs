//! What a job is to do, put together from the catalog.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{Schema, SchemaRef};

use super::super::target::TargetSpec;
use crate::catalog::{Definition, Emit, Expectation, Object, ObjectKind, PipelineDef, Snapshot, ViewDef, ViewInput};
use crate::error::{Error, Result};
use crate::lake::{Lake, Table};
use crate::model::options::Start;
use crate::model::{JobId, Name, ObjectId};

pub struct JobSpec {
    pub job: JobId,
    pub object: ObjectId,
    pub name: Name,
    /// Each with where to begin if the job has no position in it yet.
    pub sources: Vec<(Arc<Object>, Start)>,
    pub commit_interval: Duration,
    pub work: Work,
}

pub enum Work {
    Pipeline(PipelineSpec),
    View(ViewSpec),
}

pub struct PipelineSpec {
    pub query: String,
    pub expectations: Vec<Expectation>,
    pub target: TargetSpec,
}

pub struct ViewSpec {
    pub query: String,
    /// In the order in which the dataflow has them.
    pub inputs: Vec<ViewInputSpec>,
    pub outlet: Outlet,
    pub emit: Emit,
}

/// What becomes of the answer.
pub enum Outlet {
    /// It is kept, and shown to readers with these columns.
    Shown(SchemaRef),
    /// Its rows are written into a table, and forgotten.
    Written(Box<Written>),
}

pub struct Written {
    pub target: TargetSpec,
    pub expectations: Vec<Expectation>,
}

/// A relation that a view reads, with the columns that it had when the view was made.
pub struct ViewInputSpec {
    pub id: ObjectId,
    pub name: Name,
    pub columns: Vec<String>,
    pub from: ViewInputFrom,
}

pub enum ViewInputFrom {
    /// The nth of the job's sources.
    Source(usize),
    Table(Arc<Table>),
    View {
        job: JobId,
        schema: SchemaRef,
        unique: Option<Vec<usize>>,
    },
}

impl JobSpec {
    /// The job of a pipeline or a view as the catalog has it.
    pub fn of(object: &Object, catalog: &Snapshot, lake: &Lake) -> Result<JobSpec> {
        match &object.definition {
            Definition::Pipeline(definition) if !definition.kept_inputs.is_empty() => kept_pipeline(definition, object, catalog, lake),
            Definition::Pipeline(definition) => Ok(JobSpec {
                job: definition.job,
                object: object.id,
                name: object.name.clone(),
                sources: sources(definition.sources.iter().copied(), definition.start, object, catalog)?,
                commit_interval: Duration::from_millis(definition.commit_interval_ms),
                work: Work::Pipeline(PipelineSpec {
                    query: definition.query.clone(),
                    expectations: definition.expectations.clone(),
                    target: target(definition, catalog, lake)?,
                }),
            }),
            Definition::View(definition) => {
                let read = read_sources(&definition.inputs, catalog);
                Ok(JobSpec {
                    job: definition.job,
                    object: object.id,
                    name: object.name.clone(),
                    sources: sources(read, definition.start, object, catalog)?,
                    commit_interval: Duration::from_millis(definition.commit_interval_ms),
                    work: Work::View(ViewSpec {
                        query: definition.query.clone(),
                        inputs: view_inputs(&definition.inputs, object, catalog, lake)?,
                        outlet: Outlet::Shown(schema_of(definition)),
                        emit: definition.emit,
                    }),
                })
            }
            _ => Err(Error::internal(format!("{object} has no job"))),
        }
    }

    pub fn kind(&self) -> &'static str {
        match self.target() {
            Some(_) => ObjectKind::Pipeline.as_str(),
            None => ObjectKind::View.as_str(),
        }
    }

    pub fn target_location(&self) -> Option<&str> {
        self.target().map(|target| target.location.as_str())
    }

    /// The table that it writes.
    pub fn target(&self) -> Option<&TargetSpec> {
        match &self.work {
            Work::Pipeline(pipeline) => Some(&pipeline.target),
            Work::View(ViewSpec { outlet: Outlet::Written(written), .. }) => Some(&written.target),
            Work::View(_) => None,
        }
    }
}

/// The job of a pipeline whose query remembers something from row to row.
fn kept_pipeline(definition: &PipelineDef, object: &Object, catalog: &Snapshot, lake: &Lake) -> Result<JobSpec> {
    let written = Written { target: target(definition, catalog, lake)?, expectations: definition.expectations.clone() };
    Ok(JobSpec {
        job: definition.job,
        object: object.id,
        name: object.name.clone(),
        sources: sources(read_sources(&definition.kept_inputs, catalog), definition.start, object, catalog)?,
        commit_interval: Duration::from_millis(definition.commit_interval_ms),
        work: Work::View(ViewSpec {
            query: definition.query.clone(),
            inputs: view_inputs(&definition.kept_inputs, object, catalog, lake)?,
            outlet: Outlet::Written(Box::new(written)),
            emit: definition.emit,
        }),
    })
}

fn read_sources(inputs: &[ViewInput], catalog: &Snapshot) -> impl Iterator<Item = ObjectId> {
    let is_source = |id: &ObjectId| catalog.get(*id).is_some_and(|object| object.kind() == ObjectKind::Source);
    inputs.iter().map(|input| input.relation).filter(is_source)
}

/// The columns of a view as Arrow has them. All may be null.
pub fn schema_of(view: &ViewDef) -> SchemaRef {
    Arc::new(Schema::new(view.columns.iter().map(|column| column.data_type.to_field(&column.name, true)).collect::<Vec<_>>()))
}

fn sources(
    ids: impl Iterator<Item = ObjectId>,
    of_job: Option<Start>,
    reader: &Object,
    catalog: &Snapshot,
) -> Result<Vec<(Arc<Object>, Start)>> {
    ids.map(|id| source(id, of_job, reader, catalog)).collect()
}

fn source(id: ObjectId, of_job: Option<Start>, reader: &Object, catalog: &Snapshot) -> Result<(Arc<Object>, Start)> {
    let object = catalog.get(id).ok_or_else(|| Error::internal(format!("{reader} reads a source that is not there")))?;
    let of_source = match &object.definition {
        Definition::Source(source) => source.start,
        _ => return Err(Error::internal(format!("{reader} reads \"{}\", which is not a source", object.name))),
    };
    // "The latest" is a fixed moment, the same after every restart and for every partition that a reshard brings.
    let start = match of_job.or(of_source).unwrap_or(Start::Earliest) {
        Start::Latest => Start::At(reader.created_at),
        start => start,
    };
    Ok((object.clone(), start))
}

fn view_inputs(read: &[ViewInput], object: &Object, catalog: &Snapshot, lake: &Lake) -> Result<Vec<ViewInputSpec>> {
    let mut sources = 0;
    let mut inputs = Vec::with_capacity(read.len());
    for input in read {
        let read = catalog.get(input.relation).ok_or_else(|| Error::internal(format!("{object} reads what is not there")))?;
        let from = match &read.definition {
            Definition::Source(_) => {
                sources += 1;
                ViewInputFrom::Source(sources - 1)
            }
            Definition::Table(table) => ViewInputFrom::Table(lake.table(&table.location)?),
            Definition::View(upstream) => {
                ViewInputFrom::View { job: upstream.job, schema: schema_of(upstream), unique: upstream.unique.clone() }
            }
            _ => return Err(Error::internal(format!("{object} reads {read}, which is no relation"))),
        };
        let name = input.called.clone().unwrap_or_else(|| read.name.clone());
        inputs.push(ViewInputSpec { id: read.id, name, columns: input.columns.clone(), from });
    }
    Ok(inputs)
}

fn target(pipeline: &PipelineDef, catalog: &Snapshot, lake: &Lake) -> Result<TargetSpec> {
    let object = catalog.get(pipeline.target).ok_or_else(|| Error::internal("a pipeline writes a table that is not there"))?;
    target_of(pipeline, object, lake)
}

/// The table `object` as the pipeline writes it.
pub fn target_of(pipeline: &PipelineDef, object: &Object, lake: &Lake) -> Result<TargetSpec> {
    let Definition::Table(table) = &object.definition else {
        return Err(Error::internal(format!("a pipeline writes \"{}\", which is not a table", object.name)));
    };
    Ok(TargetSpec {
        name: object.name.clone(),
        table: lake.table(&table.location)?,
        location: table.location.clone(),
        partition_by: table.partition_by.clone(),
        mode: table.mode,
        target_file_bytes: table.target_file_bytes,
        columns: pipeline.target_columns.clone(),
    })
}
