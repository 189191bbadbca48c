//! What can be changed of a job: `PAUSE | RESUME | SET (key = value, …) | RENAME TO q`

use super::object::PlacedName;
use super::reader::Reader;
use super::with_options;
use crate::error::Result;
use crate::model::Options;

#[derive(Debug, Clone, PartialEq)]
pub enum JobChange {
    Pause,
    Resume,
    Set(Options),
    RenameTo(PlacedName),
    /// The two change names.
    SwapWith(PlacedName),
}

pub(super) fn parse(reader: &mut Reader) -> Result<JobChange> {
    if reader.accept(&["PAUSE"]) {
        Ok(JobChange::Pause)
    } else if reader.accept(&["RESUME"]) {
        Ok(JobChange::Resume)
    } else if reader.accept(&["SET"]) {
        with_options::parenthesized(reader).map(JobChange::Set)
    } else if reader.accept(&["RENAME", "TO"]) {
        reader.name("a name").map(JobChange::RenameTo)
    } else {
        Err(reader.unexpected("PAUSE, RESUME, SET (…) or RENAME TO"))
    }
}
