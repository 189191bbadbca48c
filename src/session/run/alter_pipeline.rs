//! `ALTER PIPELINE [IF EXISTS] p PAUSE | RESUME | SET (…)`

use std::time::Duration;

use super::super::{Notice, Outcome, Session};
use super::create_pipeline::check_commit_interval;
use crate::catalog::{Definition, DesiredState, ObjectKind, PipelineDef};
use crate::error::{Error, Result};
use crate::model::{ObjectId, Options};
use crate::sql::{AlterPipeline, PipelineChange};

pub async fn run(session: &Session, alter: &AlterPipeline) -> Result<Outcome> {
    let catalog = session.services.flow.catalog.snapshot();
    let Some(pipeline) = catalog.find(ObjectKind::Pipeline, &alter.name) else {
        if alter.if_exists {
            session.notice(Notice::notice(format!("pipeline \"{}\" does not exist, skipping", alter.name)));
            return Ok(Outcome::done("ALTER PIPELINE"));
        }
        return Err(ObjectKind::Pipeline.undefined(&alter.name).at(alter.name_position));
    };
    let supervisor = &session.services.supervisor;
    match &alter.change {
        PipelineChange::Pause => {
            update(session, pipeline.id, |definition| definition.state = DesiredState::Paused).await?;
            supervisor.pause(pipeline.id).await;
        }
        PipelineChange::Resume => {
            update(session, pipeline.id, |definition| definition.state = DesiredState::Running).await?;
            restart(session, pipeline.id).await?;
        }
        PipelineChange::Set(options) => {
            let mut options = options.clone();
            let interval = take_commit_interval(&mut options)?;
            options.finish("ALTER PIPELINE … SET")?;
            if let Some(interval) = interval {
                update(session, pipeline.id, move |definition| definition.commit_interval_ms = interval.as_millis() as u64).await?;
                restart(session, pipeline.id).await?;
            }
        }
        PipelineChange::RenameTo(name) => {
            return Err(Error::unsupported("ALTER PIPELINE … RENAME is not supported yet").at(name.position));
        }
    }
    Ok(Outcome::done("ALTER PIPELINE"))
}

pub fn take_commit_interval(options: &mut Options) -> Result<Option<Duration>> {
    options.take_duration("commit_interval")?.map(check_commit_interval).transpose()
}

async fn update(session: &Session, id: ObjectId, change: impl FnOnce(&mut PipelineDef) + Send) -> Result<()> {
    let apply = |object: &mut crate::catalog::Object| match &mut object.definition {
        Definition::Pipeline(definition) => {
            change(definition);
            Ok(())
        }
        _ => Err(Error::internal("a pipeline has become something else")),
    };
    session.services.flow.catalog.update(id, apply).await?;
    Ok(())
}

/// Also how a failed job is tried again.
async fn restart(session: &Session, id: ObjectId) -> Result<()> {
    session.services.supervisor.stop(id).await;
    match session.services.flow.catalog.snapshot().get(id) {
        Some(pipeline) => session.services.supervisor.start(pipeline),
        None => Err(Error::undefined("the pipeline was dropped meanwhile")),
    }
}
