//! `MERGE INTO t [AS a] USING s ON … WHEN [NOT] MATCHED [BY SOURCE | BY TARGET] [AND …] THEN …`

use sqlparser::ast::{Expr, Join, JoinConstraint, JoinOperator, Query, TableFactor};
use sqlparser::tokenizer::Token;

use super::object::PlacedName;
use super::reader::Reader;
use super::row_change::{self, Addressed, ChangedTable, Search, SetColumn};
use crate::error::{Error, Result};
use crate::model::SqlType;

/// Of a joined row, whether the source has a part in it.
const MARKER: &str = "__lakewire_source";

#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    pub table: ChangedTable,
    pub source: TableFactor,
    pub on: Expr,
    /// In the order of the text: of those that are about a row the first whose condition holds counts.
    pub clauses: Vec<MergeClause>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MergeClause {
    pub when: MergeWhen,
    pub condition: Option<Expr>,
    pub then: MergeAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeWhen {
    Matched,
    /// A row of the source that no row of the table matches.
    NotMatchedByTarget,
    /// A row of the table that no row of the source matches.
    NotMatchedBySource,
}

#[derive(Debug, Clone, PartialEq)]
pub enum MergeAction {
    Update(Vec<SetColumn>),
    Delete,
    /// No columns: the first ones of the table, as many as there are values. No values: `DEFAULT VALUES`.
    Insert {
        columns: Vec<PlacedName>,
        values: Vec<Option<Expr>>,
        position: usize,
    },
    DoNothing,
}

pub fn parse(reader: &mut Reader) -> Result<Merge> {
    let start = reader.position();
    reader.expect(&["MERGE", "INTO"])?;
    let table = ChangedTable::parse(reader, &["USING"])?;
    reader.expect(&["USING"])?;
    let source = row_change::checked(reader.relation()?, reader)?;
    reader.expect(&["ON"])?;
    let on = row_change::checked(reader.expression()?, reader)?;
    let mut clauses: Vec<MergeClause> = vec![];
    while reader.peek(&["WHEN"]) {
        let position = reader.position();
        let clause = clause(reader)?;
        if clauses.iter().any(|earlier| earlier.when == clause.when && earlier.condition.is_none()) {
            return Err(Error::syntax("unreachable WHEN clause specified after unconditional WHEN clause").at(position));
        }
        clauses.push(clause);
    }
    row_change::refuse_returning(reader)?;
    match clauses.is_empty() {
        true => Err(reader.unexpected("WHEN")),
        false if clauses.len() > i32::MAX as usize => Err(Error::unsupported("so many WHEN clauses are not supported").at(start)),
        false => Ok(Merge { table, source, on, clauses }),
    }
}

fn clause(reader: &mut Reader) -> Result<MergeClause> {
    reader.expect(&["WHEN"])?;
    let is_not = reader.accept(&["NOT"]);
    reader.expect(&["MATCHED"])?;
    let when = match is_not {
        false => MergeWhen::Matched,
        true if reader.accept(&["BY", "SOURCE"]) => MergeWhen::NotMatchedBySource,
        true => {
            reader.accept(&["BY", "TARGET"]);
            MergeWhen::NotMatchedByTarget
        }
    };
    let condition = match reader.accept(&["AND"]) {
        true => Some(row_change::checked(reader.expression()?, reader)?),
        false => None,
    };
    reader.expect(&["THEN"])?;
    Ok(MergeClause { when, condition, then: action(reader, when)? })
}

fn action(reader: &mut Reader, when: MergeWhen) -> Result<MergeAction> {
    if reader.accept(&["DO", "NOTHING"]) {
        return Ok(MergeAction::DoNothing);
    }
    if when == MergeWhen::NotMatchedByTarget {
        return insert(reader);
    }
    if reader.accept(&["DELETE"]) {
        return Ok(MergeAction::Delete);
    }
    match reader.accept(&["UPDATE"]) {
        true => row_change::set_columns(reader).map(MergeAction::Update),
        false => Err(reader.unexpected("UPDATE, DELETE or DO NOTHING")),
    }
}

fn insert(reader: &mut Reader) -> Result<MergeAction> {
    let position = reader.position();
    if !reader.accept(&["INSERT"]) {
        return Err(reader.unexpected("INSERT or DO NOTHING"));
    }
    let mut columns = vec![];
    if reader.accept_token(&Token::LParen) {
        columns = reader.comma_separated(|reader| reader.name("a column"))?;
        reader.expect_token(&Token::RParen)?;
    }
    if reader.peek(&["OVERRIDING"]) {
        return Err(Error::unsupported("OVERRIDING is not supported").at(reader.position()));
    }
    if columns.is_empty() && reader.accept(&["DEFAULT", "VALUES"]) {
        return Ok(MergeAction::Insert { columns, values: vec![], position });
    }
    reader.expect(&["VALUES"])?;
    let values = row_change::row_values(reader)?;
    if !columns.is_empty() && columns.len() != values.len() {
        let more = if columns.len() < values.len() { "expressions than target columns" } else { "target columns than expressions" };
        return Err(Error::syntax(format!("INSERT has more {more}")).at(position));
    }
    Ok(MergeAction::Insert { columns, values, position })
}

impl Merge {
    /// The rows to change or insert, with the number of the clause that is about each, and the values of all clauses one after the other, null
    /// where another clause counts. `types` are those of the columns that clauses set, for each clause.
    pub fn rows(&self, types: &[Vec<SqlType>], named: Addressed) -> Result<Query> {
        let action = self.action(named)?;
        let mut values = vec![];
        for (n, (clause, types)) in self.clauses.iter().zip(types).enumerate() {
            for (value, to) in clause.then.values().into_iter().zip(types) {
                values.push(only_where(&action, n, row_change::assigned(value.cloned(), to)?)?);
            }
        }
        let selection = Some(Expr::IsNotNull(Box::new(Expr::Nested(Box::new(action.clone())))));
        let search = Search { action, values, join: Some(self.join()?), from: vec![], selection };
        self.table.rows(search, named)
    }

    /// The number of the clause that counts, null where none does anything.
    fn action(&self, named: Addressed) -> Result<Expr> {
        let in_table = format!("{}.{}", row_change::folded(&self.table.alias), row_change::quoted(named.file));
        let mut text = "CASE".to_string();
        for (n, clause) in self.clauses.iter().enumerate() {
            let is_about = match clause.when {
                MergeWhen::Matched => format!("{in_table} IS NOT NULL AND \"{MARKER}\" IS NOT NULL"),
                MergeWhen::NotMatchedByTarget => format!("{in_table} IS NULL"),
                MergeWhen::NotMatchedBySource => format!("\"{MARKER}\" IS NULL"),
            };
            let then = if clause.then == MergeAction::DoNothing { "NULL".to_string() } else { n.to_string() };
            text.push_str(&format!(" WHEN {is_about} AND TRUE THEN {then}"));
        }
        let mut case = row_change::expression(&format!("{text} END"))?;
        let Expr::Case { conditions, .. } = &mut case else { return Err(Error::internal("a CASE is none")) };
        for (when, clause) in conditions.iter_mut().zip(&self.clauses) {
            if let (Expr::BinaryOp { right, .. }, Some(condition)) = (&mut when.condition, &clause.condition) {
                **right = Expr::Nested(Box::new(condition.clone()));
            }
        }
        Ok(case)
    }

    /// Rows without a partner are needed only by clauses that are about them.
    fn join(&self) -> Result<Join> {
        let is_about = |when| self.clauses.iter().any(|clause| clause.when == when && clause.then != MergeAction::DoNothing);
        let on = JoinConstraint::On(self.on.clone());
        let join_operator = match (is_about(MergeWhen::NotMatchedBySource), is_about(MergeWhen::NotMatchedByTarget)) {
            (false, false) => JoinOperator::Inner(on),
            (true, false) => JoinOperator::LeftOuter(on),
            (false, true) => JoinOperator::RightOuter(on),
            (true, true) => JoinOperator::FullOuter(on),
        };
        Ok(Join { relation: row_change::marked(&self.source, MARKER)?, global: false, join_operator })
    }
}

impl MergeAction {
    pub fn values(&self) -> Vec<Option<&Expr>> {
        match self {
            MergeAction::Update(set) => set.iter().map(|set| set.value.as_ref()).collect(),
            MergeAction::Insert { values, .. } => values.iter().map(Option::as_ref).collect(),
            MergeAction::Delete | MergeAction::DoNothing => vec![],
        }
    }
}

/// A value is worked out only where its clause counts: elsewhere it might fail.
fn only_where(action: &Expr, clause: usize, value: Expr) -> Result<Expr> {
    let mut case = row_change::expression(&format!("CASE WHEN NULL = {clause} THEN NULL END"))?;
    if let Expr::Case { conditions, .. } = &mut case
        && let Some(when) = conditions.first_mut()
        && let Expr::BinaryOp { left, .. } = &mut when.condition
    {
        **left = Expr::Nested(Box::new(action.clone()));
        when.result = value;
    }
    Ok(case)
}
