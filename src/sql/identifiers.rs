//! What a query names: the relations it reads, and whether it speaks of a column.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, Query, Select, TableFactor, Visit, Visitor};
use sqlparser::tokenizer::Location;

use super::position;
use super::with_scopes::WithScopes;
use crate::error::Result;
use crate::model::Name;
use crate::model::name::fold;

/// A relation as a query names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// `None` where the name is not qualified.
    pub schema: Option<String>,
    pub name: Name,
    /// As written.
    pub written: ObjectName,
}

impl Relation {
    pub(super) fn new(written: &ObjectName) -> Result<Relation> {
        let mut parts = written.0.iter().rev().filter_map(|part| part.as_ident()).map(fold);
        let name = Name::new(parts.next().unwrap_or_default())?;
        Ok(Relation { schema: parts.next(), name, written: written.clone() })
    }

    /// The position of the name in the text the query was parsed from.
    pub fn position(&self, text: &str) -> usize {
        let start = self.written.0.first().and_then(|part| part.as_ident()).map(|ident| ident.span.start);
        position::position(text, start.unwrap_or(Location::empty()))
    }
}

/// All relations that a query reads, in the order of the text, each as often as it is named. A name that means a `WITH` query of
/// its surroundings is none, and neither is a table function's.
pub fn relations(query: &Query) -> Result<Vec<Relation>> {
    let mut found = Vec::new();
    for_each_relation(query, |mentioned| found.push(mentioned.name.clone()));
    found.iter().map(Relation::new).collect()
}

/// A relation where a query reads it.
pub(super) struct Mentioned<'a> {
    pub name: &'a ObjectName,
    pub has_alias: bool,
    /// Which names mean something else there.
    pub scopes: &'a WithScopes,
}

/// The same, with what is around them.
pub(super) fn for_each_relation(query: &Query, see: impl FnMut(Mentioned<'_>)) {
    // The visitor never breaks.
    let _ = query.visit(&mut Relations { see, scopes: WithScopes::default() });
}

/// Whether any column reference in the query, at any depth, has this name. `column` is folded.
pub fn mentions(query: &Query, column: &str) -> bool {
    query.visit(&mut Mentions { column }).is_break()
}

struct Relations<See> {
    see: See,
    scopes: WithScopes,
}

impl<See: FnMut(Mentioned<'_>)> Visitor for Relations<See> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, args: None, .. } = factor
            && !self.scopes.knows(name)
        {
            (self.see)(Mentioned { name, has_alias: alias.is_some(), scopes: &self.scopes });
        }
        ControlFlow::Continue(())
    }
}

struct Mentions<'a> {
    column: &'a str,
}

impl Mentions<'_> {
    fn any<'i>(&self, mut idents: impl Iterator<Item = &'i Ident>) -> ControlFlow<()> {
        match idents.any(|ident| fold(ident) == self.column) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

impl Visitor for Mentions<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.any(std::iter::once(ident)),
            Expr::CompoundIdentifier(parts) => self.any(parts.iter()),
            _ => ControlFlow::Continue(()),
        }
    }

    /// The columns of `USING` are no expressions.
    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let joins = select.from.iter().flat_map(|from| &from.joins);
        self.any(joins.filter_map(using).flatten().flat_map(|name| &name.0).filter_map(|part| part.as_ident()))
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => {
                let names = table_with_joins.joins.iter().filter_map(using).flatten();
                self.any(names.flat_map(|name| &name.0).filter_map(|part| part.as_ident()))
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn using(join: &Join) -> Option<&Vec<ObjectName>> {
    match constraint(join)? {
        JoinConstraint::Using(columns) => Some(columns),
        _ => None,
    }
}

/// How a join's sides are matched.
pub(super) fn constraint(join: &Join) -> Option<&JoinConstraint> {
    use JoinOperator::*;
    match &join.join_operator {
        Join(constraint)
        | Inner(constraint)
        | Left(constraint)
        | LeftOuter(constraint)
        | Right(constraint)
        | RightOuter(constraint)
        | FullOuter(constraint)
        | CrossJoin(constraint)
        | Semi(constraint)
        | LeftSemi(constraint)
        | RightSemi(constraint)
        | Anti(constraint)
        | LeftAnti(constraint)
        | RightAnti(constraint)
        | StraightJoin(constraint)
        | AsOf { constraint, .. } => Some(constraint),
        CrossApply | OuterApply | ArrayJoin | LeftArrayJoin | InnerArrayJoin => None,
    }
}
