//! `ALTER PIPELINE [IF EXISTS] p PAUSE | RESUME | SET (key = value, …) | RENAME TO q`

use super::job_change::{self, JobChange};
use super::object::object_name;
use super::reader::Reader;
use crate::error::Result;
use crate::model::Name;

#[derive(Debug, Clone, PartialEq)]
pub struct AlterPipeline {
    pub name: Name,
    pub name_position: usize,
    pub if_exists: bool,
    pub change: JobChange,
}

pub fn parse(reader: &mut Reader) -> Result<AlterPipeline> {
    reader.expect(&["ALTER", "PIPELINE"])?;
    let if_exists = reader.accept(&["IF", "EXISTS"]);
    let name = object_name(reader)?;
    let change = job_change::parse(reader)?;
    Ok(AlterPipeline { name: name.name, name_position: name.position, if_exists, change })
}
