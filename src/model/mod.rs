//! The nouns everything above speaks: names, ids, types, columns, options, positions, changes. Plain values, no I/O.

pub mod change;
pub mod column;
pub mod id;
pub mod name;
pub mod options;
pub mod position;
pub mod types;

pub use change::Changes;
pub use column::{SchemaMode, SourceColumn};
pub use id::{Epoch, JobId, ObjectId};
pub use name::Name;
pub use options::{OptionValue, Options, SecretText};
pub use position::{PartitionId, PartitionState, Position, Positions};
pub use types::SqlType;
