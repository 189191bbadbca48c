//! What an operator remembers from tick to tick, as the epoch protocol saves it.

use arrow::datatypes::SchemaRef;

use crate::error::Result;
use crate::model::Changes;

/// A part of a job's state. It is saved as a base, everything there was at one epoch, and what changed in each epoch after it. Restoring the
/// base and then the changes, in order, gives the state back.
pub trait State: Send {
    /// The columns of what is saved.
    fn schema(&self) -> SchemaRef;

    /// What changed since this was called before, or since the state was made or restored.
    fn take_changes(&mut self) -> Result<Changes>;

    /// All of it.
    fn everything(&self) -> Result<Changes>;

    /// Takes in what `everything` or `take_changes` gave.
    fn restore(&mut self, changes: &Changes) -> Result<()>;

    fn rows(&self) -> usize;

    /// Memory, roughly.
    fn bytes(&self) -> usize;
}
