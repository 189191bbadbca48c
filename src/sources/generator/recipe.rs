//! What determines every byte of what a generator makes: the dataset, which part of it, and the seed.

use super::network;
use super::nexmark::{self, EVENT_TIME_RATE_DEFAULT, Market, Table};
use super::record::{Content, Record};
use crate::error::{Error, Result};

/// `record` is a pure function of the recipe and the record's number, so a reader can begin anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    pub dataset: Dataset,
    pub seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dataset {
    Network(Stream),
    Nexmark {
        /// None: the events of all tables.
        table: Option<Table>,
        event_time_rate: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DatasetName {
    #[default]
    Network,
    Nexmark,
}

/// A stream of `network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stream {
    /// What happened, each record by itself.
    #[default]
    Events,
    /// Organisations, users and devices: the last record of a key counts.
    Management,
}

/// What somebody wants. None: not mentioned.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wish {
    pub dataset: DatasetName,
    pub stream: Option<Stream>,
    pub table: Option<Table>,
    pub event_time_rate: Option<u64>,
}

pub const SEED_DEFAULT: u64 = 7;

impl Recipe {
    /// Makes record `number` (they count from 0) in the buffers of `record`.
    pub fn make(&self, number: u64, record: &mut Record) -> Content {
        record.payload.clear();
        record.key.clear();
        match self.dataset {
            Dataset::Network(Stream::Events) => network::event::make(self.seed, number, record),
            Dataset::Network(Stream::Management) => network::management::make(self.seed, number, record),
            Dataset::Nexmark { table, event_time_rate } => {
                nexmark::make(&Market { seed: self.seed, event_time_rate }, table, number, record)
            }
        }
    }
}

impl Wish {
    /// Fails if something is wanted that the dataset does not have.
    pub fn dataset(self) -> Result<Dataset> {
        match (self.dataset, self.stream) {
            (DatasetName::Network, stream) => {
                refuse("table", self.table, DatasetName::Nexmark)?;
                refuse("event_time_rate", self.event_time_rate, DatasetName::Nexmark)?;
                Ok(Dataset::Network(stream.unwrap_or_default()))
            }
            (DatasetName::Nexmark, stream) => {
                refuse("stream", stream, DatasetName::Network)?;
                let event_time_rate = self.event_time_rate.unwrap_or(EVENT_TIME_RATE_DEFAULT);
                Ok(Dataset::Nexmark { table: self.table, event_time_rate })
            }
        }
    }
}

fn refuse<T>(option: &str, value: Option<T>, belongs_to: DatasetName) -> Result<()> {
    match value {
        None => Ok(()),
        Some(_) => {
            let dataset = belongs_to.as_str();
            Err(Error::invalid(format!("option \"{option}\" belongs to dataset '{dataset}'"))
                .with_hint(format!("leave it out, or choose dataset '{dataset}'")))
        }
    }
}

impl DatasetName {
    pub const WORDS: &'static [&'static str] = &["network", "nexmark"];

    pub fn from_word(word: &str) -> Option<DatasetName> {
        match word {
            "network" => Some(DatasetName::Network),
            "nexmark" => Some(DatasetName::Nexmark),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            DatasetName::Network => "network",
            DatasetName::Nexmark => "nexmark",
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
