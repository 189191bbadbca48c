//! `ALTER PIPELINE [IF EXISTS] p PAUSE | RESUME | SET (key = value, …) | RENAME TO q`

use super::object::{PlacedName, object_name};
use super::reader::Reader;
use super::with_options;
use crate::error::Result;
use crate::model::{Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct AlterPipeline {
    pub name: Name,
    pub name_position: usize,
    pub if_exists: bool,
    pub change: PipelineChange,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PipelineChange {
    Pause,
    Resume,
    Set(Options),
    RenameTo(PlacedName),
}

pub fn parse(reader: &mut Reader) -> Result<AlterPipeline> {
    reader.expect(&["ALTER", "PIPELINE"])?;
    let if_exists = reader.accept(&["IF", "EXISTS"]);
    let name = object_name(reader)?;
    let change = change(reader)?;
    Ok(AlterPipeline { name: name.name, name_position: name.position, if_exists, change })
}

fn change(reader: &mut Reader) -> Result<PipelineChange> {
    if reader.accept(&["PAUSE"]) {
        Ok(PipelineChange::Pause)
    } else if reader.accept(&["RESUME"]) {
        Ok(PipelineChange::Resume)
    } else if reader.accept(&["SET"]) {
        with_options::parenthesized(reader).map(PipelineChange::Set)
    } else if reader.accept(&["RENAME", "TO"]) {
        reader.name("a name").map(PipelineChange::RenameTo)
    } else {
        Err(reader.unexpected("PAUSE, RESUME, SET (…) or RENAME TO"))
    }
}
