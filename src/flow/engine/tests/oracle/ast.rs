//! Queries as a tree: what the generator makes, the shrinker takes apart and DataFusion reads as text.
//!
//! A tree is well typed, and its answer is determined: whatever depends on an order has an order without ties of different rows.

use super::tables::TABLES;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Int,
    /// Integers of 32 bits, which meet the others in comparisons and sums.
    Small,
    /// Integers near the limits, which cannot be added.
    Big,
    /// Floats whose sums are exact.
    Float,
    /// Floats that are the same whoever computes them, but whose sums depend on the order.
    Ratio,
    /// Floats whose last digits nobody promises: they are only looked at.
    Real,
    Decimal,
    Bool,
    Text,
    Time,
    Date,
    Ints,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub ty: Type,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub kind: Kind,
    pub ty: Type,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Column {
        alias: String,
        name: String,
    },
    /// An expression of the GROUP BY around it.
    Key(usize),
    /// In the template `{}` is the next of `args`, `{ties}` the list `ties`, `{query}` the subquery and `{now}` the clock.
    Call {
        template: String,
        args: Vec<Expr>,
        ties: Vec<Expr>,
        query: Option<Box<Rel>>,
    },
}

/// Rows.
#[derive(Debug, Clone, PartialEq)]
pub enum Rel {
    Table(usize),
    /// A table by windows of its times. In the template `{}` is the table.
    Windows {
        table: usize,
        template: &'static str,
    },
    /// What follows from the small keys of a table.
    Recursive {
        table: usize,
    },
    Cte {
        name: String,
        columns: Vec<Column>,
    },
    Values {
        rows: Vec<(i64, &'static str)>,
    },
    Select(Box<Select>),
    Set {
        op: &'static str,
        left: Box<Rel>,
        right: Box<Rel>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    pub distinct: Distinct,
    pub items: Vec<Item>,
    pub from: From,
    pub joins: Vec<Join>,
    pub filter: Option<Expr>,
    pub group: Group,
    pub having: Option<Expr>,
    pub limit: Option<Limit>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    pub expr: Expr,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Distinct {
    No,
    All,
    /// The first row of each key: in this order, which begins with the keys.
    On {
        keys: Vec<Expr>,
        order: Vec<Expr>,
        ties: Vec<Expr>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct From {
    pub rel: Rel,
    pub alias: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    pub kind: &'static str,
    pub from: From,
    pub on: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Group {
    None,
    By(Vec<Expr>),
    Rollup(Vec<Expr>),
    Cube(Vec<Expr>),
    /// Sets of places in the list.
    Sets(Vec<Expr>, Vec<Vec<usize>>),
}

/// ORDER BY these items, then by all the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    pub order: Vec<(usize, &'static str)>,
    pub count: Option<u64>,
    pub offset: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub ctes: Vec<(String, Rel)>,
    pub body: Rel,
}

impl Expr {
    pub fn column(alias: &str, column: &Column) -> Expr {
        Expr { kind: Kind::Column { alias: alias.to_string(), name: column.name.clone() }, ty: column.ty }
    }

    pub fn call(ty: Type, template: impl Into<String>, args: Vec<Expr>) -> Expr {
        Expr { kind: Kind::Call { template: template.into(), args, ties: vec![], query: None }, ty }
    }

    pub fn ordered(ty: Type, template: impl Into<String>, args: Vec<Expr>, ties: Vec<Expr>) -> Expr {
        Expr { kind: Kind::Call { template: template.into(), args, ties, query: None }, ty }
    }

    pub fn subquery(ty: Type, template: impl Into<String>, args: Vec<Expr>, query: Rel) -> Expr {
        Expr { kind: Kind::Call { template: template.into(), args, ties: vec![], query: Some(Box::new(query)) }, ty }
    }

    pub fn null(ty: Type) -> Expr {
        Expr::call(ty, format!("CAST(NULL AS {})", ty.sql()), vec![])
    }

    pub fn is_constant(&self) -> bool {
        matches!(&self.kind, Kind::Call { args, query: None, .. } if args.is_empty())
    }
}

impl Type {
    fn sql(self) -> &'static str {
        match self {
            Type::Int | Type::Big => "BIGINT",
            Type::Small => "INTEGER",
            Type::Float | Type::Ratio | Type::Real => "DOUBLE",
            Type::Decimal => "DECIMAL(10, 2)",
            Type::Bool => "BOOLEAN",
            Type::Text => "VARCHAR",
            Type::Time => "TIMESTAMPTZ",
            Type::Date => "DATE",
            Type::Ints => "BIGINT[]",
        }
    }
}

impl Rel {
    pub fn columns(&self) -> Vec<Column> {
        let column = |name: &str, ty| Column { name: name.to_string(), ty };
        match self {
            Rel::Table(table) => TABLES[*table].columns.iter().map(|(name, ty)| column(name, *ty)).collect(),
            Rel::Windows { table, .. } => {
                let bounds = ["window_start", "window_end"].map(|name| column(name, Type::Time));
                Rel::Table(*table).columns().into_iter().chain(bounds).collect()
            }
            Rel::Recursive { .. } => vec![column("n", Type::Int)],
            Rel::Cte { columns, .. } => columns.clone(),
            Rel::Values { .. } => vec![column("column1", Type::Int), column("column2", Type::Text)],
            Rel::Select(select) => select.items.iter().map(|item| column(&item.name, item.expr.ty)).collect(),
            Rel::Set { left, .. } => left.columns(),
        }
    }
}

impl Group {
    pub fn keys(&self) -> &[Expr] {
        match self {
            Group::None => &[],
            Group::By(keys) | Group::Rollup(keys) | Group::Cube(keys) | Group::Sets(keys, _) => keys,
        }
    }

    pub fn keys_mut(&mut self) -> Option<&mut Vec<Expr>> {
        match self {
            Group::None => None,
            Group::By(keys) | Group::Rollup(keys) | Group::Cube(keys) | Group::Sets(keys, _) => Some(keys),
        }
    }
}
