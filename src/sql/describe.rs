//! `DESCRIBE x`, `DESC x`

use sqlparser::ast::ObjectName;

use super::reader::Reader;
use crate::error::Result;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Describe {
    /// May be qualified, and may be a system table.
    pub relation: ObjectName,
    pub position: usize,
}

pub fn parse(reader: &mut Reader) -> Result<Describe> {
    if !reader.accept(&["DESC"]) {
        reader.expect(&["DESCRIBE"])?;
    }
    let position = reader.position();
    let relation = reader.qualified_name("a relation's name")?;
    Ok(Describe { relation, position })
}
