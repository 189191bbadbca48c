//! Random queries, by seed.

mod aggregates;
mod closing;
mod expressions;
mod relations;
mod selects;
mod windows;

use super::ast::{Column, Expr, Query, Rel, Type};
use super::dice::Dice;
use super::tables::TABLES;

/// A random query.
pub fn query(dice: &mut Dice) -> Query {
    let mut generator = Generator { dice, ctes: vec![], aliases: 0 };
    let mut ctes = vec![];
    for number in 0..[0, 0, 0, 1, 1, 2][generator.dice.below(6) as usize] {
        let name = format!("w{number}");
        let rel = generator.select(&[], 1, Place::Inner, None);
        generator.ctes.push((name.clone(), rel.columns()));
        ctes.push((name, rel));
    }
    let depth = [1, 1, 2][generator.dice.below(3) as usize];
    let body = generator.rel(depth, Place::Top);
    Query { ctes, body }
}

/// A random query that can wait for its windows to close.
pub fn closing_query(dice: &mut Dice) -> Query {
    let body = Generator { dice, ctes: vec![], aliases: 0 }.closing();
    Query { ctes: vec![], body }
}

struct Generator<'a> {
    dice: &'a mut Dice,
    ctes: Vec<(String, Vec<Column>)>,
    aliases: usize,
}

/// Where a query stands: only what nobody reads on may have last digits that nobody promises.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Top,
    Inner,
}

/// What stands in a FROM.
#[derive(Debug, Clone)]
struct Source {
    alias: String,
    columns: Vec<Column>,
    /// The columns by which its rows are told apart, if not all.
    id: Option<usize>,
}

impl Source {
    fn expr(&self, column: usize) -> Expr {
        Expr::column(&self.alias, &self.columns[column])
    }

    /// What breaks all ties but those of equal rows.
    fn ties(&self) -> Vec<Expr> {
        match self.id {
            Some(id) => vec![self.expr(id)],
            None => (0..self.columns.len()).map(|column| self.expr(column)).collect(),
        }
    }
}

fn ties(scope: &[Source]) -> Vec<Expr> {
    scope.iter().flat_map(Source::ties).collect()
}

/// The types of which there are columns.
fn types(scope: &[Source]) -> Vec<Type> {
    let mut types = vec![];
    for column in scope.iter().flat_map(|source| &source.columns) {
        if !types.contains(&column.ty) {
            types.push(column.ty);
        }
    }
    types
}

impl Generator<'_> {
    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("q{}", self.aliases)
    }

    /// A column of this type, if there is one.
    fn column(&mut self, scope: &[Source], ty: Type) -> Option<Expr> {
        let all = scope.iter().flat_map(|source| source.columns.iter().map(|column| Expr::column(&source.alias, column)));
        let fitting: Vec<_> = all.filter(|expr| expr.ty == ty).collect();
        match fitting.is_empty() {
            true => None,
            false => Some(self.dice.pick(&fitting).clone()),
        }
    }

    fn any_column(&mut self, scope: &[Source]) -> Expr {
        let source = self.dice.pick(scope).clone();
        let column = self.dice.below(source.columns.len() as u64) as usize;
        source.expr(column)
    }

    fn source(&mut self, rel: &Rel) -> Source {
        let id = match rel {
            Rel::Table(table) if TABLES[*table].has_id => Some(0),
            // Of a row that is in several windows at once the id says nothing.
            Rel::Windows { template, .. } if template.starts_with("tumble") => Some(0),
            _ => None,
        };
        Source { alias: self.alias(), columns: rel.columns(), id }
    }
}
