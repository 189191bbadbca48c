//! `TRUNCATE [TABLE] [ONLY] a, b [RESTART IDENTITY | CONTINUE IDENTITY] [CASCADE | RESTRICT]`

use super::object::{PlacedName, object_name};
use super::reader::Reader;
use crate::error::Result;

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
    // No table has a sequence or refers to another: these make no difference.
    let _ = reader.accept(&["RESTART", "IDENTITY"]) || reader.accept(&["CONTINUE", "IDENTITY"]);
    let _ = reader.accept(&["CASCADE"]) || reader.accept(&["RESTRICT"]);
    Ok(Truncate { tables })
}
