//! The walls of the house, as tests over its source text: who may use whom (`floors`), how long things get (`sizes`), what things are called
//! (`names`), where a panic may hide (`unwraps`), and that each statement is documented and tested under its own name (`statements`).
//!
//! All of it is plain text scanning: `house` finds the files, `code` takes comments and literals out of them.

mod code;
mod house;

mod floors;
mod names;
mod sizes;
mod statements;
mod unwraps;

/// Fails with all complaints at once.
fn assert_none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
