//! `CREATE SECRET [IF NOT EXISTS] name AS 'text'`. The text goes nowhere but into the struct: no error and no log shows it.

use super::object::{if_not_exists, object_name};
use super::reader::Reader;
use crate::error::Result;
use crate::model::{Name, SecretText};

#[derive(Debug, Clone, PartialEq)]
pub struct CreateSecret {
    pub name: Name,
    pub name_position: usize,
    pub if_not_exists: bool,
    /// Prints as dots.
    pub text: SecretText,
}

impl CreateSecret {
    /// The statement as it may be kept and shown.
    pub fn text_without_secret(&self) -> String {
        let condition = match self.if_not_exists {
            true => "IF NOT EXISTS ",
            false => "",
        };
        format!("CREATE SECRET {condition}{} AS '…'", self.name.quoted())
    }
}

pub fn parse(reader: &mut Reader) -> Result<CreateSecret> {
    reader.expect(&["CREATE", "SECRET"])?;
    let if_not_exists = if_not_exists(reader);
    let name = object_name(reader)?;
    reader.expect(&["AS"])?;
    let text = reader.string("the secret as 'text'")?;
    Ok(CreateSecret { name: name.name, name_position: name.position, if_not_exists, text: SecretText::new(&text) })
}
