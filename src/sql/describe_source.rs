//! `DESCRIBE SOURCE s`, `DESC SOURCE s`

use sqlparser::tokenizer::Token;

use super::reader::Reader;
use crate::error::Result;
use crate::model::Name;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeSource {
    pub name: Name,
    pub name_position: usize,
}

/// Whether it stands here, and not a `DESCRIBE` of a relation that is called `source`.
pub fn is_next(reader: &Reader) -> bool {
    let begins = reader.peek(&["DESCRIBE", "SOURCE"]) || reader.peek(&["DESC", "SOURCE"]);
    begins && matches!(reader.peek_nth_token(2), Token::Word(_))
}

pub fn parse(reader: &mut Reader) -> Result<DescribeSource> {
    if !reader.accept(&["DESC"]) {
        reader.expect(&["DESCRIBE"])?;
    }
    reader.expect(&["SOURCE"])?;
    let name_position = reader.position();
    let name = Name::from_ident(&reader.identifier("a source's name")?)?;
    Ok(DescribeSource { name, name_position })
}
