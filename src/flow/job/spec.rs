//! What a job is to do, put together from the catalog.

use std::sync::Arc;
use std::time::Duration;

use super::super::target::TargetSpec;
use crate::catalog::{Definition, Expectation, Object, PipelineDef, Snapshot};
use crate::error::{Error, Result};
use crate::lake::Lake;
use crate::model::options::Start;
use crate::model::{JobId, Name, ObjectId};

pub struct JobSpec {
    pub job: JobId,
    pub object: ObjectId,
    pub name: Name,
    pub query: String,
    pub expectations: Vec<Expectation>,
    /// Each with where to begin if the job has no position in it yet.
    pub sources: Vec<(Arc<Object>, Start)>,
    pub target: TargetSpec,
    pub commit_interval: Duration,
}

impl JobSpec {
    /// The job of a pipeline as the catalog has it.
    pub fn of(pipeline: &Object, catalog: &Snapshot, lake: &Lake) -> Result<JobSpec> {
        let Definition::Pipeline(definition) = &pipeline.definition else {
            return Err(Error::internal(format!("\"{}\" is not a pipeline", pipeline.name)));
        };
        let sources = definition.sources.iter().map(|id| source(*id, pipeline, catalog)).collect::<Result<Vec<_>>>()?;
        Ok(JobSpec {
            job: definition.job,
            object: pipeline.id,
            name: pipeline.name.clone(),
            query: definition.query.clone(),
            expectations: definition.expectations.clone(),
            sources,
            target: target(definition, catalog, lake)?,
            commit_interval: Duration::from_millis(definition.commit_interval_ms),
        })
    }
}

fn source(id: ObjectId, pipeline: &Object, catalog: &Snapshot) -> Result<(Arc<Object>, Start)> {
    let object = catalog.get(id).ok_or_else(|| Error::internal("a pipeline reads a source that is not there"))?;
    let of_pipeline = match &pipeline.definition {
        Definition::Pipeline(definition) => definition.start,
        _ => None,
    };
    let of_source = match &object.definition {
        Definition::Source(source) => source.start,
        _ => return Err(Error::internal(format!("a pipeline reads \"{}\", which is not a source", object.name))),
    };
    // "The latest" is a fixed moment, the same after every restart and for every partition that a reshard brings.
    let start = match of_pipeline.or(of_source).unwrap_or(Start::Earliest) {
        Start::Latest => Start::At(pipeline.created_at),
        start => start,
    };
    Ok((object.clone(), start))
}

fn target(pipeline: &PipelineDef, catalog: &Snapshot, lake: &Lake) -> Result<TargetSpec> {
    let object = catalog.get(pipeline.target).ok_or_else(|| Error::internal("a pipeline writes a table that is not there"))?;
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
