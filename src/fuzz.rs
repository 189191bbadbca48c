//! What the fuzz tests share: dice, changes of bytes, and rounds that go on for as long as they were asked to.

use std::fmt::Display;
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

const SHORT_RUN: Duration = Duration::from_secs(2);

/// What JSON is made of, and what it is not.
const JSON_WORDS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "null",
    "true",
    "-",
    "0",
    "1e9",
    ".5",
    "\\u0000",
    "\\ud800",
    "9223372036854775807",
    "\u{feff}",
    "\n",
    " ",
    "\0",
];

/// How long a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Seconds, with other tests beside it.
    Short,
    /// As many as were asked for, alone.
    Long,
}

/// Does rounds of one seed after another. `LAKEWIRE_FUZZ_SECONDS` makes it a long run, with other seeds each time; `LAKEWIRE_FUZZ_SEED` does
/// one round of such a run again.
pub fn rounds<E: Display>(mut round: impl FnMut(u64, Run) -> Result<(), E>) {
    if let Some(seed) = setting("LAKEWIRE_FUZZ_SEED") {
        return round(seed, Run::Long).unwrap_or_else(|finding| panic!("{finding}"));
    }
    let seconds = setting("LAKEWIRE_FUZZ_SECONDS");
    let run = if seconds.is_some() { Run::Long } else { Run::Short };
    // A short run is the same each time.
    let first = seconds.map_or(0, |_| u64::from(std::process::id())) << 32;
    let (begun, limit) = (Instant::now(), seconds.map_or(SHORT_RUN, Duration::from_secs));
    let mut seed = first;
    while begun.elapsed() < limit {
        round(seed, run).unwrap_or_else(|finding| panic!("LAKEWIRE_FUZZ_SEED={seed}: {finding}"));
        seed += 1;
    }
    println!("{} rounds from seed {first}, no finding", seed - first);
}

#[allow(clippy::disallowed_methods, reason = "a test has no configuration of the server's kind")]
fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

/// Dice that fall as their seed says.
pub struct Dice(ChaCha8Rng);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0.next_u32() as usize % end.max(1)
    }

    pub fn pick<'s, T>(&mut self, from: &'s [T]) -> &'s T {
        &from[self.below(from.len())]
    }

    /// Changes a few bytes. Some of `other` may come into them, or one of `words`.
    pub fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8], words: &[&str]) {
        let place = self.below(bytes.len() + 1);
        let end = (place + self.below(16)).min(bytes.len());
        match self.below(8) {
            0 if place < bytes.len() => bytes[place] ^= 1 << self.below(8),
            1 if place < bytes.len() => bytes[place] = self.below(256) as u8,
            2 => drop(bytes.drain(place..end)),
            3 => bytes.truncate(place),
            4 => {
                let copied = bytes[place..end].to_vec();
                let target = self.below(bytes.len() + 1);
                bytes.splice(target..target, copied);
            }
            5 => {
                let from = self.below(other.len());
                bytes.splice(place..end, other[from..].iter().copied());
            }
            _ => {
                let words = if self.below(2) == 0 { JSON_WORDS } else { words };
                bytes.splice(place..place, self.pick(words).bytes());
            }
        }
    }
}
