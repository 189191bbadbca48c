//! `CREATE SOURCE [IF NOT EXISTS] name [(column, …, [WATERMARK FOR …])] WITH (key = value, …)`

use sqlparser::tokenizer::Token;

use super::column_def::{self, ColumnDef};
use super::object::{ObjectKind, if_not_exists, object_name};
use super::reader::Reader;
use super::watermark::{self, Watermark};
use super::with_options;
use crate::error::{Error, Result};
use crate::model::{Name, Options};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateSource {
    pub name: Name,
    pub name_position: usize,
    pub if_not_exists: bool,
    /// Empty where all columns are to be found in the data.
    pub columns: Vec<ColumnDef>,
    pub watermark: Option<Watermark>,
    pub options: Options,
}

pub fn parse(reader: &mut Reader) -> Result<CreateSource> {
    reader.expect(&["CREATE", "SOURCE"])?;
    let if_not_exists = if_not_exists(reader);
    let name = object_name(reader)?;
    let (columns, watermark) = match reader.peek_token(&Token::LParen) {
        true => columns(reader)?,
        false => (Vec::new(), None),
    };
    if !reader.peek(&["WITH"]) {
        return Err(reader.unexpected("WITH").with_hint("a source names its connector: WITH (connector = 'kinesis', …)"));
    }
    let options = with_options::optional(reader)?;
    Ok(CreateSource { name: name.name, name_position: name.position, if_not_exists, columns, watermark, options })
}

fn columns(reader: &mut Reader) -> Result<(Vec<ColumnDef>, Option<Watermark>)> {
    let mut watermark: Option<Watermark> = None;
    let columns = column_def::list(reader, ObjectKind::Source, |reader| {
        let position = reader.position();
        match (watermark::optional(reader)?, &watermark) {
            (None, _) => Ok(false),
            (Some(_), Some(_)) => Err(Error::unsupported("a source has one watermark at most").at(position)),
            (one, None) => {
                watermark = one;
                Ok(true)
            }
        }
    })?;
    if let Some(found) = &watermark {
        watermark::check(found, &columns)?;
    }
    Ok((columns, watermark))
}
