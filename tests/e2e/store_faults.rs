//! A server whose store fails in every way it can, killed again and again: what is in the table in the end is exact.

use super::story::{Pace, Story, assert_exact, read_all};
use crate::servers::{DEADLINE, Setup, wait_until};

const STORY: Story = Story { rows: 24_000, pace: Pace::PerSecond(6_000) };
const KILLS: u64 = 3;
const FAULTS: &str = "seed=1,lost_answer=50,own_conflict=30,false_conflict=30,refused=50,torn_part=50,slow=100,latency_ms_max=200";

/// A build that does not listen would lose nothing either.
#[tokio::test]
async fn a_plan_is_heard() {
    let said = Setup::default().env("LAKEWIRE_STORE_FAULTS", "lost_answers=many").start_in_vain().await;
    assert!(said.contains("lost_answers"), "{said}");
}

#[tokio::test]
async fn lost_answers_and_sigkill_lose_nothing() {
    let mut server = Setup::default().env("LAKEWIRE_STORE_FAULTS", FAULTS).start().await;
    wait_until("the definitions are taken", DEADLINE, async || server.try_sql(&STORY.definitions()).await.ok()).await;
    for life in 1..=KILLS {
        let share = STORY.rows * life / (KILLS + 1);
        server.wait_for(&format!("(SELECT records_in FROM lakewire.jobs WHERE name = 'keep') >= {share}")).await;
        server.kill();
        server.restart().await;
    }
    server.restart_as(Setup::default()).await;
    read_all(&mut server, "keep").await;
    assert_exact(&server, &STORY.summary(), "events", "keep").await;
}
