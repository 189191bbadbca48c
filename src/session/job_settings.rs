//! What `ALTER` does to jobs, be they those of pipelines or of materialized views.

use std::sync::Arc;
use std::time::Duration;

use super::run::to_the_end;
use super::{Notice, Services, Session, renaming};
use crate::catalog::{DesiredState, JobSettings, Object, ObjectKind};
use crate::error::{Error, Result};
use crate::model::{Name, ObjectId, Options};
use crate::sql::JobChange;

pub const COMMIT_INTERVAL_DEFAULT: Duration = Duration::from_secs(10);
const COMMIT_INTERVAL_MIN: Duration = Duration::from_millis(100);
const COMMIT_INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// Whose job is altered.
pub struct Whose<'a> {
    pub kind: ObjectKind,
    pub name: &'a Name,
    pub position: usize,
    pub if_exists: bool,
}

/// Makes the change and has the job follow it, also if the client leaves meanwhile.
pub async fn alter(session: &Session, whose: Whose<'_>, change: &JobChange) -> Result<()> {
    let Some(object) = find(session, &whose)? else { return Ok(()) };
    let statement = format!("ALTER {} …", whose.kind.as_str().to_uppercase());
    let (services, id) = (session.services.clone(), object.id);
    match change {
        JobChange::Pause => to_the_end(async move { pause(&services, id).await }).await,
        JobChange::Resume => {
            let resume = |settings: JobSettings| *settings.state = DesiredState::Running;
            to_the_end(async move { change_and_restart(&services, id, resume).await }).await
        }
        JobChange::Set(options) => {
            let mut options = options.clone();
            let interval = take_commit_interval(&mut options)?;
            options.finish(&format!("{statement} SET"))?;
            let Some(interval) = interval else { return Ok(()) };
            let set = move |settings: JobSettings| *settings.commit_interval_ms = interval.as_millis() as u64;
            to_the_end(async move { change_and_restart(&services, id, set).await }).await
        }
        JobChange::RenameTo(name) => renaming::rename(session, &object, name).await,
        JobChange::SwapWith(name) => renaming::swap(session, &object, name).await,
    }
}

/// `None` if there is none and that is no error; then it is noted.
fn find(session: &Session, whose: &Whose<'_>) -> Result<Option<Arc<Object>>> {
    let catalog = session.services.flow.catalog.snapshot();
    match catalog.expect_kind(whose.kind, whose.name) {
        Ok(object) => Ok(Some(object.clone())),
        Err(_) if whose.if_exists && catalog.find(whose.kind, whose.name).is_none() => {
            session.notice(Notice::note(format!("{} \"{}\" does not exist, skipping", whose.kind, whose.name)));
            Ok(None)
        }
        Err(error) => Err(error.at(whose.position)),
    }
}

/// The option `commit_interval`. Refuses what would write tiny files all the time, or keep nobody up to date.
pub fn take_commit_interval(options: &mut Options) -> Result<Option<Duration>> {
    match options.take_duration("commit_interval")? {
        Some(interval) if !(COMMIT_INTERVAL_MIN..=COMMIT_INTERVAL_MAX).contains(&interval) => {
            Err(Error::invalid("option \"commit_interval\" is out of range").with_hint("it is from 100ms to 1h"))
        }
        interval => Ok(interval),
    }
}

async fn pause(services: &Services, id: ObjectId) -> Result<()> {
    let _turn = services.supervisor.turn(id).await;
    update(services, id, |settings| *settings.state = DesiredState::Paused).await?;
    services.supervisor.pause(id).await;
    Ok(())
}

/// Changes the definition and starts the job again by it. Also how a failed job is tried again.
async fn change_and_restart(services: &Services, id: ObjectId, change: impl FnOnce(JobSettings<'_>) + Send) -> Result<()> {
    let _turn = services.supervisor.turn(id).await;
    update(services, id, change).await?;
    services.supervisor.stop(id).await;
    match services.flow.catalog.snapshot().get(id) {
        Some(object) => services.supervisor.start(object),
        None => Err(Error::undefined("the object was dropped meanwhile")),
    }
}

async fn update(services: &Services, id: ObjectId, change: impl FnOnce(JobSettings<'_>) + Send) -> Result<()> {
    let apply = |object: &mut Object| match object.definition.job_settings() {
        Some(settings) => {
            change(settings);
            Ok(())
        }
        None => Err(Error::internal("what had a job has become something else")),
    };
    services.flow.catalog.update(id, apply).await?;
    Ok(())
}
