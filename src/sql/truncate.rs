//! `TRUNCATE [TABLE] [ONLY] a, b [CONTINUE IDENTITY] [RESTRICT]`

use super::object::{PlacedName, object_name};
use super::reader::Reader;
use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truncate {
    pub tables: Vec<PlacedName>,
}

pub fn parse(reader: &mut Reader) -> Result<Truncate> {
    reader.expect(&["TRUNCATE"])?;
    reader.accept(&["TABLE"]);
    let tables = reader.comma_separated(|reader| {
        if reader.peek_word(1).is_some() {
            reader.accept(&["ONLY"]);
        }
        object_name(reader)
    })?;
    if reader.peek(&["RESTART", "IDENTITY"]) {
        return Err(Error::unsupported("RESTART IDENTITY is not supported").with_detail("no table has a sequence").at(reader.position()));
    }
    reader.accept(&["CONTINUE", "IDENTITY"]);
    if reader.peek(&["CASCADE"]) {
        return Err(Error::unsupported("TRUNCATE … CASCADE is not supported")
            .with_detail("no table refers to another")
            .at(reader.position()));
    }
    reader.accept(&["RESTRICT"]);
    Ok(Truncate { tables })
}
