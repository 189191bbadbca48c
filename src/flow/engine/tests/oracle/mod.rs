//! The oracle: random queries, kept over tables that change at random, against DataFusion's answer over what is there.
//!
//! 1. `generate` makes a query (`ast`), `case` a history of rows and a plan of saves, restarts and comparisons.
//! 2. `run` keeps the view through it all and compares.
//! 3. `shrink` makes a case that fails as small as it gets; what is left is printed as SQL and changes.
//!
//! `LAKEWIRE_ORACLE_SEED=<seed> cargo test --lib oracle::one` runs one case again, `LAKEWIRE_ORACLE_CASES=100000 cargo test --lib oracle::many`
//! that many (from `LAKEWIRE_ORACLE_SEED` on).

mod ast;
mod case;
mod dice;
mod generate;
mod panics;
mod run;
mod shrink;
mod tables;
mod text;

use std::collections::BTreeMap;
use std::future::Future;

use case::Case;
use run::{Asker, Outcome, run};
use shrink::Shrinker;

/// Cases of each of the four tests that share them: more than 2,000 have an answer to compare. Each takes about 60 ms of a debug build.
const CASES: u64 = 650;

/// How many in a hundred may stay without an answer by DataFusion.
const NO_ANSWER_PERCENT_MAX: u64 = 16;
/// In a hundred: refused by name, or with two answers by DataFusion.
const REFUSED_PERCENT_MAX: u64 = 4;
const TWO_ANSWERS_PERCENT_MAX: u64 = 1;

/// Seeds whose answer DataFusion gets wrong, seen by hand. 647: over `b(id, w, s)` of `(25, 2, NULL), (26, 2, '')` this has two rows, not one:
/// `SELECT DISTINCT ON (q2.s) NULL FROM b q1 FULL JOIN b q2 ON q1.w = q2.w WHERE NOT (q2.w > q2.id) AND q1.s NOT LIKE '%e' ORDER BY q2.s, q1.id, q2.id`.
const WRONG_ANSWERS: [u64; 1] = [647];

#[test]
fn first_quarter() {
    all(0, CASES);
}

#[test]
fn second_quarter() {
    all(CASES, CASES);
}

#[test]
fn third_quarter() {
    all(2 * CASES, CASES);
}

#[test]
fn last_quarter() {
    all(3 * CASES, CASES);
}

#[test]
fn many() {
    if let Some(count) = setting("LAKEWIRE_ORACLE_CASES") {
        all(setting("LAKEWIRE_ORACLE_SEED").unwrap_or(1_000_000), count);
    }
}

#[test]
fn one() {
    if let Some(seed) = setting("LAKEWIRE_ORACLE_SEED") {
        println!("{}", Case::random(seed).sql());
        all(seed, 1);
    }
}

#[allow(clippy::disallowed_methods, reason = "a test has no configuration of the server's kind")]
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// Runs the cases of these seeds. All that are wrong are shrunk and printed, up to a few.
fn all(first: u64, count: u64) {
    let wrong = on_a_deep_stack(move || {
        block_on(async move {
            let asker = Asker::new();
            let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
            let mut wrong = vec![];
            for seed in (first..first + count).filter(|seed| !WRONG_ANSWERS.contains(seed)) {
                let case = Case::random(seed);
                let outcome = run(&case, &asker).await;
                report(seed, &case, &outcome);
                *seen.entry(kind(&outcome)).or_default() += 1;
                if let Outcome::Wrong(_) = outcome {
                    let shrunk = Shrinker { asker: &asker }.shrink(case).await;
                    wrong.push(format!("seed {seed}; to run it again: LAKEWIRE_ORACLE_SEED={seed} cargo test --lib oracle::one\n{shrunk}"));
                }
                if wrong.len() >= 5 {
                    break;
                }
            }
            println!("{first}..{}: {seen:?}", first + count);
            if !wrong.is_empty() {
                return wrong;
            }
            let share = |kind: &str| seen.get(kind).copied().unwrap_or(0) * 100 / count.max(100);
            assert!(share("no answer") <= NO_ANSWER_PERCENT_MAX, "{seen:?}");
            assert!(share("refused") <= REFUSED_PERCENT_MAX, "{seen:?}");
            assert!(share("two answers") <= TWO_ANSWERS_PERCENT_MAX, "{seen:?}");
            wrong
        })
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn report(seed: u64, case: &Case, outcome: &Outcome) {
    match outcome {
        Outcome::Kept => {}
        Outcome::NoAnswer(reason) | Outcome::Refused(reason) => {
            println!("seed {seed} {}: {}", kind(outcome), reason.lines().next().unwrap_or_default());
        }
        Outcome::TwoAnswers(difference) => println!("seed {seed} two answers: {}\n{difference}", case.sql()),
        Outcome::Wrong(difference) => println!("seed {seed} wrong: {}\n{difference}", case.sql()),
    }
}

fn kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "kept",
        Outcome::NoAnswer(_) => "no answer",
        Outcome::Refused(_) => "refused",
        Outcome::TwoAnswers(_) => "two answers",
        Outcome::Wrong(_) => "wrong",
    }
}

/// DataFusion's planner recurses, and frames of a debug build are large.
fn on_a_deep_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    panics::catch();
    let thread = std::thread::Builder::new().name(panics::THREAD_NAME.to_string()).stack_size(64 << 20).spawn(work).unwrap();
    thread.join().unwrap_or_else(|_| panic!("{}", panics::last()))
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}
