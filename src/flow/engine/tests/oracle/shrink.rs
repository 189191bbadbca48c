//! Makes a case that fails smaller, as long as it still fails.

use super::ast::{Distinct, Expr, From, Group, Item, Kind, Query, Rel, Select};
use super::case::Case;
use super::run::{Asker, Outcome, run, text};
use super::tables::{Cell, TABLES};

/// Runs that may be spent on a case.
const RUNS_MAX: usize = 1500;

pub struct Shrinker<'a> {
    pub asker: &'a Asker,
}

impl Shrinker<'_> {
    /// The smallest case found, as text.
    pub async fn shrink(&self, mut case: Case) -> String {
        let mut runs = 0;
        let mut difference = String::new();
        while let Some((smaller, text)) = self.smaller(&case, &mut runs).await {
            (case, difference) = (smaller, text);
        }
        describe(&case, &difference)
    }

    async fn smaller(&self, case: &Case, runs: &mut usize) -> Option<(Case, String)> {
        for smaller in candidates(case) {
            *runs += 1;
            if *runs > RUNS_MAX {
                break;
            }
            if let Outcome::Wrong(text) = run(&smaller, self.asker).await {
                return Some((smaller, text));
            }
        }
        None
    }
}

fn describe(case: &Case, difference: &str) -> String {
    let mut lines = vec![
        case.sql(),
        format!("{:?}, ids said to be unique: {}, late {:?}, {:?}", case.arrivals, case.says_unique, case.late, case.restart),
    ];
    for tick in 0..case.ticks {
        lines.push(format!("tick {tick}:"));
        for (table, changes) in TABLES.iter().zip(case.changes(tick)) {
            lines.extend(text(&changes).into_iter().map(|line| format!("  {}: {line}", table.name)));
        }
    }
    lines.push(difference.to_string());
    lines.join("\n")
}

/// Smaller cases, the boldest first.
fn candidates(case: &Case) -> impl Iterator<Item = Case> + '_ {
    let plans = [Case { late: None, ..case.clone() }, Case { restart: None, ..case.clone() }];
    let plans =
        plans.into_iter().filter(|plan| plan.late.is_some() != case.late.is_some() || plan.restart.is_some() != case.restart.is_some());
    plans.chain(fewer_lives(case)).chain(fewer_ticks(case)).chain(simpler_queries(case)).chain(simpler_lives(case))
}

fn fewer_lives(case: &Case) -> impl Iterator<Item = Case> + '_ {
    let count = case.lives.len();
    let sizes = std::iter::successors(Some(count.div_ceil(2)), |size| (*size > 1).then(|| size.div_ceil(2))).filter(|size| *size > 0);
    let cuts = sizes.flat_map(move |size| (0..count).step_by(size.max(1)).map(move |start| (start, size)));
    cuts.map(|(start, size)| {
        let mut smaller = case.clone();
        smaller.lives.drain(start..(start + size).min(case.lives.len()));
        smaller
    })
}

/// Each tick becomes one with the tick after it.
fn fewer_ticks(case: &Case) -> impl Iterator<Item = Case> + '_ {
    (1..case.ticks).map(|tick| {
        let earlier = |at: &mut usize| *at -= usize::from(*at >= tick);
        let mut smaller = case.clone();
        smaller.ticks -= 1;
        for life in &mut smaller.lives {
            earlier(&mut life.comes);
            life.goes.iter_mut().for_each(earlier);
        }
        smaller.checks.iter_mut().chain(&mut smaller.late).for_each(earlier);
        if let Some(restart) = &mut smaller.restart {
            earlier(&mut restart.after);
            restart.saves.iter_mut().for_each(|save| earlier(&mut save.after));
        }
        smaller
    })
}

fn simpler_lives(case: &Case) -> impl Iterator<Item = Case> + '_ {
    (0..case.lives.len()).flat_map(move |place| {
        let life = &case.lives[place];
        let with = move |change: &dyn Fn(&mut super::case::Life)| {
            let mut smaller = case.clone();
            change(&mut smaller.lives[place]);
            smaller
        };
        let mut all = vec![];
        if life.goes.is_some() {
            all.push(with(&|life| life.goes = None));
        }
        if life.comes > 0 {
            all.push(with(&|life| life.comes = 0));
        }
        let first = usize::from(TABLES[life.table].has_id);
        for column in (first..life.row.len()).filter(|column| life.row[*column] != Cell::Null) {
            all.push(with(&|life| life.row[column] = Cell::Null));
        }
        all
    })
}

