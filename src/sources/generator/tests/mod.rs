//! The generator, from the outside: as data, as a source, as a program, and into a stream.

mod data;
mod kinesis;
mod nexmark;
mod program;
mod source;

use super::record::{Content, Record};
use super::{Dataset, Recipe, Stream};

fn recipe(stream: Stream, seed: u64) -> Recipe {
    Recipe { dataset: Dataset::Network(stream), seed }
}

/// The payloads of `numbers`, with what they are.
fn made(recipe: Recipe, numbers: std::ops::Range<u64>) -> Vec<(Content, Vec<u8>)> {
    let mut record = Record::default();
    numbers.map(|number| (recipe.make(number, &mut record), record.payload.clone())).collect()
}
