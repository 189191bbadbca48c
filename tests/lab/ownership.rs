//! Two servers that both believe they own a job: one of them stops at its next manifest, says so, and the data is exact.

use std::time::Duration;

use lakewire::flow::job::JobState;
use lakewire::lake::fault_store::{Fault, Halt, Plan};
use lakewire::model::Epoch;

use super::case::{Layout, Story};
use super::each;
use super::input::Input;
use super::run::{assert_ends_well, read_all};
use super::server::Server;
use super::world::World;

const HOUR: Duration = Duration::from_secs(3600);
/// Moments at which the former owner falls asleep: so many operations of its store after it has begun to work.
const MOMENTS: usize = 6;

/// So many conditional PUTs are in doubt.
const DOUBTS: usize = 60;

/// Slow enough that whoever has lost the job has something to commit.
const STORY: Story = Story { data_seed: 3, records: 2400, per_second: 100, partitions: 2, commit_interval_ms: 500, layout: Layout::ByType };

#[test]
fn the_loser_stops_and_says_so() {
    let doubts = [None, Some(Fault::LostAnswer), Some(Fault::OwnConflict)];
    each(doubts.to_vec(), |doubt| {
        println!("{doubt:?}");
        two_servers(&std::iter::repeat_n(*doubt, DOUBTS).flatten().collect::<Vec<_>>());
    });
}

/// `doubts` are what becomes of the conditional PUTs of both.
fn two_servers(doubts: &[Fault]) {
    let (mut world, input) = (World::new(), Input::generator(STORY));
    world.live(async |life| {
        let first = life.server(Plan::default()).await;
        first.insist(&input.definitions()).await;
        wait_until_it_works(&first).await;
        first.store.play(doubts);
        let second = life.server(Plan::default()).await;
        second.store.play(doubts);
        assert_loses(&first).await;
        second.wait_for("keep", "goes on", |status| status.state == JobState::Running).await;
    });
    assert_ends_well(&mut world, &input);
}

#[test]
fn a_loser_that_wakes_after_an_hour_stops() {
    let moments = (1..=MOMENTS).map(|moment| (moment, if moment.is_multiple_of(2) { Halt::Before } else { Halt::After }));
    each(moments.collect(), |(moment, halt)| {
        println!("{halt:?} operation {moment}");
        asleep_for_an_hour(*moment, *halt);
    });
}

fn asleep_for_an_hour(moment: usize, halt: Halt) {
    let (mut world, input) = (World::new(), Input::generator(STORY));
    world.live(async |life| {
        let first = life.server(Plan::default()).await;
        first.insist(&input.definitions()).await;
        wait_until_it_works(&first).await;
        first.store.halt_from(first.store.operations() + moment, halt);
        first.store.halted().await;
        let second = life.server(Plan::default()).await;
        read_all(&second, &input).await;
        life.clock.advance(HOUR);
        first.store.resume();
        assert_loses(&first).await;
        second.sql("FLUSH").await;
    });
    assert_ends_well(&mut world, &input);
}

async fn wait_until_it_works(server: &Server) {
    server.wait_for("keep", "has committed some epochs", |status| status.epoch > Epoch(3)).await;
}

async fn assert_loses(server: &Server) {
    let status = server.wait_for("keep", "has failed", |status| status.state == JobState::Failed).await;
    assert!(status.error.as_ref().is_some_and(|said| said.contains("another server has taken the job over")), "{status:?}");
}
