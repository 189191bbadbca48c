//! SELECT: what is asked of a FROM.

use super::super::ast::{Distinct, Expr, From, Group, Item, Join, Kind, Limit, Rel, Select, Type};
use super::relations::and;
use super::{Generator, Place, Source, ties, types};

const DIRECTIONS: [&str; 4] = ["ASC", "DESC", "DESC NULLS LAST", "ASC NULLS FIRST"];
/// What may follow the clock.
const CLOCK: [&str; 4] = [
    "({} > {now} - INTERVAL '30 minutes')",
    "({} <= {now})",
    "({} >= {now} - INTERVAL '1 hour' AND {} < {now})",
    "({now} < {} + INTERVAL '20 minutes')",
];
/// Where a condition with a subquery stands below the top, beside another: what is unknown may be told from what is false.
const BELOW: [&str; 8] = [
    "({} OR {})",
    "(NOT {} OR {})",
    "(NOT ({} OR {}))",
    "(NOT ({} AND {}))",
    "({} IS NULL OR {})",
    "({} IS NOT TRUE AND {})",
    "(CASE WHEN {} THEN {} ELSE TRUE END)",
    "coalesce({}, {})",
];

impl Generator<'_> {
    /// A query of these types, or of any. `outer` can be named in it.
    pub(super) fn select(&mut self, outer: &[Source], depth: u64, place: Place, wanted: Option<&[Type]>) -> Rel {
        let (from, joins, scope) = self.sources(depth);
        let filter = self.filter(&scope, outer);
        let parts = (from, joins, filter);
        let select = match self.dice.below(20) {
            0..=6 => self.project(parts, &scope, place, wanted),
            7..=13 => self.grouped(parts, &scope, place, wanted),
            14..=16 if wanted.is_none() => self.windowed(parts, &scope),
            17 if wanted.is_none() => self.distinct_on(parts, &scope),
            18 if wanted.is_none() => self.unnested(parts, &scope),
            _ => self.limited(parts, &scope, wanted),
        };
        Rel::Select(Box::new(select))
    }

    fn filter(&mut self, scope: &[Source], outer: &[Source]) -> Option<Expr> {
        let mut filter = None;
        if self.dice.percent(40) {
            filter = Some(self.condition(scope, 2));
        }
        if self.dice.percent(16) {
            let mut condition = self.subquery_condition(scope);
            if self.dice.one_in(3) {
                condition = Expr::call(Type::Bool, *self.dice.pick(&BELOW), vec![condition, self.condition(scope, 1)]);
            }
            filter = and(filter, Some(condition));
        }
        if types(scope).contains(&Type::Time) && self.dice.percent(4) {
            let template = *self.dice.pick(&CLOCK);
            let time = self.column(scope, Type::Time).expect("there is one");
            let times = vec![time; template.matches("{}").count()];
            filter = and(filter, Some(Expr::call(Type::Bool, template, times)));
        }
        match outer {
            [] => filter,
            outer => and(filter, self.equal(outer, &scope[0])),
        }
    }

    fn project(&mut self, parts: Parts, scope: &[Source], place: Place, wanted: Option<&[Type]>) -> Select {
        let items = self.expressions(scope, place, wanted);
        let distinct = match place == Place::Inner && self.dice.percent(35) {
            true => Distinct::All,
            false => Distinct::No,
        };
        Select { distinct, ..parts_of(parts, items) }
    }

    fn expressions(&mut self, scope: &[Source], place: Place, wanted: Option<&[Type]>) -> Vec<Item> {
        let wanted: Vec<_> = match wanted {
            Some(types) => types.to_vec(),
            None => (0..1 + self.dice.below(4)).map(|_| self.plain_type(scope, place)).collect(),
        };
        let items = wanted.into_iter().map(|ty| self.expr(scope, ty, 2)).collect();
        named(items)
    }

    fn grouped(&mut self, parts: Parts, scope: &[Source], place: Place, wanted: Option<&[Type]>) -> Select {
        let keys: Vec<_> = (0..self.dice.below(4).min(2)).filter_map(|_| self.key(scope)).collect();
        let mut items: Vec<Expr> = match wanted {
            Some(types) => types.iter().map(|ty| self.key_or_aggregate(scope, &keys, *ty)).collect(),
            None => {
                let all = keys.iter().enumerate().map(|(place, key)| Expr { kind: Kind::Key(place), ty: key.ty });
                let kept: Vec<_> = all.collect();
                let mut items: Vec<_> = kept.into_iter().filter(|_| !self.dice.one_in(8)).collect();
                items.extend((0..1 + self.dice.below(3)).map(|_| self.aggregate(scope, place)));
                items
            }
        };
        let having = self.dice.percent(20).then(|| {
            let aggregate = self.aggregate_of(scope, Type::Int);
            Expr::call(Type::Bool, *self.dice.pick(&["({} > 1)", "({} <= 3)", "({} IS NOT NULL)"]), vec![aggregate])
        });
        let group = self.grouping(keys);
        if wanted.is_none() {
            match &group {
                Group::By(keys) if !keys.is_empty() && self.dice.one_in(8) => {
                    let keys = (0..keys.len()).map(|place| Expr { kind: Kind::Key(place), ty: keys[place].ty }).collect();
                    let aggregate = self.aggregate_of(scope, Type::Int);
                    items.push(self.window_over_groups(aggregate, keys));
                }
                Group::Rollup(keys) | Group::Cube(keys) if self.dice.one_in(2) => {
                    let key = Expr { kind: Kind::Key(0), ty: keys[0].ty };
                    items.push(Expr::call(Type::Int, "CAST(grouping({}) AS BIGINT)", vec![key]));
                }
                _ => {}
            }
        }
        Select { group, having, ..parts_of(parts, named(items)) }
    }

    /// Something to group by: never a constant, which would be the number of a column.
    fn key(&mut self, scope: &[Source]) -> Option<Expr> {
        let ty = self.plain_type(scope, Place::Inner);
        match self.dice.one_in(4) {
            true => match self.expr(scope, ty, 1) {
                key if key.is_constant() => None,
                key => Some(key),
            },
            false => self.column(scope, ty),
        }
    }

    fn key_or_aggregate(&mut self, scope: &[Source], keys: &[Expr], ty: Type) -> Expr {
        match keys.iter().position(|key| key.ty == ty) {
            Some(place) if !self.dice.one_in(3) => Expr { kind: Kind::Key(place), ty },
            _ => self.aggregate_of(scope, ty),
        }
    }

    fn grouping(&mut self, keys: Vec<Expr>) -> Group {
        match (keys.len(), self.dice.below(12)) {
            (1.., 0) => Group::Rollup(keys),
            (1.., 1) => Group::Cube(keys),
            (2.., 2) => Group::Sets(keys, vec![vec![0, 1], vec![0], vec![]]),
            (2.., 3) => Group::Sets(keys, vec![vec![0], vec![1]]),
            _ => Group::By(keys),
        }
    }

    fn windowed(&mut self, parts: Parts, scope: &[Source]) -> Select {
        let mut items: Vec<_> = (0..1 + self.dice.below(2)).map(|_| self.any_column(scope)).collect();
        // Rows that are equal tell which of them is first in each window anew: there two windows have several right answers.
        let windows_max = if scope.iter().all(|source| source.id.is_some()) { 2 } else { 1 };
        items.extend((0..1 + self.dice.below(windows_max)).map(|_| self.window(scope)));
        parts_of(parts, named(items))
    }

    fn distinct_on(&mut self, parts: Parts, scope: &[Source]) -> Select {
        let keys: Vec<_> = (0..1 + self.dice.below(2)).map(|_| self.any_column(scope)).collect();
        let order = (0..self.dice.below(2)).map(|_| self.any_column(scope)).collect();
        let items = self.expressions(scope, Place::Inner, None);
        Select { distinct: Distinct::On { keys, order, ties: ties(scope) }, ..parts_of(parts, items) }
    }

    fn unnested(&mut self, parts: Parts, scope: &[Source]) -> Select {
        let array = match self.column(scope, Type::Ints) {
            Some(column) if self.dice.one_in(2) => column,
            _ => self.expr(scope, Type::Ints, 2),
        };
        let mut items = vec![self.any_column(scope)];
        items.push(Expr::call(Type::Int, "unnest({})", vec![array]));
        parts_of(parts, named(items))
    }

    fn limited(&mut self, parts: Parts, scope: &[Source], wanted: Option<&[Type]>) -> Select {
        let items = self.expressions(scope, Place::Inner, wanted);
        let order = (0..1 + self.dice.below(2)).map(|_| (self.dice.below(items.len() as u64) as usize, *self.dice.pick(&DIRECTIONS)));
        let order = order.collect();
        let count = (!self.dice.one_in(8)).then(|| self.dice.below(6));
        let offset = if self.dice.one_in(3) { self.dice.below(4) } else { 0 };
        Select { limit: Some(Limit { order, count, offset }), ..parts_of(parts, items) }
    }
}

type Parts = (From, Vec<Join>, Option<Expr>);

fn parts_of((from, joins, filter): Parts, items: Vec<Item>) -> Select {
    Select { distinct: Distinct::No, items, from, joins, filter, group: Group::None, having: None, limit: None }
}

pub(super) fn named(items: Vec<Expr>) -> Vec<Item> {
    items.into_iter().enumerate().map(|(place, expr)| Item { expr, name: format!("c{place}") }).collect()
}
