//! Expressions of a type over a scope.

use super::super::ast::{Expr, From, Group, Item, Rel, Select, Type};
use super::relations::{and, plain};
use super::{Generator, Place, Source, types};

const NUMBERS: [&str; 5] = ["0", "1", "2", "3", "-4"];
const TEXTS: [&str; 4] = ["'ant'", "'bee'", "''", "'B%'"];
const STEPS: [&str; 3] = ["5 minutes", "20 minutes", "1 hour"];

impl Generator<'_> {
    /// An expression. Constants are only where there is nothing else, or below something.
    pub(super) fn expr(&mut self, scope: &[Source], ty: Type, depth: u64) -> Expr {
        if depth == 0 || self.dice.percent(50) {
            let column = self.column(scope, ty);
            return column.unwrap_or_else(|| self.constant(ty));
        }
        match self.dice.below(8) {
            0 => return self.same(scope, ty, depth, "coalesce({}, {})"),
            1 => {
                let when = self.condition(scope, depth - 1);
                let (then, other) = (self.expr(scope, ty, depth - 1), self.expr(scope, ty, depth - 1));
                return Expr::call(ty, "(CASE WHEN {} THEN {} ELSE {} END)", vec![when, then, other]);
            }
            2 if depth > 1 && !matches!(ty, Type::Real) && self.dice.percent(50) => return self.scalar_subquery(scope, ty),
            _ => {}
        }
        self.by_type(scope, ty, depth)
    }

    fn by_type(&mut self, scope: &[Source], ty: Type, depth: u64) -> Expr {
        let (template, of): (String, &[Type]) = match ty {
            Type::Int => self.int(),
            Type::Float => self.choose(&[
                ("({} + CAST(0.25 AS DOUBLE))", &[Type::Float]),
                ("({} * 2)", &[Type::Float]),
                ("abs({})", &[Type::Float]),
                ("CAST({} AS DOUBLE)", &[Type::Int]),
            ]),
            Type::Ratio => ("({} / 3)".to_string(), &[Type::Float]),
            Type::Decimal => self.choose(&[("({} + 1.25)", &[Type::Decimal]), ("CAST({} AS DECIMAL(20, 2))", &[Type::Int])]),
            Type::Text => self.choose(&[
                ("upper({})", &[Type::Text]),
                ("({} || 'x')", &[Type::Text]),
                ("({} || {})", &[Type::Text, Type::Text]),
                ("substr({}, 2)", &[Type::Text]),
                ("CAST({} AS VARCHAR)", &[Type::Int]),
                ("concat({}, {})", &[Type::Text, Type::Text]),
                ("nullif({}, 'ant')", &[Type::Text]),
            ]),
            Type::Time => {
                let step = self.dice.pick(&STEPS);
                match self.dice.below(3) {
                    0 => ("({} + INTERVAL '7 minutes')".to_string(), &[Type::Time]),
                    1 => ("date_trunc('hour', {})".to_string(), &[Type::Time]),
                    _ => (format!("date_bin(INTERVAL '{step}', {{}})"), &[Type::Time]),
                }
            }
            Type::Date => self.choose(&[("CAST({} AS DATE)", &[Type::Time])]),
            Type::Ints => self.choose(&[("[{}, {}]", &[Type::Int, Type::Int]), ("array_append({}, {})", &[Type::Ints, Type::Int])]),
            Type::Bool => return self.condition(scope, depth),
            Type::Big => self.choose(&[("nullif({}, 0)", &[Type::Big])]),
            Type::Small => self.choose(&[("abs({})", &[Type::Small]), ("CAST({} AS INTEGER)", &[Type::Int])]),
            Type::Real => return self.column(scope, ty).unwrap_or_else(|| Expr::null(ty)),
        };
        let args = of.iter().map(|ty| self.expr(scope, *ty, depth - 1)).collect();
        Expr::call(ty, template, args)
    }

    fn int(&mut self) -> (String, &'static [Type]) {
        self.choose(&[
            ("({} + {})", &[Type::Int, Type::Int]),
            ("({} - {})", &[Type::Int, Type::Int]),
            ("({} * 2)", &[Type::Int]),
            ("abs({})", &[Type::Int]),
            ("({} % 5)", &[Type::Int]),
            ("(({} % 1000) * ({} % 1000) % 1000)", &[Type::Int, Type::Int]),
            ("nullif({}, 2)", &[Type::Int]),
            ("greatest({}, {})", &[Type::Int, Type::Int]),
            ("CAST(length({}) AS BIGINT)", &[Type::Text]),
            ("CAST(date_part('minute', {}) AS BIGINT)", &[Type::Time]),
            ("{}[1]", &[Type::Ints]),
            ("CAST(cardinality({}) AS BIGINT)", &[Type::Ints]),
            ("CAST({} AS BIGINT)", &[Type::Bool]),
            ("CAST({} AS BIGINT)", &[Type::Small]),
            ("({} + {})", &[Type::Small, Type::Int]),
        ])
    }

    fn choose(&mut self, templates: &[(&str, &'static [Type])]) -> (String, &'static [Type]) {
        let (template, of) = self.dice.pick(templates);
        (template.to_string(), of)
    }

    fn same(&mut self, scope: &[Source], ty: Type, depth: u64, template: &str) -> Expr {
        let args = vec![self.expr(scope, ty, depth - 1), self.expr(scope, ty, depth - 1)];
        Expr::call(ty, template, args)
    }

    fn constant(&mut self, ty: Type) -> Expr {
        let text = match ty {
            _ if self.dice.one_in(6) => return Expr::null(ty),
            Type::Int => self.dice.pick(&NUMBERS).to_string(),
            Type::Big => "9223372036854775806".to_string(),
            Type::Small => "CAST(2 AS INTEGER)".to_string(),
            Type::Float | Type::Ratio | Type::Real => "CAST(0.5 AS DOUBLE)".to_string(),
            Type::Decimal => "CAST(2.5 AS DECIMAL(10, 2))".to_string(),
            Type::Bool => self.dice.pick(&["TRUE", "FALSE"]).to_string(),
            Type::Text => self.dice.pick(&TEXTS).to_string(),
            Type::Time => "arrow_cast('1970-01-01T00:30:00', 'Timestamp(Microsecond, Some(\"UTC\"))')".to_string(),
            Type::Date => "DATE '1970-01-02'".to_string(),
            Type::Ints => "[1, 2]".to_string(),
        };
        Expr::call(ty, text, vec![])
    }

    /// Something that is true, false or null.
    pub(super) fn condition(&mut self, scope: &[Source], depth: u64) -> Expr {
        match self.dice.below(12) {
            0 if depth > 0 => {
                let args = vec![self.condition(scope, depth - 1), self.condition(scope, depth - 1)];
                let template = *self.dice.pick(&["({} AND {})", "({} OR {})", "({} OR {})"]);
                Expr::call(Type::Bool, template, args)
            }
            1 if depth > 0 => {
                let condition = self.condition(scope, depth - 1);
                Expr::call(Type::Bool, *self.dice.pick(&["(NOT {})", "({} IS TRUE)", "({} IS NOT FALSE)"]), vec![condition])
            }
            2 => {
                let any = self.any_column(scope);
                Expr::call(Type::Bool, *self.dice.pick(&["({} IS NULL)", "({} IS NOT NULL)"]), vec![any])
            }
            3 => {
                let int = self.expr(scope, Type::Int, depth.min(1));
                Expr::call(
                    Type::Bool,
                    *self.dice.pick(&["({} IN (1, 2, 3))", "({} NOT IN (0, 1, NULL))", "({} BETWEEN 0 AND 2)", "({} IN (2, NULL))"]),
                    vec![int],
                )
            }
            4 if types(scope).contains(&Type::Text) => {
                let text = self.expr(scope, Type::Text, depth.min(1));
                Expr::call(Type::Bool, *self.dice.pick(&["({} LIKE 'a%')", "({} NOT LIKE '%e')", "({} ILIKE 'A_T')"]), vec![text])
            }
            5 if types(scope).contains(&Type::Bool) => self.column(scope, Type::Bool).expect("there is one"),
            6 if types(scope).contains(&Type::Time) => {
                let time = self.expr(scope, Type::Time, depth.min(1));
                Expr::call(Type::Bool, *self.dice.pick(&["({} > TIMESTAMP '1970-01-01 00:40:00')"]), vec![time])
            }
            _ => self.comparison(scope, depth),
        }
    }

    fn comparison(&mut self, scope: &[Source], depth: u64) -> Expr {
        let types: Vec<_> = types(scope).into_iter().filter(|ty| !matches!(ty, Type::Ints | Type::Real)).collect();
        let ty = if types.is_empty() { Type::Int } else { *self.dice.pick(&types) };
        let left = self.expr(scope, ty, depth.min(1));
        let right = match self.dice.percent(50) {
            true => self.constant(ty),
            false => self.expr(scope, ty, depth.min(1)),
        };
        let template =
            *self.dice.pick(&["({} = {})", "({} <> {})", "({} < {})", "({} <= {})", "({} > {})", "({} >= {})", "({} IS DISTINCT FROM {})"]);
        Expr::call(Type::Bool, template, vec![left, right])
    }

    /// A condition on another relation's rows.
    pub(super) fn subquery_condition(&mut self, scope: &[Source]) -> Expr {
        let rel = self.leaf();
        let source = self.source(&rel);
        let inner = [source.clone()];
        let mut filter = None;
        if self.dice.percent(65) {
            filter = self.equal(scope, &source);
        }
        if self.dice.percent(30) {
            filter = and(filter, Some(self.condition(&inner, 1)));
        }
        let from = From { rel, alias: source.alias.clone() };
        let comparable: Vec<_> = types(&inner).into_iter().filter(|ty| !matches!(ty, Type::Ints | Type::Real | Type::Ratio)).collect();
        if self.dice.percent(50) || comparable.is_empty() {
            if self.dice.one_in(4) {
                let both: Vec<_> = scope.iter().chain(&inner).cloned().collect();
                filter = and(filter, Some(self.comparison(&both, 0)));
            }
            let one = Item { expr: Expr::call(Type::Int, "1", vec![]), name: "c0".to_string() };
            let query = Rel::Select(Box::new(Select { filter, ..plain(from, vec![one]) }));
            return Expr::subquery(Type::Bool, *self.dice.pick(&["EXISTS ({query})", "NOT EXISTS ({query})"]), vec![], query);
        }
        let ty = *self.dice.pick(&comparable);
        let left = self.expr(scope, ty, 1);
        let item = Item { expr: self.expr(&inner, ty, 1), name: "c0".to_string() };
        let query = Rel::Select(Box::new(Select { filter, ..plain(from, vec![item]) }));
        Expr::subquery(Type::Bool, *self.dice.pick(&["({} IN ({query}))", "({} NOT IN ({query}))"]), vec![left], query)
    }

    /// One value computed from another relation's rows.
    pub(super) fn scalar_subquery(&mut self, scope: &[Source], ty: Type) -> Expr {
        let rel = self.leaf();
        let source = self.source(&rel);
        let inner = [source.clone()];
        let mut filter = match self.dice.percent(60) {
            true => self.equal(scope, &source),
            false => None,
        };
        if self.dice.percent(30) {
            filter = and(filter, Some(self.condition(&inner, 1)));
        }
        let item = Item { expr: self.aggregate_of(&inner, ty), name: "c0".to_string() };
        let from = From { rel, alias: source.alias };
        let group = Group::By(vec![]);
        let query = Rel::Select(Box::new(Select { filter, group, ..plain(from, vec![item]) }));
        Expr::subquery(ty, "({query})", vec![], query)
    }

    /// Types that some rows can be told apart by, and that can be computed on.
    pub(super) fn plain_type(&mut self, scope: &[Source], place: Place) -> Type {
        let types = types(scope);
        let ty = *self.dice.pick(&types);
        match (ty, place) {
            (Type::Real, Place::Inner) => Type::Int,
            _ => ty,
        }
    }
}
