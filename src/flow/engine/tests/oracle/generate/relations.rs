//! What stands in a FROM: tables, subqueries, sets of rows.

use super::super::ast::{Distinct, Expr, From, Group, Item, Join, Rel, Select, Type};
use super::super::tables::TABLES;
use super::{Generator, Place, Source, types};

const SET_TYPES: [Type; 7] = [Type::Int, Type::Text, Type::Bool, Type::Float, Type::Time, Type::Decimal, Type::Date];
const SET_OPS: [&str; 6] = ["UNION ALL", "UNION ALL", "UNION", "INTERSECT", "EXCEPT", "EXCEPT"];
const JOIN_KINDS: [&str; 9] =
    ["JOIN", "JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN"];

/// Windows of the tables that have ids and times.
pub(super) const WINDOWS: [&str; 4] = [
    "tumble({}, t, INTERVAL '7 minutes')",
    "tumble({}, t, INTERVAL '1 hour', INTERVAL '10 minutes')",
    "hop({}, t, INTERVAL '4 minutes', INTERVAL '10 minutes')",
    "hop({}, t, INTERVAL '20 minutes', INTERVAL '5 minutes')",
];

impl Generator<'_> {
    pub(super) fn rel(&mut self, depth: u64, place: Place) -> Rel {
        match self.dice.below(10) {
            0 | 1 if depth > 0 => self.set(depth),
            _ => self.select(&[], depth, place, None),
        }
    }

    fn set(&mut self, depth: u64) -> Rel {
        let count = 1 + self.dice.below(3);
        let types: Vec<_> = (0..count).map(|_| *self.dice.pick(&SET_TYPES)).collect();
        let left = self.select(&[], depth - 1, Place::Inner, Some(&types));
        let right = self.select(&[], depth - 1, Place::Inner, Some(&types));
        Rel::Set { op: self.dice.pick::<&str>(&SET_OPS), left: Box::new(left), right: Box::new(right) }
    }

    /// What can stand alone: a table, a CTE, a few values.
    pub(super) fn leaf(&mut self) -> Rel {
        if !self.ctes.is_empty() && self.dice.percent(50) {
            let (name, columns) = self.dice.pick(&self.ctes).clone();
            return Rel::Cte { name, columns };
        }
        match self.dice.below(16) {
            0 if self.dice.one_in(3) => Rel::Recursive { table: self.dice.below(2) as usize },
            0 => Rel::Values { rows: (0..1 + self.dice.below(3)).map(|row| (row as i64, ["ant", "bee"][row as usize % 2])).collect() },
            1 => Rel::Windows { table: self.dice.below(2) as usize, template: self.dice.pick::<&str>(&WINDOWS) },
            2..=7 => Rel::Table(0),
            8..=12 => Rel::Table(1),
            _ => Rel::Table(TABLES.len() - 1),
        }
    }

    fn from(&mut self, depth: u64) -> (From, Source) {
        let rel = match depth > 0 && self.dice.percent(45) {
            true => self.rel(depth - 1, Place::Inner),
            false => self.leaf(),
        };
        let source = self.source(&rel);
        (From { rel, alias: source.alias.clone() }, source)
    }

    /// A FROM with its joins, and what can be named after it.
    pub(super) fn sources(&mut self, depth: u64) -> (From, Vec<Join>, Vec<Source>) {
        let (first, source) = self.from(depth);
        let mut scope = vec![source];
        let mut joins = vec![];
        for _ in 0..[0, 0, 0, 1, 1, 1, 2][self.dice.below(7) as usize] {
            let (from, source) = self.from(depth.saturating_sub(1));
            let join = self.join(&scope, from, &source);
            if !join.kind.contains("SEMI") && !join.kind.contains("ANTI") {
                scope.push(source);
            }
            joins.push(join);
        }
        (first, joins, scope)
    }

    fn join(&mut self, scope: &[Source], from: From, source: &Source) -> Join {
        if self.dice.one_in(16) {
            return Join { kind: "CROSS JOIN", from, on: None };
        }
        let kind = *self.dice.pick(&JOIN_KINDS);
        let both: Vec<_> = scope.iter().chain([source]).cloned().collect();
        let mut on = None;
        let pairs = 1 + self.dice.below(5) / 4;
        if self.dice.percent(85) {
            for _ in 0..pairs {
                on = and(on, self.equal(scope, source));
            }
        }
        if on.is_none() || self.dice.percent(30) {
            let condition = self.condition(&both, 1);
            on = and(on, Some(condition));
        }
        Join { kind, from, on }
    }

    /// A column here equals a column there.
    pub(super) fn equal(&mut self, here: &[Source], there: &Source) -> Option<Expr> {
        let there = std::slice::from_ref(there);
        let template = if self.dice.one_in(8) { "({} IS NOT DISTINCT FROM {})" } else { "({} = {})" };
        if types(there).contains(&Type::Small) && self.dice.one_in(4) {
            let sides = vec![self.column(here, Type::Int)?, self.column(there, Type::Small)?];
            return Some(Expr::call(Type::Bool, template, sides));
        }
        let shared: Vec<_> = types(here).into_iter().filter(|ty| types(there).contains(ty)).collect();
        let shared: Vec<_> = shared.into_iter().filter(|ty| !matches!(ty, Type::Ints | Type::Real)).collect();
        if shared.is_empty() {
            return None;
        }
        // Integers meet most often.
        let ty = match shared.contains(&Type::Int) && self.dice.percent(60) {
            true => Type::Int,
            false => *self.dice.pick(&shared),
        };
        let sides = match self.dice.one_in(6) {
            true => [self.expr(here, ty, 1), self.expr(there, ty, 1)],
            false => [self.column(here, ty)?, self.column(there, ty)?],
        };
        Some(Expr::call(Type::Bool, template, sides.into()))
    }
}

pub(super) fn and(left: Option<Expr>, right: Option<Expr>) -> Option<Expr> {
    match (left, right) {
        (Some(left), Some(right)) => Some(Expr::call(Type::Bool, "({} AND {})", vec![left, right])),
        (left, right) => left.or(right),
    }
}

/// A query that only chooses rows and columns.
pub(super) fn plain(from: From, items: Vec<Item>) -> Select {
    Select { distinct: Distinct::No, items, from, joins: vec![], filter: None, group: Group::None, having: None, limit: None }
}
