//! `DELETE FROM t [AS a] [USING …] [WHERE …]`

use sqlparser::ast::{Expr, Query, TableWithJoins};

use super::reader::Reader;
use super::row_change::{self, Addressed, ChangedTable, Search};
use crate::error::Result;

#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    pub table: ChangedTable,
    pub using: Vec<TableWithJoins>,
    pub selection: Option<Expr>,
}

pub fn parse(reader: &mut Reader) -> Result<Delete> {
    reader.expect(&["DELETE", "FROM"])?;
    let table = ChangedTable::parse(reader, &["USING", "WHERE", "RETURNING"])?;
    let using = match reader.accept(&["USING"]) {
        true => row_change::relations(reader)?,
        false => vec![],
    };
    let selection = row_change::selection(reader)?;
    row_change::refuse_returning(reader)?;
    Ok(Delete { table, using, selection })
}

impl Delete {
    /// The rows to delete. All have action 0.
    pub fn rows(&self, named: Addressed) -> Result<Query> {
        let search = Search {
            action: row_change::expression("0")?,
            values: vec![],
            join: None,
            from: self.using.clone(),
            selection: self.selection.clone(),
        };
        self.table.rows(search, named)
    }
}
