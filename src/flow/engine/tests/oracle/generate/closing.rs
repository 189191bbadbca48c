//! Queries whose windows close: grouped by a window of one stream, or of two that are joined within bounds.

use super::super::ast::{Distinct, Expr, From, Group, Item, Join, Kind, Rel, Select, Type};
use super::relations::{WINDOWS, and, plain};
use super::selects::named;
use super::{Generator, Source};

/// Windows of a time.
const BINS: [&str; 3] = [
    "date_bin(INTERVAL '10 minutes', {})",
    "date_trunc('hour', {})",
    "date_bin(INTERVAL '1 hour', {}, TIMESTAMPTZ '1970-01-01 00:10:00Z')",
];
/// How far apart the times of two streams may be.
const NEAR: [&str; 3] = [
    "({} BETWEEN {} AND {} + INTERVAL '5 minutes')",
    "({} BETWEEN {} - INTERVAL '90 seconds' AND {} + INTERVAL '12 minutes')",
    "({} = {})",
];

impl Generator<'_> {
    pub(super) fn closing(&mut self) -> Rel {
        let (from, joins, scope, window) = if self.dice.one_in(2) { self.by_functions() } else { self.by_times() };
        let filter = self.dice.percent(40).then(|| self.condition(&scope, 2));
        let mut keys = vec![window];
        if self.dice.one_in(2) {
            let ty = *self.dice.pick(&[Type::Int, Type::Text]);
            keys.extend(self.column(&scope, ty));
        }
        let mut items: Vec<_> = (0..keys.len()).map(|place| Expr { kind: Kind::Key(place), ty: keys[place].ty }).collect();
        items.extend((0..1 + self.dice.below(3)).map(|_| self.aggregate(&scope, super::Place::Inner)));
        let having = self.dice.one_in(6).then(|| Expr::call(Type::Bool, "({} > 1)", vec![self.aggregate_of(&scope, Type::Int)]));
        let group = Group::By(keys);
        let windows = Select { joins, filter, group, having, ..plain(from, named(items)) };
        match self.dice.below(4) {
            0 => self.above(windows),
            _ => Rel::Select(Box::new(windows)),
        }
    }

    /// Streams by the same windows, and a bound of them.
    fn by_functions(&mut self) -> (From, Vec<Join>, Vec<Source>, Expr) {
        let template = *self.dice.pick(&WINDOWS);
        let bound = if self.dice.one_in(2) { "window_start" } else { "window_end" };
        let (from, joins, scope) = self.streams(
            |table| Rel::Windows { table, template },
            |_, here, there| Expr::call(Type::Bool, "({} = {})", vec![there.named(bound), here.named(bound)]),
        );
        let window = self.dice.pick(&scope).named(bound);
        (from, joins, scope, window)
    }

    /// Streams as they are, and windows of the time of one.
    fn by_times(&mut self) -> (From, Vec<Join>, Vec<Source>, Expr) {
        let (from, joins, scope) = self.streams(Rel::Table, |generator, here, there| {
            let template = *generator.dice.pick(&NEAR);
            let times = [there, here, here].into_iter().take(template.matches("{}").count()).map(|stream| stream.named("t"));
            Expr::call(Type::Bool, template, times.collect())
        });
        let time = self.dice.pick(&scope).named("t");
        let window = Expr::call(Type::Time, *self.dice.pick(&BINS), vec![time]);
        (from, joins, scope, window)
    }

    /// One stream, or two that meet.
    fn streams(
        &mut self,
        stream: impl Fn(usize) -> Rel,
        meet: impl Fn(&mut Self, &Source, &Source) -> Expr,
    ) -> (From, Vec<Join>, Vec<Source>) {
        let first = self.dice.below(2) as usize;
        let rels = [stream(first), stream(if self.dice.one_in(3) { first } else { 1 - first })];
        let [here, there] = [0, 1].map(|place: usize| self.source(&rels[place]));
        let [from, other] = rels;
        let from = From { rel: from, alias: here.alias.clone() };
        if !self.dice.one_in(3) {
            return (from, vec![], vec![here]);
        }
        let equal = self.equal(std::slice::from_ref(&here), &there);
        let on = and(equal, Some(meet(self, &here, &there)));
        let join = Join { kind: "JOIN", from: From { rel: other, alias: there.alias.clone() }, on };
        (from, vec![join], vec![here, there])
    }

    /// A query of windows that are closed, each by itself.
    fn above(&mut self, windows: Select) -> Rel {
        let rel = Rel::Select(Box::new(windows));
        let source = self.source(&rel);
        let window = source.expr(0);
        let from = From { rel, alias: source.alias.clone() };
        let scope = [source];
        if self.dice.one_in(2) {
            let ranked = Expr::ordered(
                Type::Int,
                "CAST(row_number() OVER (PARTITION BY {} ORDER BY {ties}) AS BIGINT)",
                vec![window.clone()],
                super::ties(&scope),
            );
            return Rel::Select(Box::new(plain(from, named(vec![window, ranked]))));
        }
        let items: Vec<Item> = named(vec![Expr { kind: Kind::Key(0), ty: Type::Time }, self.aggregate(&scope, super::Place::Inner)]);
        Rel::Select(Box::new(Select { group: Group::By(vec![window]), distinct: Distinct::No, ..plain(from, items) }))
    }
}

impl Source {
    fn named(&self, name: &str) -> Expr {
        let place = self.columns.iter().position(|column| column.name == name).expect("streams have times and their windows bounds");
        self.expr(place)
    }
}
