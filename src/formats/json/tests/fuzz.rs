//! Payloads that are mutated at random, and judged: no panic, no more memory than what was read can need, every value found again or the
//! payload rejected. Seconds by default; `LAKEWIRE_FUZZ_SECONDS=600 cargo test --lib json::tests::fuzz -- --nocapture` for a long run,
//! `LAKEWIRE_FUZZ_SEED` for one that failed.

use super::*;
use crate::fuzz::{self, Dice};

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

/// Beside those of all JSON.
const WORDS: &[&str] = &[
    "false",
    "NaN",
    "\\u0061",
    "\\udc00",
    "\"a\":",
    "\"\":1,",
    "{\"a\":",
    "[[[[[[[[",
    "9007199254740993.0",
    "1e-400",
    "x__bigint",
    "_rest",
    "2026-01-31T00:00:00Z",
];

fn mutate(payload: &mut Vec<u8>, dice: &mut Dice) {
    let other = dice.pick(SEEDS).as_bytes();
    dice.change(payload, other, WORDS);
    payload.truncate(MUTANT_BYTES_MAX);
}

fn payloads(dice: &mut Dice) -> Vec<Vec<u8>> {
    (0..1 + dice.below(6))
        .map(|_| {
            let mut payload = dice.pick(SEEDS).as_bytes().to_vec();
            (0..dice.below(6)).for_each(|_| mutate(&mut payload, dice));
            if dice.below(12) == 0 {
                payload = gzip(&payload);
                (0..dice.below(2)).for_each(|_| mutate(&mut payload, dice));
            }
            payload
        })
        .collect()
}

fn round(seed: u64) -> Result<(), String> {
    let mut dice = Dice::new(seed);
    for _ in 0..MUTANTS_PER_ROUND {
        let (payloads, flatten) = (payloads(&mut dice), dice.below(2) == 0);
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
fn mutants_are_read_or_rejected() {
    fuzz::rounds(|seed, _| std::panic::catch_unwind(|| round(seed)).unwrap_or_else(|_| Err("it panicked".to_string())));
}