fn simpler_queries(case: &Case) -> impl Iterator<Item = Case> + '_ {
    (0..).map_while(move |number| {
        let mut query = case.query.clone();
        let mut nth = Nth { left: number };
        nth.query(&mut query).then(|| Case { query, ..case.clone() })
    })
}

/// Walks over a query and makes the one simplification of this number. Each method says whether it did.
///
/// Not every simplification is one DataFusion plans; none changes a type.
struct Nth {
    left: usize,
}

impl Nth {
    /// Whether it is this one's turn.
    fn hit(&mut self) -> bool {
        match self.left {
            0 => true,
            _ => {
                self.left -= 1;
                false
            }
        }
    }

    fn query(&mut self, query: &mut Query) -> bool {
        for place in 0..query.ctes.len() {
            if self.hit() {
                let (name, body) = query.ctes.remove(place);
                inline(&mut query.body, &name, &body);
                query.ctes.iter_mut().for_each(|(_, rel)| inline(rel, &name, &body));
                return true;
            }
        }
        self.rel(&mut query.body) || query.ctes.iter_mut().any(|(_, rel)| self.rel(rel))
    }

    fn rel(&mut self, rel: &mut Rel) -> bool {
        for simpler in simpler_rels(rel) {
            if self.hit() {
                *rel = simpler;
                return true;
            }
        }
        match rel {
            Rel::Table(_) | Rel::Windows { .. } | Rel::Recursive { .. } | Rel::Cte { .. } => false,
            Rel::Values { rows } => {
                let can = rows.len() > 1 && self.hit();
                if can {
                    rows.pop();
                }
                can
            }
            Rel::Select(select) => self.select(select),
            Rel::Set { op, left, right } => {
                if *op != "UNION ALL" && self.hit() {
                    *op = "UNION ALL";
                    return true;
                }
                self.rel(left) || self.rel(right)
            }
        }
    }

    fn select(&mut self, select: &mut Select) -> bool {
        if select.filter.is_some() && self.hit() {
            select.filter = None;
            return true;
        }
        if select.having.is_some() && self.hit() {
            select.having = None;
            return true;
        }
        if select.limit.is_some() && self.hit() {
            select.limit = None;
            return true;
        }
        if !matches!(select.distinct, Distinct::No) && self.hit() {
            select.distinct = Distinct::No;
            return true;
        }
        if !matches!(select.group, Group::None | Group::By(_)) && self.hit() {
            select.group = Group::By(select.group.keys().to_vec());
            return true;
        }
        for place in 0..select.joins.len() {
            if self.hit() {
                select.joins.remove(place);
                return true;
            }
            if !matches!(select.joins[place].kind, "JOIN" | "CROSS JOIN") && self.hit() {
                select.joins[place].kind = "JOIN";
                return true;
            }
        }
        for place in 0..select.items.len() {
            if select.items.len() > 1 && self.hit() {
                select.items.remove(place);
                return true;
            }
        }
        self.group(select) || self.parts(select)
    }

    fn group(&mut self, select: &mut Select) -> bool {
        if let Group::By(keys) = &mut select.group
            && !keys.is_empty()
            && self.hit()
        {
            keys.pop();
            return true;
        }
        select.group.keys_mut().is_some_and(|keys| keys.iter_mut().any(|key| self.key(key)))
    }

    /// A key must not become a constant.
    fn key(&mut self, key: &mut Expr) -> bool {
        let Kind::Call { args, .. } = &key.kind else { return false };
        let column = args.iter().find(|arg| arg.ty == key.ty && matches!(arg.kind, Kind::Column { .. })).cloned();
        match column {
            Some(column) if self.hit() => {
                *key = column;
                true
            }
            _ => false,
        }
    }

