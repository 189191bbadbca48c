//! Window functions.

use super::super::ast::{Expr, Type};
use super::{Generator, Source, ties};

const FRAMES: [&str; 7] = [
    " ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    " ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING",
    " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW",
    " ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    " ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING",
    " ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING",
    "",
];
const RANGES: [&str; 3] = [
    " RANGE BETWEEN 2 PRECEDING AND CURRENT ROW",
    " RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW",
    " GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW",
];
const DIRECTIONS: [&str; 4] = ["", " DESC", " DESC NULLS LAST", " NULLS FIRST"];

impl Generator<'_> {
    pub(super) fn window(&mut self, scope: &[Source]) -> Expr {
        match self.dice.below(8) {
            0 => self.peers(scope),
            1 => self.range(scope),
            2 => self.unordered(scope),
            _ => self.row_by_row(scope),
        }
    }

    /// `PARTITION BY` of up to two expressions.
    fn partition(&mut self, scope: &[Source]) -> (String, Vec<Expr>) {
        let count = [0, 1, 1, 1, 2][self.dice.below(5) as usize];
        let args: Vec<_> = (0..count).map(|_| self.any_column(scope)).collect();
        match args.is_empty() {
            true => (String::new(), args),
            false => (format!("PARTITION BY {}", vec!["{}"; args.len()].join(", ")), args),
        }
    }

    /// Where rows of one place in the order are given one answer.
    fn peers(&mut self, scope: &[Source]) -> Expr {
        let (function, ty) = *self.dice.pick(&[
            ("rank()", Type::Int),
            ("dense_rank()", Type::Int),
            ("percent_rank()", Type::Ratio),
            ("cume_dist()", Type::Ratio),
            ("count(*)", Type::Int),
        ]);
        let (partition, mut args) = self.partition(scope);
        args.push(self.any_column(scope));
        let direction = self.dice.pick(&DIRECTIONS);
        let call = format!("{function} OVER ({partition} ORDER BY {{}}{direction})");
        Expr::call(ty, cast(&call, function), args)
    }

    fn range(&mut self, scope: &[Source]) -> Expr {
        let value = self.expr(scope, Type::Int, 1);
        let order = self.expr(scope, Type::Int, 0);
        let (partition, partition_args) = self.partition(scope);
        let frame = self.dice.pick(&RANGES);
        let function = *self.dice.pick(&["sum({})", "count({})", "min({})", "max({})"]);
        let args = [value].into_iter().chain(partition_args).chain([order]).collect();
        let call = format!("{function} OVER ({partition} ORDER BY {{}}{frame})");
        Expr::call(Type::Int, cast(&call, function), args)
    }

    fn unordered(&mut self, scope: &[Source]) -> Expr {
        let aggregate = *self.dice.pick(&["sum({})", "count({})", "min({})", "max({})"]);
        let value = self.expr(scope, Type::Int, 1);
        let (partition, partition_args) = self.partition(scope);
        let call = format!("{aggregate} OVER ({partition})");
        Expr::call(Type::Int, cast(&call, aggregate), [value].into_iter().chain(partition_args).collect())
    }

    /// Where each row has its own answer, so that no two may tie.
    fn row_by_row(&mut self, scope: &[Source]) -> Expr {
        let (function, ty) = *self.dice.pick(&[
            ("row_number()", Type::Int),
            ("row_number()", Type::Int),
            ("ntile(3)", Type::Int),
            ("lag({})", Type::Int),
            ("lead({}, 2)", Type::Text),
            ("lag({}, 1)", Type::Time),
            ("first_value({})", Type::Text),
            ("last_value({})", Type::Int),
            ("nth_value({}, 2)", Type::Int),
            ("sum({})", Type::Int),
            ("sum({})", Type::Float),
            ("count({})", Type::Int),
            ("min({})", Type::Int),
            ("max({})", Type::Time),
        ]);
        let mut args = match function.contains("{}") {
            true => vec![self.expr(scope, ty, 1)],
            false => vec![],
        };
        let ty = if function.starts_with("count") { Type::Int } else { ty };
        let framed = ["first", "last", "nth", "sum", "count", "min", "max"].iter().any(|start| function.starts_with(start));
        let frame = if framed { *self.dice.pick(&FRAMES) } else { "" };
        let (partition, partition_args) = self.partition(scope);
        args.extend(partition_args);
        let mut order = String::new();
        for _ in 0..self.dice.below(2) {
            args.push(self.any_column(scope));
            order += &format!("{{}}{}, ", self.dice.pick(&DIRECTIONS));
        }
        let call = format!("{function} OVER ({partition} ORDER BY {order}{{ties}}{frame})");
        let call = if ty == Type::Int { cast(&call, function) } else { call };
        Expr::ordered(ty, call, args, ties(scope))
    }

    /// A row number over the groups of a query.
    pub(super) fn window_over_groups(&mut self, aggregate: Expr, keys: Vec<Expr>) -> Expr {
        let direction = self.dice.pick(&DIRECTIONS);
        let call = format!("row_number() OVER (ORDER BY {{}}{direction}, {{ties}})");
        Expr::ordered(Type::Int, cast(&call, "row_number()"), vec![aggregate], keys)
    }
}

/// Ranks are unsigned in DataFusion, and sums numeric.
fn cast(call: &str, function: &str) -> String {
    match ["row_number", "rank", "dense_rank", "ntile", "sum"].iter().any(|other| function.starts_with(other)) {
        true => format!("CAST({call} AS BIGINT)"),
        false => call.to_string(),
    }
}
