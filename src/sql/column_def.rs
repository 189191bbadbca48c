//! The columns of `CREATE SOURCE`, `CREATE TABLE` and `ALTER TABLE … ADD COLUMN`.

use sqlparser::tokenizer::Token;

use super::object::ObjectKind;
use super::reader::Reader;
use crate::error::{Error, Result, SqlState};
use crate::model::{Name, SqlType};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDef {
    pub name: Name,
    pub data_type: SqlType,
    pub not_null: bool,
    /// Of the name, in the statement.
    pub position: usize,
}

/// Constraints that PostgreSQL has, in the words they begin with, and what to do instead.
const REFUSED: [(&[&str], &str); 10] = [
    (&["PRIMARY", "KEY"], "leave it out: rows are kept as they come"),
    (&["UNIQUE"], "leave it out: rows are kept as they come"),
    (&["DEFAULT"], "give the value where rows are made: coalesce(x, …) in the query"),
    (&["CHECK"], "state it in the pipeline: CONSTRAINT c EXPECT (…) ON VIOLATION DROP ROW"),
    (&["REFERENCES"], "leave it out: rows are not compared with other tables"),
    (&["FOREIGN", "KEY"], "leave it out: rows are not compared with other tables"),
    (&["GENERATED"], "compute the column in the query"),
    (&["EXCLUDE"], "leave it out: rows are kept as they come"),
    (&["CONSTRAINT"], "state it in the pipeline: CONSTRAINT c EXPECT (…) ON VIOLATION DROP ROW"),
    (&["COLLATE"], "text is compared by its bytes"),
];

/// `( [column, …] )`. Two columns of one name are refused. `clause` may read what is no column, and says whether it did.
pub fn list(reader: &mut Reader, of: ObjectKind, mut clause: impl FnMut(&mut Reader) -> Result<bool>) -> Result<Vec<ColumnDef>> {
    let mut columns: Vec<ColumnDef> = Vec::new();
    reader.expect_token(&Token::LParen)?;
    if reader.accept_token(&Token::RParen) {
        return Ok(columns);
    }
    reader.comma_separated(|reader| {
        if clause(reader)? {
            return Ok(());
        }
        refuse_table_clauses(reader, of)?;
        let column = column(reader, of)?;
        if columns.iter().any(|earlier| earlier.name == column.name) {
            return Err(duplicate(&column.name, column.position));
        }
        columns.push(column);
        Ok(())
    })?;
    reader.expect_token(&Token::RParen)?;
    Ok(columns)
}

/// `name type [NOT NULL | NULL]`
pub fn column(reader: &mut Reader, of: ObjectKind) -> Result<ColumnDef> {
    let name = reader.name("a column's name")?;
    let data_type = reader.data_type()?;
    let mut not_null = false;
    loop {
        if reader.accept(&["NOT", "NULL"]) {
            not_null = true;
        } else if !reader.accept(&["NULL"]) {
            break;
        }
    }
    refuse_constraints(reader, of)?;
    Ok(ColumnDef { name: name.name, data_type, not_null, position: name.position })
}

pub fn duplicate(name: &Name, position: usize) -> Error {
    Error::duplicate(format!("column \"{name}\" specified more than once")).with_state(SqlState::DUPLICATE_COLUMN).at(position)
}

/// What may stand in a list of columns besides columns.
fn refuse_table_clauses(reader: &Reader, of: ObjectKind) -> Result<()> {
    if reader.peek(&["WATERMARK", "FOR"]) {
        return Err(Error::unsupported(format!("a watermark (WATERMARK FOR) is for sources, not for a {of}")).at(reader.position()));
    }
    if reader.peek(&["LIKE"]) {
        return Err(Error::unsupported("LIKE in a column list is not supported")
            .with_hint("name the columns, or use CREATE TABLE … AS SELECT … LIMIT 0")
            .at(reader.position()));
    }
    let starts_constraint = ["PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "CONSTRAINT"].iter().any(|word| reader.peek(&[word]));
    let has_body = matches!(reader.peek_nth_token(1), Token::LParen) || reader.peek_word(1).is_some_and(|word| word == "KEY");
    match starts_constraint && (has_body || reader.peek(&["CONSTRAINT"])) {
        true => refuse_constraints(reader, of),
        false => Ok(()),
    }
}

fn refuse_constraints(reader: &Reader, of: ObjectKind) -> Result<()> {
    let Some((words, hint)) = REFUSED.iter().find(|(words, _)| reader.peek(words)) else { return Ok(()) };
    let error = match (of, words[0]) {
        (ObjectKind::Source, "PRIMARY") => Error::unsupported("an upsert source (PRIMARY KEY) is not supported yet"),
        (_, "PRIMARY") => Error::unsupported(format!("PRIMARY KEY is not supported yet for a {of}")).with_hint(*hint),
        _ => Error::unsupported(format!("{} is not supported for a {of}", words.join(" "))).with_hint(*hint),
    };
    Err(error.at(reader.position()))
}