    fn parts(&mut self, select: &mut Select) -> bool {
        let Select { items, from, joins, filter, having, .. } = select;
        self.rel(&mut from.rel)
            || joins.iter_mut().any(|join| self.rel(&mut join.from.rel) || join.on.iter_mut().any(|on| self.expr(on)))
            || filter.iter_mut().any(|filter| self.expr(filter))
            || having.iter_mut().any(|having| self.expr(having))
            || items.iter_mut().any(|item| self.expr(&mut item.expr))
    }

    fn expr(&mut self, expr: &mut Expr) -> bool {
        if !expr.is_constant() && !matches!(expr.kind, Kind::Key(_)) && self.hit() {
            *expr = Expr::null(expr.ty);
            return true;
        }
        let ty = expr.ty;
        let Kind::Call { args, query, .. } = &mut expr.kind else { return false };
        let same: Vec<_> = args.iter().filter(|arg| arg.ty == ty).cloned().collect();
        if let Some(arg) = same.into_iter().find(|_| self.hit()) {
            *expr = arg;
            return true;
        }
        args.iter_mut().any(|arg| self.expr(arg)) || query.iter_mut().any(|query| self.rel(query))
    }
}

/// Relations with the same columns.
fn simpler_rels(rel: &Rel) -> Vec<Rel> {
    let mut simpler = vec![];
    let columns = rel.columns();
    match rel {
        Rel::Set { left, right, .. } => simpler.extend([left.as_ref().clone(), right.as_ref().clone()]),
        Rel::Select(select) => {
            let inner: Vec<_> = select.joins.iter().map(|join| &join.from).chain([&select.from]).collect();
            simpler.extend(inner.into_iter().filter(|from| covers(&from.rel, &columns)).map(|from| from.rel.clone()));
            if !select.joins.is_empty() || !matches!(select.from.rel, Rel::Table(_)) || !matches!(select.group, Group::None) {
                simpler.extend((0..TABLES.len()).map(|table| projected(table, &columns)));
            }
        }
        _ => {}
    }
    simpler.into_iter().filter(|simpler| columns.len() == simpler.columns().len() || covers(simpler, &columns)).collect()
}

fn covers(rel: &Rel, columns: &[super::ast::Column]) -> bool {
    let own = rel.columns();
    columns.iter().all(|column| own.contains(column))
}

/// The columns, as well as a table can give them.
fn projected(table: usize, columns: &[super::ast::Column]) -> Rel {
    let rel = Rel::Table(table);
    let own = rel.columns();
    let item = |column: &super::ast::Column| {
        let expr = own.iter().find(|own| own.ty == column.ty).map(|own| Expr::column("q0", own));
        Item { expr: expr.unwrap_or_else(|| Expr::null(column.ty)), name: column.name.clone() }
    };
    let items = columns.iter().map(item).collect();
    let from = From { rel, alias: "q0".to_string() };
    let select = Select { distinct: Distinct::No, items, from, joins: vec![], filter: None, group: Group::None, having: None, limit: None };
    Rel::Select(Box::new(select))
}

/// Puts a CTE's body where its name stands.
fn inline(rel: &mut Rel, name: &str, body: &Rel) {
    match rel {
        Rel::Cte { name: own, .. } if own == name => *rel = body.clone(),
        Rel::Table(_) | Rel::Windows { .. } | Rel::Recursive { .. } | Rel::Cte { .. } | Rel::Values { .. } => {}
        Rel::Set { left, right, .. } => {
            inline(left, name, body);
            inline(right, name, body);
        }
        Rel::Select(select) => {
            inline(&mut select.from.rel, name, body);
            select.joins.iter_mut().for_each(|join| inline(&mut join.from.rel, name, body));
            let own = select.items.iter_mut().map(|item| &mut item.expr);
            let expressions =
                own.chain(&mut select.filter).chain(&mut select.having).chain(select.joins.iter_mut().filter_map(|join| join.on.as_mut()));
            expressions.for_each(|expr| inline_in(expr, name, body));
        }
    }
}

fn inline_in(expr: &mut Expr, name: &str, body: &Rel) {
    if let Kind::Call { args, query, .. } = &mut expr.kind {
        query.iter_mut().for_each(|query| inline(query, name, body));
        args.iter_mut().for_each(|arg| inline_in(arg, name, body));
    }
}
