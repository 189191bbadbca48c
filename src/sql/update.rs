//! `UPDATE t [AS a] SET … [FROM …] [WHERE …]`

use sqlparser::ast::{Expr, Query, TableWithJoins};

use super::reader::Reader;
use super::row_change::{self, Addressed, ChangedTable, Search, SetColumn};
use crate::error::Result;
use crate::model::SqlType;

#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    pub table: ChangedTable,
    pub set: Vec<SetColumn>,
    pub from: Vec<TableWithJoins>,
    pub selection: Option<Expr>,
}

pub fn parse(reader: &mut Reader) -> Result<Update> {
    reader.expect(&["UPDATE"])?;
    let table = ChangedTable::parse(reader, &["SET"])?;
    let set = row_change::set_columns(reader)?;
    let from = match reader.accept(&["FROM"]) {
        true => row_change::relations(reader)?,
        false => vec![],
    };
    let selection = row_change::selection(reader)?;
    row_change::refuse_returning(reader)?;
    Ok(Update { table, set, from, selection })
}

impl Update {
    /// The rows to update, all with action 0, and their new values in the order of `set`. `types` are those of the columns.
    pub fn rows(&self, types: &[SqlType], named: Addressed) -> Result<Query> {
        let values = self.set.iter().zip(types).map(|(set, to)| row_change::assigned(set.value.clone(), to));
        let search = Search {
            action: row_change::expression("0")?,
            values: values.collect::<Result<_>>()?,
            join: None,
            from: self.from.clone(),
            selection: self.selection.clone(),
        };
        self.table.rows(search, named)
    }
}
