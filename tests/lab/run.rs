//! Lives through a case.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lakewire::flow::job::JobState;
use lakewire::lake::fault_store::Plan;
use parking_lot::Mutex;
use tokio::time::sleep;

use super::case::{Case, End, LifePlan, Story};
use super::input::Input;
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
    let input = Input::of(case);
    let mut world = World::new();
    for plan in &case.lives {
        world.live(async |life| live(life, &input, plan).await);
    }
    assert_ends_well(&mut world, &input);
}

/// Lets a last server read what is left, and judges what comes of it.
pub fn assert_ends_well(world: &mut World, input: &Input) {
    let seen = finish(world, input);
    invariants::assert_same(&seen, &undisturbed(&input.story), input);
}

/// What the story comes to when nothing happens. How its records come makes no difference.
fn undisturbed(story: &Story) -> Arc<Seen> {
    static KNOWN: Mutex<BTreeMap<Story, Arc<Seen>>> = Mutex::new(BTreeMap::new());
    if let Some(known) = KNOWN.lock().get(story) {
        return known.clone();
    }
    let seen = Arc::new(finish(&mut World::new(), &Input::generator(*story)));
    KNOWN.lock().insert(*story, seen.clone());
    seen
}

/// One life, to its end.
async fn live(life: &Life<'_>, input: &Input, plan: &LifePlan) {
    input.serve();
    let server = life.server(plan.faults).await;
    if let End::At(nth, halt) = plan.end {
        server.store.halt_from(nth, halt);
    }
    let time = match plan.end {
        End::At(..) => LIFE_MAX,
        End::After(time) | End::StoppedAfter(time) => time,
    };
    let work = async {
        server.insist(&input.definitions()).await;
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

/// The last life: without faults of the store, until all is read and committed; and what is to be seen then. After it the lake is swept.
fn finish(world: &mut World, input: &Input) -> Seen {
    let seen = world.live(async |life| {
        input.serve();
        let server = life.server(Plan::default()).await;
        // A Kinesis that fails goes on failing.
        server.insist(&input.definitions()).await;
        read_all(&server, input).await;
        let seen = invariants::look(&server, &input.story).await;
        server.services.shut_down(DRAIN_MAX).await;
        invariants::sweep(&server, &life.clock).await;
        seen
    });
    invariants::of_the_bucket(world, input);
    seen
}

/// Waits until all that was sent is read and committed.
pub async fn read_all(server: &Server, input: &Input) {
    for job in ["keep", "of_source"] {
        server.wait_for(job, "has read all", |status| input.is_read(&status.inputs)).await;
    }
    server.sql("FLUSH").await;
}
