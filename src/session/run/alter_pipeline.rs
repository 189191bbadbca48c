//! `ALTER PIPELINE [IF EXISTS] p PAUSE | RESUME | SET (…)`

use std::time::Duration;

use super::super::{Notice, Outcome, Services, Session};
use super::create_pipeline::check_commit_interval;
use super::to_the_end;
use crate::catalog::{Definition, DesiredState, Object, ObjectKind, PipelineDef};
use crate::error::{Error, Result};
use crate::model::{ObjectId, Options};
use crate::sql::{AlterPipeline, PipelineChange};

pub async fn run(session: &Session, alter: &AlterPipeline) -> Result<Outcome> {
    let catalog = session.services.flow.catalog.snapshot();
    let Some(pipeline) = catalog.find(ObjectKind::Pipeline, &alter.name) else {
        if alter.if_exists {
            session.notice(Notice::note(format!("pipeline \"{}\" does not exist, skipping", alter.name)));
            return Ok(Outcome::done("ALTER PIPELINE"));
        }
        return Err(ObjectKind::Pipeline.undefined(&alter.name).at(alter.name_position));
    };
    let (services, id) = (session.services.clone(), pipeline.id);
    match &alter.change {
        PipelineChange::Pause => to_the_end(async move { pause(&services, id).await }).await?,
        PipelineChange::Resume => {
            let resume = |definition: &mut PipelineDef| definition.state = DesiredState::Running;
            to_the_end(async move { change(&services, id, resume).await }).await?;
        }
        PipelineChange::Set(options) => {
            let mut options = options.clone();
            let interval = take_commit_interval(&mut options)?;
            options.finish("ALTER PIPELINE … SET")?;
            if let Some(interval) = interval {
                let set = move |definition: &mut PipelineDef| definition.commit_interval_ms = interval.as_millis() as u64;
                to_the_end(async move { change(&services, id, set).await }).await?;
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

async fn pause(services: &Services, id: ObjectId) -> Result<()> {
    let _turn = services.supervisor.turn(id).await;
    update(services, id, |definition| definition.state = DesiredState::Paused).await?;
    services.supervisor.pause(id).await;
    Ok(())
}

/// Changes the definition and starts the job again by it. Also how a failed job is tried again.
async fn change(services: &Services, id: ObjectId, change: impl FnOnce(&mut PipelineDef) + Send) -> Result<()> {
    let _turn = services.supervisor.turn(id).await;
    update(services, id, change).await?;
    services.supervisor.stop(id).await;
    match services.flow.catalog.snapshot().get(id) {
        Some(pipeline) => services.supervisor.start(pipeline),
        None => Err(Error::undefined("the pipeline was dropped meanwhile")),
    }
}

async fn update(services: &Services, id: ObjectId, change: impl FnOnce(&mut PipelineDef) + Send) -> Result<()> {
    let apply = |object: &mut Object| match &mut object.definition {
        Definition::Pipeline(definition) => {
            change(definition);
            Ok(())
        }
        _ => Err(Error::internal("a pipeline has become something else")),
    };
    services.flow.catalog.update(id, apply).await?;
    Ok(())
}
