//! Aggregate functions.

use super::super::ast::{Expr, Type};
use super::{Generator, Place, Source, ties, types};

const SCALARS: [Type; 10] =
    [Type::Int, Type::Small, Type::Big, Type::Float, Type::Ratio, Type::Decimal, Type::Bool, Type::Text, Type::Time, Type::Date];

impl Generator<'_> {
    /// Any aggregate, of whatever type.
    pub(super) fn aggregate(&mut self, scope: &[Source], place: Place) -> Expr {
        if place == Place::Top && self.dice.percent(15) {
            return self.real_aggregate(scope);
        }
        let mut choices = vec![Type::Int, Type::Int, Type::Int, Type::Ratio, Type::Text, Type::Ints, Type::Bool];
        choices.extend(types(scope).into_iter().filter(|ty| SCALARS.contains(ty)));
        let ty = *self.dice.pick(&choices);
        self.aggregate_of(scope, ty)
    }

    /// An aggregate of this type.
    pub(super) fn aggregate_of(&mut self, scope: &[Source], ty: Type) -> Expr {
        if SCALARS.contains(&ty) && self.dice.percent(45) {
            return self.any_aggregate(scope, ty);
        }
        let (template, of): (&str, Type) = match ty {
            Type::Int => return self.int_aggregate(scope),
            Type::Ratio => *self.dice.pick(&[
                ("avg({})", Type::Float),
                ("avg(DISTINCT {})", Type::Float),
                ("median({})", Type::Float),
                ("percentile_cont({}, 0.25)", Type::Float),
            ]),
            Type::Float => *self.dice.pick(&[("sum({})", Type::Float), ("sum(DISTINCT {})", Type::Float)]),
            Type::Decimal => match self.dice.below(3) {
                0 => *self.dice.pick(&[("sum({})", Type::Int), ("sum(DISTINCT {})", Type::Int), ("sum({})", Type::Big)]),
                1 => *self.dice.pick(&[
                    ("avg({})", Type::Int),
                    ("avg({})", Type::Small),
                    ("avg({})", Type::Big),
                    ("avg(DISTINCT {})", Type::Int),
                ]),
                _ => *self.dice.pick(&[("sum({})", Type::Decimal), ("avg({})", Type::Decimal)]),
            },
            Type::Bool => *self.dice.pick(&[("bool_and({})", Type::Bool), ("bool_or({})", Type::Bool)]),
            Type::Text => return self.ordered_aggregate(scope, ty, "string_agg({}, ',' ORDER BY {ties})", Type::Text),
            Type::Ints => match self.dice.one_in(3) {
                true => {
                    let arg = self.expr(scope, Type::Int, 1);
                    let twice = vec![arg.clone(), arg];
                    return self.filtered(scope, Expr::call(ty, "array_agg(DISTINCT {} ORDER BY {})", twice));
                }
                false => return self.ordered_aggregate(scope, ty, "array_agg({} ORDER BY {ties})", Type::Int),
            },
            Type::Small | Type::Big | Type::Time | Type::Date | Type::Real => ("max({})", ty),
        };
        let arg = self.expr(scope, of, 1);
        self.filtered(scope, Expr::call(ty, template, vec![arg]))
    }

    /// One that takes and gives the same type.
    fn any_aggregate(&mut self, scope: &[Source], ty: Type) -> Expr {
        let template = match self.dice.below(8) {
            0 => return self.one_of_many(scope, ty, "first_value({} ORDER BY {ties}"),
            1 => return self.one_of_many(scope, ty, "last_value({} ORDER BY {ties}"),
            2 => return self.one_of_many(scope, ty, "nth_value({}, 2 ORDER BY {ties}"),
            3..=5 => "max({})",
            _ => "min({})",
        };
        let arg = self.expr(scope, ty, 1);
        self.filtered(scope, Expr::call(ty, template, vec![arg]))
    }

    /// In the order of the ties alone: DataFusion panics where a group's key is in the order of a first or last value.
    fn one_of_many(&mut self, scope: &[Source], ty: Type, template: &str) -> Expr {
        let arg = self.expr(scope, ty, 1);
        let direction = self.dice.pick(&["", " DESC"]);
        self.filtered(scope, Expr::ordered(ty, format!("{template}{direction})"), vec![arg], ties(scope)))
    }

    fn int_aggregate(&mut self, scope: &[Source]) -> Expr {
        let template = *self.dice.pick(&[
            "count(*)",
            "count(*)",
            "count({any})",
            "count({any})",
            "count(DISTINCT {any})",
            "count(DISTINCT {any})",
            "CAST(sum({}) AS BIGINT)",
            "CAST(sum({}) AS BIGINT)",
            "CAST(sum({}) AS BIGINT)",
            "CAST(sum(DISTINCT {}) AS BIGINT)",
            "bit_and({})",
            "bit_or({})",
            "bit_xor({})",
            "median({})",
            "CAST(approx_distinct({any}) AS BIGINT)",
        ]);
        let arg = match template {
            _ if template.contains("{any}") => self.any_column(scope),
            // Their sum is of 64 bits, and that of the others numeric.
            "CAST(sum({}) AS BIGINT)" if types(scope).contains(&Type::Small) && self.dice.one_in(3) => self.expr(scope, Type::Small, 1),
            _ => self.expr(scope, Type::Int, 1),
        };
        let template = template.replace("{any}", "{}");
        let args = if template.contains("{}") { vec![arg] } else { vec![] };
        self.filtered(scope, Expr::call(Type::Int, template, args))
    }

    /// What ends in digits that depend on how it is computed.
    fn real_aggregate(&mut self, scope: &[Source]) -> Expr {
        let template = *self.dice.pick(&[
            "stddev({})",
            "stddev_pop({})",
            "var_samp({})",
            "var_pop({})",
            "corr({}, {})",
            "covar_samp({}, {})",
            "covar_pop({}, {})",
            "regr_slope({}, {})",
            "regr_count({}, {})",
            "sum({} / 3)",
        ]);
        let args = (0..template.matches("{}").count()).map(|_| {
            let ty = *self.dice.pick(&[Type::Float, Type::Int]);
            Expr::call(Type::Float, "CAST({} AS DOUBLE)", vec![self.expr(scope, ty, 1)])
        });
        let args = args.collect();
        self.filtered(scope, Expr::call(Type::Real, template, args))
    }

    fn ordered_aggregate(&mut self, scope: &[Source], ty: Type, template: &str, of: Type) -> Expr {
        let mut template = template.to_string();
        let mut args = vec![self.expr(scope, of, 1)];
        let order = self.any_column(scope);
        // DataFusion panics where an order names a column twice.
        if self.dice.one_in(2) && !ties(scope).contains(&order) {
            let direction = self.dice.pick(&["", " DESC", " DESC NULLS LAST", " NULLS FIRST"]);
            template = template.replace("{ties}", &format!("{{}}{direction}, {{ties}}"));
            args.push(order);
        }
        self.filtered(scope, Expr::ordered(ty, template, args, ties(scope)))
    }

    fn filtered(&mut self, scope: &[Source], mut aggregate: Expr) -> Expr {
        use super::super::ast::Kind;
        if !self.dice.percent(20) {
            return aggregate;
        }
        let condition = self.condition(scope, 1);
        let Kind::Call { template, args, .. } = &mut aggregate.kind else { unreachable!("an aggregate is a call") };
        match template.strip_prefix("CAST(").and_then(|rest| rest.strip_suffix(" AS BIGINT)")) {
            Some(inside) => *template = format!("CAST({inside} FILTER (WHERE {{}}) AS BIGINT)"),
            None => template.push_str(" FILTER (WHERE {})"),
        }
        args.push(condition);
        aggregate
    }
}
