//! `CREATE SOURCE [IF NOT EXISTS] name [(column, …)] WITH (key = value, …)`

use sqlparser::tokenizer::Token;

use super::column_def::{self, ColumnDef};
use super::object::{ObjectKind, if_not_exists, object_name};
use super::reader::Reader;
use super::with_options;
use crate::error::Result;
use crate::model::{Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateSource {
    pub name: Name,
    pub name_position: usize,
    pub if_not_exists: bool,
    /// Empty where all columns are to be found in the data.
    pub columns: Vec<ColumnDef>,
    pub options: Options,
}

pub fn parse(reader: &mut Reader) -> Result<CreateSource> {
    reader.expect(&["CREATE", "SOURCE"])?;
    let if_not_exists = if_not_exists(reader);
    let name = object_name(reader)?;
    let columns = match reader.peek_token(&Token::LParen) {
        true => column_def::list(reader, ObjectKind::Source)?,
        false => Vec::new(),
    };
    if !reader.peek(&["WITH"]) {
        return Err(reader.unexpected("WITH").with_hint("a source names its connector: WITH (connector = 'kinesis', …)"));
    }
    let options = with_options::optional(reader)?;
    Ok(CreateSource { name: name.name, name_position: name.position, if_not_exists, columns, options })
}
