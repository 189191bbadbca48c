//! Delta tables on object storage. The rest of the house cannot tell a local folder from a bucket.
//!
//! # The life of a row
//! 1. `Lake::table` hands out the one handle of a table; `Table::refresh_head` follows its log to the newest `Head`, which is all that it takes to
//!    append, and `Table::refresh` to the newest `Snapshot`, which has the files too.
//! 2. `Table::evolve` gives the table the columns that it lacks.
//! 3. `Table::writer` makes data files. They exist, and no log names them.
//! 4. `Table::commit` names them in the log, with the writer's transaction: exactly once, whatever answers are lost (`commit`).
//!    Files are taken away, and others put in their place, by `RewritingTurn::commit` (`rewrite`).
//! 5. `LakeTable` shows a snapshot to DataFusion, which reads only the files that can matter (`scan`).
//! 6. `Table::changes` gives the rows that came and went from one version to a later one (`changes`).
//!
//! Beside it, never in its way, `maintenance` sums up logs and removes what nobody needs any more. Nothing else here overwrites or deletes an
//! object that a log has ever named.

mod durable_folder;
mod place;
mod root;
mod root_folder;
mod stores;

/// For tests; a debug build of the server has it too.
pub mod fault_store;

mod location;

mod following;
mod table;

mod commit;
mod conditional_put;
mod log;
mod protocol;
mod rewrite;
mod schema;

mod depth;
mod head;
mod knowledge;
mod snapshot;

mod file_columns;
mod file_keys;
mod file_list;
mod file_stats;

mod noting_store;
mod open_files;
mod writer;

mod scan;

mod changes;

mod maintenance;

#[cfg(test)]
mod tests;

pub use changes::{ChangeFeed, ChangePart};
pub use commit::{AddedFile, AppTransaction, Commit, Committed, Operation, check_young};
pub use conditional_put::{Outcome, put_for_sure};
pub use file_list::Totals;
pub use head::Head;
pub use maintenance::{Checkpointed, Spared, Vacuumed};
pub use rewrite::{DataFile, RemovedFile, Rewrite, RewritingTurn, Rewritten};
pub use root::Lake;
pub use scan::{AddressedTable, FILE, LakeTable, ROW};
pub use snapshot::Snapshot;
pub use table::Table;
pub use writer::TableWriter;
