//! The operators: each takes the changes of its inputs in one tick and gives the changes of its output.

mod constant;
mod filter;
mod join;
mod linear;
mod map;
mod merge;
mod recompute;
mod stateless;
mod temporal;
mod union;

use async_trait::async_trait;

use super::state::State;
use crate::error::Result;
use crate::model::Changes;

pub use constant::Constant;
pub use filter::Filter;
pub use join::{Alone, Join, NullKeys, SideSpec};
pub use linear::{Aggregate, Linear, accumulator_for};
pub use map::Map;
pub use merge::Merge;
pub use recompute::Recompute;
pub use stateless::Stateless;
pub use temporal::{Comparison, NOW, Temporal, now_schema};
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
    fn states(&mut self) -> Vec<(&'static str, &mut dyn State)> {
        vec![]
    }

    /// Whether its output may change without any input.
    fn follows_the_clock(&self) -> bool {
        false
    }

    /// All states were restored: what is derived from them and not saved has to be made anew.
    fn restored(&mut self) {}
}
