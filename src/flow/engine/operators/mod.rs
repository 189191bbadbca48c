//! The operators: each takes the changes of its inputs in one tick and gives the changes of its output.

mod bound;
mod constant;
mod distinct_on;
mod each_tick;
mod filter;
mod first;
mod following;
mod in_time;
mod join;
mod linear;
mod map;
mod merge;
mod passed;
mod recompute;
mod stateless;
mod temporal;
mod union;

use async_trait::async_trait;

use super::state::State;
use crate::error::Result;
use crate::model::Changes;

pub use bound::{Bound, NOW, as_integers, now_schema};
pub use constant::Constant;
pub use distinct_on::{DistinctOn, KeyTime};
pub use each_tick::EachTick;
pub use filter::Filter;
pub use first::{First, FirstSpec, Numbering};
pub use following::{FOLLOWS, Following, FollowingSpec, RowReach, before};
pub use in_time::InTime;
pub use join::{Alone, Horizon, Join, NullKeys, SideSpec};
pub use linear::{Aggregate, ClosingGroups, Extreme, Linear, Measure, Values, accumulator_for, running};
pub use map::Map;
pub use merge::Merge;
pub use recompute::Recompute;
pub use stateless::Stateless;
pub use temporal::{Comparison, Late, Temporal};
pub use union::Union;

/// When a tick is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What `now()` is, in microseconds since 1970. Never goes back.
    pub now_micros: i64,
    /// The first tick of all: what is there without any input comes now.
    pub is_first: bool,
}

#[async_trait]
pub trait Operator: Send {
    /// One tick. `inputs` has the changes of each input since the last tick, maybe none. The answer is what changed in the output; a row may
    /// stand in it several times. After an error the operator must not be used any more.
    async fn tick(&mut self, inputs: &[Changes], moment: Moment) -> Result<Changes>;

    /// What it remembers, each with a name that is its own within the operator.
    fn states(&mut self) -> Vec<(String, &mut dyn State)> {
        vec![]
    }

    /// Whether its output may change without any input.
    fn follows_the_clock(&self) -> bool {
        false
    }

    /// Rows that came too late and were left out, since it was made.
    fn late_rows(&self) -> u64 {
        0
    }

    /// All states were restored: what is derived from them and not saved has to be made anew.
    fn restored(&mut self) {}
}
