//! Lives through a case.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lakewire::flow::job::{JobState, Status};
use lakewire::lake::fault_store::Plan;
use lakewire::model::PartitionState;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::case::{Case, End, LifePlan, Story};
use super::invariants::{self, Seen};
use super::server::Server;
use super::world::{Life, World};

/// No life is longer.
const LIFE_MAX: Duration = Duration::from_secs(8);
/// As long as a server has after SIGTERM.
const DRAIN_MAX: Duration = Duration::from_secs(7);
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

/// Panics if anything is not as it must be.
pub fn run(case: &Case) {
    let mut world = World::new();
    for plan in &case.lives {
        world.live(async |life| live(life, &case.story, plan).await);
    }
    assert_ends_well(&mut world, &case.story);
}

/// Lets a last server read what is left, and judges what comes of it.
pub fn assert_ends_well(world: &mut World, story: &Story) {
    let seen = finish(world, story);
    invariants::assert_same(&seen, &undisturbed(story), story);
}

/// What the story comes to when nothing happens.
fn undisturbed(story: &Story) -> Arc<Seen> {
    static KNOWN: Mutex<BTreeMap<Story, Arc<Seen>>> = Mutex::new(BTreeMap::new());
    if let Some(known) = KNOWN.lock().get(story) {
        return known.clone();
    }
    let seen = Arc::new(finish(&mut World::new(), story));
    KNOWN.lock().insert(*story, seen.clone());
    seen
}

/// One life, to its end.
async fn live(life: &Life<'_>, story: &Story, plan: &LifePlan) {
    let server = life.server(plan.faults).await;
    if let End::At(nth, halt) = plan.end {
        server.store.halt_from(nth, halt);
    }
    let time = match plan.end {
        End::At(..) => LIFE_MAX,
        End::After(time) | End::StoppedAfter(time) => time,
    };
    let work = async {
        server.insist(&story.definitions()).await;
        watch(&server).await
    };
    tokio::select! {
        () = work => {}
        () = server.store.halted() => {}
        () = sleep(time) => {}
    }
    // The next life would begin it again, and nobody would know.
    let has_failed = server.services.supervisor.statuses().iter().any(|(_, _, status)| status.state == JobState::Failed);
    assert!(!has_failed, "a job failed for good, without another server that could have taken it over\n{}", server.told());
    if let End::StoppedAfter(_) = plan.end {
        server.services.shut_down(DRAIN_MAX).await;
    }
}

/// Reads views while they change and fail: what is computed from one another belongs together, at any time.
async fn watch(server: &Server) {
    loop {
        let lower = "SELECT count(*) AS types, sum(n)::bigint AS n, sum(bytes)::bigint AS bytes FROM of_table";
        let both = format!("SELECT (SELECT n FROM of_view) IS NOT DISTINCT FROM n AS agree, n FROM ({lower}) AS lower");
        match server.try_sql(&both).await {
            Ok(rows) => assert_eq!(rows.rows[0][0], "true", "a view and the view on it disagree: {rows:?}\n{}", server.told()),
            // Those that read are told no more than that a view is not populated.
            Err(error) => assert!(error.message().contains("has not been populated"), "{error:?}\n{}", server.told()),
        }
        sleep(LOOK_INTERVAL).await;
    }
}

/// The last life: without faults, until all is read and committed; and what is to be seen then.
fn finish(world: &mut World, story: &Story) -> Seen {
    let seen = world.live(async |life| {
        let server = life.server(Plan::default()).await;
        server.sql(&story.definitions()).await;
        read_all(&server, story).await;
        invariants::look(&server, story).await
    });
    invariants::of_the_bucket(world, story);
    seen
}

/// Waits until all that was sent is read and committed.
pub async fn read_all(server: &Server, story: &Story) {
    let is_done = |status: &Status| {
        status.inputs.len() as u64 == story.partitions && status.inputs.iter().all(|input| input.state == PartitionState::Done)
    };
    for job in ["keep", "of_source"] {
        server.wait_for(job, "has read all", is_done).await;
    }
    server.sql("FLUSH").await;
}
