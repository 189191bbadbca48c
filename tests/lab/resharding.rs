//! A Kinesis stream of 200 shards, which split and merge while they are read, under the faults of the service and of the store, by servers
//! that die on the way.
//!
//! `LAKEWIRE_LAB_SEED=<seed> cargo test --test main lab::resharding::one` runs one case again,
//! `LAKEWIRE_LAB_STREAMS=500 cargo test --release --test main lab::resharding::many` that many.

use super::case::{Case, Layout, LifePlan, Story};
use super::dice::Dice;
use super::{MANY_FROM, Round, kinesis};
use crate::servers::setting;

/// Cases that run every time.
const CASES: u64 = 2;
const LIVES_MIN: u64 = 2;
const LIVES_MAX: u64 = 3;

const STREAMS: Round = Round { case, one: "lab::resharding::one" };

#[test]
fn some() {
    STREAMS.all(0, CASES);
}

#[test]
fn many() {
    if let Some(count) = setting("LAKEWIRE_LAB_STREAMS") {
        STREAMS.all(setting("LAKEWIRE_LAB_SEED").unwrap_or(MANY_FROM), count);
    }
}

#[test]
fn one() {
    if let Some(seed) = setting("LAKEWIRE_LAB_SEED") {
        STREAMS.one(seed);
    }
}

fn case(seed: u64) -> Case {
    let mut dice = Dice::of(seed);
    let story = Story {
        data_seed: dice.below(4),
        records: 3000,
        // Of the generator, in the run that it is compared with.
        per_second: 10_000,
        partitions: 2,
        commit_interval_ms: 500,
        layout: Layout::Plain,
    };
    let kinesis = Some(kinesis::Plan::of_two_hundred_shards(&mut dice));
    let lives = (0..LIVES_MIN + dice.below(LIVES_MAX - LIVES_MIN + 1)).map(|_| LifePlan::random(&mut dice)).collect();
    Case { story, kinesis, lives }
}
