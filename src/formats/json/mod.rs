//! JSON records to columns, fast and whatever comes: what drifts finds a column, what is broken is rejected, nothing is lost.
//!
//! A record is one object. Its fields are columns by their names folded to lower case. A **declared** column is exact: a value that does not fit it
//! rejects the record. Any other field is **found**: its column has the type of the first value it saw, and a value of another type goes
//! to a sibling column (`x__text`). A value goes to the first of its field's columns that holds all of it. A null is no value.
//! What can be no column (the second value of a name within a record, reserved and unusable names, what passes a limit) is in `_rest`.
//!
//! What a source hands out as one record is a payload: usually one object, but it may hold several, and may be packed. Who counts records
//! counts payloads where it is about places in a source, and objects where it is about rows.
//!
//! The way of a record: `payload` gives its text, `decoder` finds it there, `record` walks over it, led by `shape`, which knows what came next in earlier records. `column` takes a value that is
//! plainly of its type off the text; if it is not, `value` reads it, and `exact` (declared) or `fields` (found) tell where it goes.

mod decoder;
mod discover;
mod payload;
mod record;
mod shape;

mod column;
mod exact;
mod fields;
mod rest;

mod base64;
mod flaw;
mod iso;
mod number;
mod scan;
mod text;
mod value;

#[cfg(test)]
mod tests;

pub use decoder::JsonDecoder;
pub use discover::discover;
pub use fields::COLUMNS_MAX;
pub use flaw::RECORDS_PER_PAYLOAD_MAX;
pub use payload::{RECORD_BYTES_MAX, UNPACKED_BYTES_MAX};
pub use scan::DEPTH_MAX;
