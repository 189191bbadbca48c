//! `ALTER TABLE [IF EXISTS] t ADD [COLUMN] [IF NOT EXISTS] c type, … | RENAME TO u`

use super::column_def::{self, ColumnDef};
use super::object::{ObjectKind, PlacedName, if_not_exists, object_name};
use super::reader::Reader;
use super::unsupported;
use crate::error::{Error, Result};
use crate::model::Name;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlterTable {
    pub name: Name,
    pub name_position: usize,
    pub if_exists: bool,
    pub change: TableChange,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableChange {
    AddColumns(Vec<NewColumn>),
    RenameTo(PlacedName),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewColumn {
    pub if_not_exists: bool,
    pub column: ColumnDef,
}

pub fn parse(reader: &mut Reader) -> Result<AlterTable> {
    reader.expect(&["ALTER", "TABLE"])?;
    let if_exists = reader.accept(&["IF", "EXISTS"]);
    let name = object_name(reader)?;
    let change = change(reader)?;
    Ok(AlterTable { name: name.name, name_position: name.position, if_exists, change })
}

fn change(reader: &mut Reader) -> Result<TableChange> {
    if reader.peek(&["ADD"]) {
        return add_columns(reader).map(TableChange::AddColumns);
    }
    if reader.accept(&["RENAME", "TO"]) {
        return reader.name("a name").map(TableChange::RenameTo);
    }
    match reader.peek_word(0).as_deref() {
        Some("SET") => Err(Error::unsupported("ALTER TABLE … SET is not supported yet").at(reader.position())),
        Some("DROP" | "ALTER" | "RENAME" | "OWNER" | "ATTACH" | "DETACH" | "ENABLE" | "DISABLE" | "RESET" | "CLUSTER" | "INHERIT") => {
            Err(unsupported::refuse("ALTER TABLE …", reader))
        }
        _ => Err(reader.unexpected("ADD COLUMN or RENAME TO")),
    }
}

/// `ADD [COLUMN] [IF NOT EXISTS] c type [, ADD …]`
fn add_columns(reader: &mut Reader) -> Result<Vec<NewColumn>> {
    let mut columns: Vec<NewColumn> = Vec::new();
    reader.comma_separated(|reader| {
        reader.expect(&["ADD"])?;
        refuse_constraint(reader)?;
        reader.accept(&["COLUMN"]);
        let if_not_exists = if_not_exists(reader);
        let column = column_def::column(reader, ObjectKind::Table)?;
        if columns.iter().any(|earlier| earlier.column.name == column.name) {
            return Err(column_def::duplicate(&column.name, column.position));
        }
        columns.push(NewColumn { if_not_exists, column });
        Ok(())
    })?;
    Ok(columns)
}

fn refuse_constraint(reader: &Reader) -> Result<()> {
    let refused = ["CONSTRAINT", "PRIMARY", "UNIQUE", "FOREIGN", "CHECK"];
    let is_refused = refused.iter().any(|word| reader.peek(&[word]));
    match is_refused {
        true => Err(Error::unsupported("a constraint on a table is not supported")
            .with_hint("state it in the pipeline: CONSTRAINT c EXPECT (…) ON VIOLATION DROP ROW")
            .at(reader.position())),
        false => Ok(()),
    }
}
