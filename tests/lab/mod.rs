//! The fault laboratory: whole servers, with a pipeline, views and a view on a view, inside a test, over a store that fails.
//!
//! 1. A seed makes a `Case`: what is sent, by a generator or through a `kinesis` that fails too; which faults the store has; how each life
//!    of the server ends.
//! 2. `run` lives through it. A life is a runtime of its own (`world`): dropping it is the crash, and the next opens the same bucket and
//!    catalog. All of them look at one clock (`hand`), and its time is virtual.
//! 3. In the end `invariants` judges what is left, and compares with what the same records come to when nothing happens.
//!
//! `LAKEWIRE_LAB_SEED=<seed> cargo test --test main lab::one` runs one case again and tells what happens in it,
//! `LAKEWIRE_LAB_CASES=10000 cargo test --release --test main lab::many` that many (from `LAKEWIRE_LAB_SEED` on).
//! `resharding` has the cases of a stream of 200 shards.

mod case;
mod dice;
mod hand;
mod input;
mod invariants;
mod kinesis;
mod ownership;
mod resharding;
mod run;
mod server;
mod world;

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use case::Case;
use run::run;

use crate::servers::setting;

/// Cases that run every time.
const CASES: u64 = 24;
/// Where `many` begins, away from what runs every time.
const MANY_FROM: u64 = 1_000_000;
/// After so many failures it is clear that something is wrong.
const FAILURES_MAX: usize = 5;
/// DataFusion's planner goes deep, and a debug build's frames are large.
const STACK_BYTES: usize = 64 << 20;

const RANDOM: Round = Round { case: Case::random, one: "lab::one" };

#[test]
fn some() {
    RANDOM.all(0, CASES);
}

#[test]
fn many() {
    if let Some(count) = setting("LAKEWIRE_LAB_CASES") {
        RANDOM.all(setting("LAKEWIRE_LAB_SEED").unwrap_or(MANY_FROM), count);
    }
}

#[test]
fn one() {
    if let Some(seed) = setting("LAKEWIRE_LAB_SEED") {
        RANDOM.one(seed);
    }
}

/// Cases of one kind.
struct Round {
    case: fn(u64) -> Case,
    /// The test that runs one of them again.
    one: &'static str,
}

impl Round {
    /// Runs the cases of these seeds. What fails is told with its seed.
    fn all(&self, first: u64, count: u64) {
        let failures = AtomicUsize::new(0);
        each((first..first + count).collect(), |seed| {
            if failures.load(Ordering::SeqCst) < FAILURES_MAX && catch_unwind(AssertUnwindSafe(|| run(&(self.case)(*seed)))).is_err() {
                let again = format!("LAKEWIRE_LAB_SEED={seed} cargo test --test main {} -- --nocapture", self.one);
                println!("seed {seed} failed; to run it again: {again}");
                failures.fetch_add(1, Ordering::SeqCst);
            }
            if (seed + 1 - first).is_multiple_of(100) {
                println!("{} of {count} cases", seed + 1 - first);
            }
        });
        assert_eq!(failures.into_inner(), 0, "some seeds failed; they are printed above");
    }

    /// Runs one case and tells what happens in it.
    fn one(&self, seed: u64) {
        println!("{:#?}", (self.case)(seed));
        self.all(seed, 1);
    }
}

/// Does the work for each item, as many at once as there are processors: nobody waits for time, but for a moment in each step (`hand`).
fn each<T: Sync>(items: Vec<T>, work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let worker = || {
        while let Some(item) = items.get(next.fetch_add(1, Ordering::SeqCst)) {
            work(item);
        }
    };
    let at_once = available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(items.len()) {
            std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, worker).expect("a thread can be started");
        }
    });
}
