//! What determines every byte of what a generator makes: the dataset, the stream of it, and the seed.

use super::network;
use super::record::{Content, Record};

/// `record` is a pure function of the recipe and the record's number, so a reader can begin anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    pub dataset: Dataset,
    pub stream: Stream,
    pub seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dataset {
    #[default]
    Network,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stream {
    /// What happened, each record by itself.
    #[default]
    Events,
    /// Organisations, users and devices: the last record of a key counts.
    Management,
}

pub const SEED_DEFAULT: u64 = 7;

impl Recipe {
    /// Makes record `number` (they count from 0) in the buffers of `record`.
    pub fn make(&self, number: u64, record: &mut Record) -> Content {
        record.payload.clear();
        record.key.clear();
        match (self.dataset, self.stream) {
            (Dataset::Network, Stream::Events) => network::event::make(self.seed, number, record),
            (Dataset::Network, Stream::Management) => network::management::make(self.seed, number, record),
        }
    }
}

impl Dataset {
    pub const WORDS: &'static [&'static str] = &["network"];

    pub fn from_word(word: &str) -> Option<Dataset> {
        match word {
            "network" => Some(Dataset::Network),
            _ => None,
        }
    }
}

impl Stream {
    pub const WORDS: &'static [&'static str] = &["events", "management"];

    pub fn from_word(word: &str) -> Option<Stream> {
        match word {
            "events" => Some(Stream::Events),
            "management" => Some(Stream::Management),
            _ => None,
        }
    }
}
