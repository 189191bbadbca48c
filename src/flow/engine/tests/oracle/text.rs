//! A query's text.

use super::ast::{Distinct, Expr, From, Group, Kind, Limit, Query, Rel, Select};
use super::tables::TABLES;

impl Query {
    /// With `now` where the query asks for the time.
    pub fn sql(&self, now: &str) -> String {
        let text = Text { now };
        let ctes: Vec<_> = self.ctes.iter().map(|(name, rel)| format!("{name} AS ({})", text.rel(rel))).collect();
        match ctes.is_empty() {
            true => text.rel(&self.body),
            false => format!("WITH {} {}", ctes.join(", "), text.rel(&self.body)),
        }
    }
}

struct Text<'a> {
    now: &'a str,
}

impl Text<'_> {
    fn rel(&self, rel: &Rel) -> String {
        match rel {
            Rel::Table(table) => format!("SELECT * FROM {}", TABLES[*table].name),
            Rel::Windows { table, template } => format!("SELECT * FROM {}", template.replace("{}", TABLES[*table].name)),
            Rel::Recursive { table } => format!(
                "WITH RECURSIVE r AS (SELECT k AS n FROM {} WHERE k >= 0 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r",
                TABLES[*table].name
            ),
            Rel::Cte { name, .. } => format!("SELECT * FROM {name}"),
            Rel::Values { rows } => {
                let rows: Vec<_> = rows.iter().map(|(number, word)| format!("({number}, '{word}')")).collect();
                format!("VALUES {}", rows.join(", "))
            }
            Rel::Select(select) => self.select(select),
            Rel::Set { op, left, right } => format!("({}) {op} ({})", self.rel(left), self.rel(right)),
        }
    }

    fn from(&self, from: &From) -> String {
        match &from.rel {
            Rel::Table(table) => format!("{} AS {}", TABLES[*table].name, from.alias),
            Rel::Windows { table, template } => format!("{} AS {}", template.replace("{}", TABLES[*table].name), from.alias),
            Rel::Cte { name, .. } => format!("{name} AS {}", from.alias),
            rel => format!("({}) AS {}", self.rel(rel), from.alias),
        }
    }

    fn select(&self, select: &Select) -> String {
        let keys: Vec<_> = select.group.keys().iter().map(|key| self.expr(key, &[])).collect();
        let items: Vec<_> = select.items.iter().map(|item| format!("{} AS {}", self.expr(&item.expr, &keys), item.name)).collect();
        let distinct = match &select.distinct {
            Distinct::No => String::new(),
            Distinct::All => "DISTINCT ".to_string(),
            Distinct::On { keys, .. } => format!("DISTINCT ON ({}) ", self.list(keys)),
        };
        let mut sql = format!("SELECT {distinct}{} FROM {}", items.join(", "), self.from(&select.from));
        for join in &select.joins {
            sql += &format!(" {} {}", join.kind, self.from(&join.from));
            if let Some(on) = &join.on {
                sql += &format!(" ON {}", self.expr(on, &[]));
            }
        }
        if let Some(filter) = &select.filter {
            sql += &format!(" WHERE {}", self.expr(filter, &[]));
        }
        sql += &group(&select.group, &keys);
        if let Some(having) = &select.having {
            sql += &format!(" HAVING {}", self.expr(having, &keys));
        }
        if let Distinct::On { keys, order, ties } = &select.distinct {
            let order: Vec<_> = [keys, order, ties].into_iter().filter(|list| !list.is_empty()).map(|list| self.list(list)).collect();
            sql += &format!(" ORDER BY {}", order.join(", "));
        }
        select.limit.iter().for_each(|limit| sql += &self.limit(select, limit));
        sql
    }

    fn limit(&self, select: &Select, limit: &Limit) -> String {
        let first = limit.order.iter().filter(|(item, _)| *item < select.items.len());
        let rest = select.items.iter().map(|item| item.name.clone());
        let order: Vec<_> = first.map(|(item, direction)| format!("{} {direction}", select.items[*item].name)).chain(rest).collect();
        let mut sql = format!(" ORDER BY {}", order.join(", "));
        limit.count.iter().for_each(|count| sql += &format!(" LIMIT {count}"));
        if limit.offset > 0 {
            sql += &format!(" OFFSET {}", limit.offset);
        }
        sql
    }

    fn list(&self, expressions: &[Expr]) -> String {
        expressions.iter().map(|expr| self.expr(expr, &[])).collect::<Vec<_>>().join(", ")
    }

    fn expr(&self, expr: &Expr, keys: &[String]) -> String {
        match &expr.kind {
            Kind::Column { alias, name } => format!("{alias}.{name}"),
            Kind::Key(key) => keys.get(*key).cloned().unwrap_or_else(|| "no_such_key".to_string()),
            Kind::Call { template, args, ties, query } => {
                let template = template.replace("{now}", self.now);
                let parts: Vec<_> = template.split("{}").collect();
                let mut args = args.iter().map(|arg| self.expr(arg, keys));
                let mut text = parts[0].to_string();
                for part in &parts[1..] {
                    text += &args.next().expect("a template has an argument for each place");
                    text += part;
                }
                let ties: Vec<_> = ties.iter().map(|tie| self.expr(tie, keys)).collect();
                text = text.replace("{ties}", &ties.join(", "));
                match query {
                    None => text,
                    Some(query) => text.replace("{query}", &self.rel(query)),
                }
            }
        }
    }
}

fn group(group: &Group, keys: &[String]) -> String {
    let all = keys.join(", ");
    match group {
        Group::None => String::new(),
        Group::By(_) if keys.is_empty() => String::new(),
        Group::By(_) => format!(" GROUP BY {all}"),
        Group::Rollup(_) => format!(" GROUP BY ROLLUP ({all})"),
        Group::Cube(_) => format!(" GROUP BY CUBE ({all})"),
        Group::Sets(_, sets) => {
            let set = |set: &Vec<usize>| set.iter().filter_map(|key| keys.get(*key).cloned()).collect::<Vec<_>>().join(", ");
            let sets: Vec<_> = sets.iter().map(|keys| format!("({})", set(keys))).collect();
            format!(" GROUP BY GROUPING SETS ({})", sets.join(", "))
        }
    }
}
