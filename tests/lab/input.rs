//! How the records of a story come to the server: from a generator, or through a Kinesis.

use std::collections::BTreeMap;

use lakewire::flow::job::InputStatus;
use lakewire::model::{PartitionId, PartitionState, Positions};

use super::case::{Case, Story};
use super::kinesis::Kinesis;

pub struct Input {
    pub story: Story,
    kinesis: Option<Kinesis>,
}

impl Input {
    pub fn of(case: &Case) -> Input {
        Input { story: case.story, kinesis: case.kinesis.map(|plan| Kinesis::new(plan, &case.story)) }
    }

    pub fn generator(story: Story) -> Input {
        Input { story, kinesis: None }
    }

    /// To be called in each life, for what comes through Kinesis.
    pub fn serve(&self) {
        if let Some(kinesis) = &self.kinesis {
            kinesis.serve();
        }
    }

    /// Defines the source and all that reads it, or what of it is not there yet.
    pub fn definitions(&self) -> String {
        let source = self.kinesis.as_ref().map_or_else(|| self.story.generator(), Kinesis::definition);
        format!("{source}; {}", self.story.readers())
    }

    /// Where whoever has read all that was and will be sent stands. None while more is to come.
    pub fn end(&self) -> Option<Positions> {
        match &self.kinesis {
            Some(kinesis) => kinesis.end(),
            None => Some((0..self.story.partitions).map(|nth| (PartitionId::new(nth.to_string()), PartitionState::Done)).collect()),
        }
    }

    pub fn is_read(&self, inputs: &[InputStatus]) -> bool {
        let positions: Positions = inputs.iter().map(|input| (input.partition.clone(), input.state.clone())).collect();
        self.end() == Some(positions)
    }

    /// What each partition came out of, if it came out of any.
    pub fn parents(&self) -> BTreeMap<PartitionId, Vec<PartitionId>> {
        self.kinesis.as_ref().map(Kinesis::parents).unwrap_or_default()
    }

    /// Whether all records have one order.
    pub fn is_in_order(&self) -> bool {
        self.kinesis.is_none() && self.story.partitions == 1
    }
}
