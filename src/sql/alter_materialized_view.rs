//! `ALTER MATERIALIZED VIEW [IF EXISTS] v PAUSE | RESUME | SET (key = value, …) | RENAME TO q | SWAP WITH q`

use super::job_change::{self, JobChange};
use super::object::object_name;
use super::reader::Reader;
use crate::error::Result;
use crate::model::Name;

#[derive(Debug, Clone, PartialEq)]
pub struct AlterMaterializedView {
    pub name: Name,
    pub name_position: usize,
    pub if_exists: bool,
    pub change: JobChange,
}

pub fn parse(reader: &mut Reader) -> Result<AlterMaterializedView> {
    reader.expect(&["ALTER", "MATERIALIZED", "VIEW"])?;
    let if_exists = reader.accept(&["IF", "EXISTS"]);
    let name = object_name(reader)?;
    let change = match reader.accept(&["SWAP", "WITH"]) {
        true => JobChange::SwapWith(object_name(reader)?),
        false => job_change::parse(reader)?,
    };
    Ok(AlterMaterializedView { name: name.name, name_position: name.position, if_exists, change })
}
