//! How a view comes back: from what its last epoch saved.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::super::FlowServices;
use super::super::super::events::EventKind;
use super::super::super::manifest::Manifests;
use super::super::super::published::{Answer, Seen, Version};
use super::super::super::saved;
use super::super::epoch::Contents;
use super::super::spec::{Outlet, ViewInputFrom, Work};
use super::super::{JobSpec, StandingOrders};
use super::inputs;
use super::kept::Kept;
use super::upstream::Upstream;
use crate::error::{Error, Kind, Result};
use crate::model::{Epoch, ObjectId};

/// Shows what a view had at its last epoch, or before it was computed anew: to be read while its job does not run, or has not caught up.
pub async fn show_saved(spec: &JobSpec, services: &FlowServices) -> Result<()> {
    let Work::View(view) = &spec.work else { return Ok(()) };
    let Outlet::Shown(schema) = &view.outlet else { return Ok(()) };
    let manifest = Manifests::new(services.lake.clone(), services.clock.clone(), spec.job).newest().await?;
    let Some(manifest) = manifest else { return Ok(()) };
    let Some(state) = manifest.state.filter(|state| state.has_begun || state.before.is_some()) else { return Ok(()) };
    let mut answer = Answer::new(schema.clone())?;
    saved::read_answer(&services.lake, spec.job, &state, &mut answer).await?;
    let mut views = vec![];
    for input in &view.inputs {
        // What was shown before was computed from older epochs, which are not kept.
        if let (None, ViewInputFrom::View { job, schema, .. }) = (&state.before, &input.from) {
            let epoch = inputs::epoch_of(manifest.inputs.get(&input.id))?;
            let published = services.views.get(input.id);
            let upstream = Upstream::new(input.id, input.name.clone(), *job, schema.clone(), published, epoch);
            views.push((input.id, upstream.seen(services).await?));
        }
    }
    let published = services.views.get(spec.object);
    let seen = Seen::of(state.shown_bases().clone(), views);
    let version = Arc::new(
        Version::new(published.begin_run(), &answer, seen)
            .complete_to(state.shown_complete_micros())
            .shown_at(state.time_micros.filter(|_| state.before.is_none()).unwrap_or_else(|| services.clock.now_micros())),
    );
    published.publish(version.clone());
    published.committed(manifest.epoch, version);
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
    let Some(saved) = found.state.take() else { return Ok(()) };
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
