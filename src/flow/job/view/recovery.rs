//! How a view comes back: from what its last epoch saved.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::super::FlowServices;
use super::super::super::events::EventKind;
use super::super::super::manifest::Manifests;
use super::super::super::published::{Answer, Version};
use super::super::super::saved;
use super::super::epoch::Contents;
use super::super::spec::{Outlet, Work};
use super::super::{JobSpec, StandingOrders};
use super::ANSWER;
use super::kept::Kept;
use crate::error::{Error, Kind, Result};
use crate::model::{Epoch, ObjectId};

/// Shows what a view that does not run had at its last epoch.
pub async fn show_saved(spec: &JobSpec, services: &FlowServices) -> Result<()> {
    let Work::View(view) = &spec.work else { return Ok(()) };
    let manifest = Manifests::new(services.lake.clone(), services.clock.clone(), spec.job).newest().await?;
    let Some((epoch, state)) = manifest.and_then(|manifest| Some((manifest.epoch, manifest.state?))) else { return Ok(()) };
    let Outlet::Shown(schema) = &view.outlet else { return Ok(()) };
    let mut answer = Answer::new(schema.clone())?;
    answer.restore(&saved::read_one(&services.lake, spec.job, &state, ANSWER).await?)?;
    let published = services.views.get(spec.object);
    let version = Arc::new(Version::new(published.begin_run(), &answer, BTreeMap::new()));
    published.publish(version.clone());
    published.committed(epoch, version);
    published.populated();
    Ok(())
}

/// Takes in what was saved, unless it is of no use: then the view begins anew.
pub async fn restore(
    spec: &JobSpec,
    services: &FlowServices,
    epoch: Epoch,
    kept: &mut Kept,
    found: &mut Contents,
    standing: &StandingOrders,
) -> Result<()> {
    let retired = std::mem::take(&mut found.retired);
    let Some(saved) = found.state.take() else {
        kept.discard(spec, services, Default::default(), retired, epoch);
        return Ok(());
    };
    let why = match (standing.is_outdated, kept.fits(&saved)) {
        (true, _) => "what it goes on from is not there any more".to_string(),
        (false, false) => "this version of the server keeps it in another way".to_string(),
        (false, true) => match kept.restore(spec, services, saved.clone(), retired.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == Kind::State => error.one_line(),
            Err(error) => return Err(error),
        },
    };
    if spec.target().is_some() {
        return Err(Error::state(format!("the state of pipeline \"{}\" cannot be used", spec.name))
            .with_detail(why)
            .with_hint("what it has written stands; DROP PIPELINE, and CREATE PIPELINE with another start, begins a new one"));
    }
    services.events.add(EventKind::ViewComputedAnew, spec.name.as_str(), &format!("computed anew from all of its inputs: {why}"));
    found.positions = BTreeMap::<ObjectId, _>::new();
    kept.discard(spec, services, saved, retired, epoch);
    Ok(())
}
