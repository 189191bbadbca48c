//! Which operation fails, and how: drawn from the seed, the operation, its path without what is random in it, and how often that came before.
//! A counter of all operations would not do: jobs that run side by side are not always in the same order.

use std::collections::HashMap;
use std::time::Duration;

use object_store::path::Path;
use parking_lot::Mutex;

use super::Operation;
use super::plan::{Fault, Plan};

/// The store is never asked in vain whether it keeps its word: a server that starts asks once, and refuses to start.
const SPARED: &str = "probe";
const THOUSAND: u64 = 1000;

#[derive(Debug)]
pub struct Draws {
    plan: Plan,
    /// How often an operation on paths that look alike has come.
    seen: Mutex<HashMap<(Operation, String), u64>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Drawn {
    pub fault: Option<Fault>,
    pub latency: Duration,
}

impl Draws {
    pub fn new(plan: Plan) -> Draws {
        Draws { plan, seen: Mutex::default() }
    }

    pub fn draw(&self, operation: Operation, path: &Path) -> Drawn {
        if path.parts().any(|part| part.as_ref() == SPARED) {
            return Drawn::default();
        }
        let likeness = likeness(path);
        let occurrence = {
            let mut seen = self.seen.lock();
            let times = seen.entry((operation, likeness.clone())).or_default();
            *times += 1;
            *times
        };
        let mut dice = Dice::of(self.plan.seed, operation, &likeness, occurrence);
        let fault = self.fault(operation, dice.below(THOUSAND));
        let latency_ms = match dice.below(THOUSAND) < self.plan.rates.slow {
            true => 1 + dice.below(self.plan.rates.latency_ms_max.max(1)),
            false => 0,
        };
        Drawn { fault, latency: Duration::from_millis(latency_ms) }
    }

    /// The faults that the operation can have share the thousand, one after the other.
    fn fault(&self, operation: Operation, mut rolled: u64) -> Option<Fault> {
        let rates = &self.plan.rates;
        let possible: &[(Fault, u64)] = match operation {
            Operation::Create => &[
                (Fault::LostAnswer, rates.lost_answer),
                (Fault::OwnConflict, rates.own_conflict),
                (Fault::FalseConflict, rates.false_conflict),
                (Fault::Refused, rates.refused),
            ],
            Operation::Put | Operation::CompleteUpload | Operation::Delete | Operation::Copy => {
                &[(Fault::LostAnswer, rates.lost_answer), (Fault::Refused, rates.refused)]
            }
            Operation::Part => &[(Fault::TornPart, rates.torn_part)],
            Operation::List => &[(Fault::StaleList, rates.stale_list), (Fault::Refused, rates.refused)],
            Operation::Get | Operation::BeginUpload => &[(Fault::Refused, rates.refused)],
        };
        for (fault, rate) in possible {
            if rolled < *rate {
                return Some(*fault);
            }
            rolled -= rate;
        }
        None
    }
}

/// The path with `*` for each part that has an id or a token in it; its ending stays.
fn likeness(path: &Path) -> String {
    let parts = path.parts().map(|part| {
        let part = part.as_ref();
        match is_random(part) {
            false => part.to_string(),
            true => {
                // State objects begin with the number of their epoch.
                let epoch = part.split_once('-').map(|(first, _)| first).filter(|first| first.len() == 20 && is_number(first));
                let ending = part.split_once('.').map_or("", |(_, ending)| ending);
                format!("{}*{ending}", epoch.unwrap_or_default())
            }
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Whether a word of it is long, and hexadecimal without being a number: ids and tokens are.
fn is_random(part: &str) -> bool {
    let words = || part.split(['-', '.', '_']);
    let is_long_hex = |word: &str| word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    words().any(|word| is_long_hex(word) && !is_number(word))
        || words().filter(|word| word.len() == 4 && is_long_hex(&word.repeat(2))).count() >= 3
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// FNV-1a of what is drawn for, stirred by SplitMix64.
struct Dice(u64);

impl Dice {
    fn of(seed: u64, operation: Operation, likeness: &str, occurrence: u64) -> Dice {
        let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let numbers = [operation as u64, occurrence].map(u64::to_le_bytes);
        for byte in likeness.bytes().chain(numbers.into_iter().flatten()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Dice(hash)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Rates;
    use super::*;

    #[test]
    fn ids_and_tokens_are_no_part_of_the_likeness() {
        for (path, like) in [
            (
                "l/_lakewire/jobs/0193e0a1-7bc4-7def-8a12-b1946ac92492/manifest/00000000000000000007.json",
                "l/_lakewire/jobs/*/manifest/00000000000000000007.json",
            ),
            ("l/_lakewire/jobs/01000000-1111-7222-8333-444444444444/latest", "l/_lakewire/jobs/*/latest"),
            ("j/state/00000000000000000012-9a0364b9e99bb480dd25e1f0284c8555.arrows", "j/state/00000000000000000012*arrows"),
            ("l/events/part-00000-3f2b8c1d-95ad-4b7e-8f1c-0123456789ab-c000.snappy.parquet", "l/events/*snappy.parquet"),
            ("l/events/_delta_log/00000000000000000003.json", "l/events/_delta_log/00000000000000000003.json"),
            ("l/_lakewire/tables/rejects", "l/_lakewire/tables/rejects"),
        ] {
            assert_eq!(likeness(&Path::parse(path).unwrap()), like, "{path}");
        }
    }

    #[test]
    fn a_plan_replays_and_keeps_its_rates() {
        let rates = Rates { lost_answer: 100, refused: 50, slow: 500, latency_ms_max: 10, ..Rates::default() };
        let drawn = |seed| {
            let draws = Draws::new(Plan { seed, rates });
            let path = |n: usize| Path::from(format!("t/_delta_log/{:020}.json", n / 2));
            (0..10_000).map(|n| draws.draw(Operation::Create, &path(n))).collect::<Vec<_>>()
        };
        let first = drawn(1);
        assert_eq!(first, drawn(1));
        assert_ne!(first, drawn(2));
        let count = |fault| first.iter().filter(|drawn| drawn.fault == Some(fault)).count();
        assert!((800..1200).contains(&count(Fault::LostAnswer)), "{}", count(Fault::LostAnswer));
        assert!((350..650).contains(&count(Fault::Refused)), "{}", count(Fault::Refused));
        assert!(first.iter().all(|drawn| drawn.latency <= Duration::from_millis(10)));
        let slow = first.iter().filter(|drawn| !drawn.latency.is_zero()).count();
        assert!((4500..5500).contains(&slow), "{slow}");
    }
}
