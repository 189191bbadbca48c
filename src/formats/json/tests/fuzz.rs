//! Payloads that are mutated at random, and judged: no panic, no more memory than what was read can need, every value found again or the
//! payload rejected. Seconds by default; `LAKEWIRE_FUZZ_SECONDS=600 cargo test --lib json::tests::fuzz -- --nocapture` for a long run,
//! `LAKEWIRE_FUZZ_SEED` for one that failed.

use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;

const SECONDS: u64 = 2;
/// Mutants of one seed that are made from one another; a failure is replayed from its round's seed.
const MUTANTS_PER_ROUND: usize = 32;
const MUTANT_BYTES_MAX: usize = 1 << 16;

const SEEDS: &[&str] = &[
    r#"{"a":1,"b":"two","c":[1,2,{"d":null}],"e":{"f":true},"g":1.5e-3,"h":"2026-01-31T23:59:59.5+01:00"}"#,
    r#"{"a":"x","A":2,"\u0061":3,"":4,"_rest":{"a":1},"_key":5,"n\u0000":6}"#,
    "{\"x\":1}\n{\"x\":\"1\"}\n{\"x\":{\"y\":1}}\n{\"x\":[]}\n",
    r#"[{"x":9223372036854775808},{"x":0.1234567890123456789},{"x":1e400},{"x":-0}]"#,
    r#"{"s":"\ud83d\ude00\n\"\\","é":"日本","x__text":1,"x":"t","x":2}"#,
    r#"{"x":0.5}{"x":9007199254740993.0}{"x":12345678901234.567}{"x":0.30000000000000004}{"x":-7.25}"#,
    "\u{feff} { \"blank\" : [ ] , \"o\" : { } } ",
    r#"{"o":{"o":{"o":{"p":1,"P":2}}},"o_o":3,"o_o_o_p":4}"#,
];

const WORDS: &[&str] = &[
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
    "false",
    "NaN",
    "-",
    "0",
    "1e9",
    ".5",
    "\\u0061",
    "\\ud800",
    "\\udc00",
    "\"a\":",
    "\"\":1,",
    "{\"a\":",
    "[[[[[[[[",
    "9223372036854775807",
    "9007199254740993.0",
    "1e-400",
    "\u{feff}",
    "\n",
    " ",
    "\0",
    "x__bigint",
    "_rest",
    "2026-01-31T00:00:00Z",
];

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0.next_u32() as usize % end.max(1)
    }

    fn pick<'s>(&mut self, words: &[&'s str]) -> &'s str {
        words[self.below(words.len())]
    }

    fn mutate(&mut self, payload: &mut Vec<u8>) {
        let place = self.below(payload.len() + 1);
        let end = (place + self.below(16)).min(payload.len());
        match self.below(8) {
            0 if place < payload.len() => payload[place] ^= 1 << self.below(8),
            1 if place < payload.len() => payload[place] = self.below(256) as u8,
            2 => drop(payload.drain(place..end)),
            3 => payload.truncate(place.max(1)),
            4 => {
                let copied = payload[place..end].to_vec();
                let target = self.below(payload.len() + 1);
                payload.splice(target..target, copied);
            }
            5 => {
                let other = self.pick(SEEDS).as_bytes();
                let from = self.below(other.len());
                payload.splice(place..end, other[from..].iter().copied());
            }
            _ => drop(payload.splice(place..place, self.pick(WORDS).bytes())),
        }
        payload.truncate(MUTANT_BYTES_MAX);
    }

    fn payloads(&mut self) -> Vec<Vec<u8>> {
        (0..1 + self.below(6))
            .map(|_| {
                let mut payload = self.pick(SEEDS).as_bytes().to_vec();
                (0..self.below(6)).for_each(|_| self.mutate(&mut payload));
                if self.below(12) == 0 {
                    payload = gzip(&payload);
                    (0..self.below(2)).for_each(|_| self.mutate(&mut payload));
                }
                payload
            })
            .collect()
    }
}

fn round(seed: u64) -> Result<(), String> {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    for _ in 0..MUTANTS_PER_ROUND {
        let (payloads, flatten) = (dice.payloads(), dice.below(2) == 0);
        let told = |complaint: String| {
            let texts: Vec<_> = payloads.iter().map(|payload| String::from_utf8_lossy(payload)).collect();
            format!("{complaint}\nflatten {flatten}, payloads {texts:?}")
        };
        oracle::check(&payloads, flatten).map_err(told)?;
        memory_is_bounded(&payloads, flatten).map_err(told)?;
        let decoder = || JsonDecoder::new(&[], SchemaMode::Evolve, flatten);
        let singly: Vec<&[Vec<u8>]> = payloads.chunks(1).collect();
        if decode(decoder(), &singly) != decode(decoder(), &[&payloads]) {
            return Err(told("batches make a difference".to_string()));
        }
    }
    Ok(())
}

/// A batch takes what its text takes, and a little for each cell.
fn memory_is_bounded(payloads: &[Vec<u8>], flatten: bool) -> Result<(), String> {
    const CELL_BYTES: usize = 64;
    let decoded = JsonDecoder::new(&[], SchemaMode::Evolve, flatten).decode(&records(payloads)).unwrap();
    let read: usize = payloads.iter().map(|payload| payload.len().max(MUTANT_BYTES_MAX)).sum();
    let (rows, columns) = (decoded.batch.num_rows() + 1, decoded.batch.num_columns() + 1);
    let (taken, allowed) = (decoded.batch.get_array_memory_size(), 4 * read + (rows + 64) * columns * CELL_BYTES);
    if taken <= allowed { Ok(()) } else { Err(format!("{taken} bytes are taken, {allowed} are enough")) }
}

#[test]
#[allow(clippy::disallowed_methods)]
fn mutants_are_read_or_rejected() {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a whole number"));
    if let Some(seed) = setting("LAKEWIRE_FUZZ_SEED") {
        return round(seed).unwrap();
    }
    let seconds = setting("LAKEWIRE_FUZZ_SECONDS");
    // A short run is the same each time.
    let first = seconds.map_or(0, |_| std::process::id() as u64) << 32;
    let (begun, limit) = (Instant::now(), Duration::from_secs(seconds.unwrap_or(SECONDS)));
    let mut rounds = 0;
    while begun.elapsed() < limit {
        let seed = first + rounds;
        let outcome = std::panic::catch_unwind(|| round(seed)).unwrap_or_else(|_| Err("it panicked".to_string()));
        assert!(outcome.is_ok(), "LAKEWIRE_FUZZ_SEED={seed}: {}", outcome.unwrap_err());
        rounds += 1;
    }
    println!("{rounds} rounds from seed {first}, {} payloads or so, no finding", rounds * MUTANTS_PER_ROUND as u64 * 3);
}
