//! What a query must not have: parts that write, and clauses that the planner would pass over in silence.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, NamedWindowDefinition, NamedWindowExpr, Query, Select, SetExpr, SetOperator, SetQuantifier, Spanned, TableFactor,
    Visit, Visitor, WindowSpec, WindowType,
};
use sqlparser::tokenizer::Location;

use super::position;
use crate::error::{Error, Result};

/// Refuses, by name, what a query may say in PostgreSQL and we would not do. `text` is what the query was parsed from.
pub fn check(query: &Query, text: &str) -> Result<()> {
    check_within(query, text)
}

/// The same for whatever may have queries in it.
pub fn check_within(part: &impl Visit, text: &str) -> Result<()> {
    match part.visit(&mut Check { text }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// A look-up join is in the language, but sqlparser reads it only together with forms that take words from PostgreSQL's aliases.
pub fn name_missing_clause(error: Error) -> Error {
    match (error.message().to_lowercase().as_str(), error.position()) {
        ("syntax error at or near \"system_time\"", Some(position)) => {
            Error::unsupported("FOR SYSTEM_TIME AS OF is not supported yet").at(position)
        }
        _ => error,
    }
}

struct Check<'a> {
    text: &'a str,
}

impl Check<'_> {
    fn refuse(&self, what: &str, location: Location) -> ControlFlow<Error> {
        let error = Error::unsupported(format!("{what} is not supported"));
        ControlFlow::Break(match location == Location::empty() {
            true => error,
            false => error.at(position::position(self.text, location)),
        })
    }

    /// The planner takes `OVER (w ROWS …)` for `OVER (ROWS …)`.
    fn check_window(&self, window: &WindowSpec) -> ControlFlow<Error> {
        let Some(name) = &window.window_name else { return ControlFlow::Continue(()) };
        let refused = self.refuse("a window that is made of another one", name.span.start);
        refused.map_break(|error| error.with_hint(format!("write what {name} says in its place, or OVER {name} without more")))
    }
}

/// EXCEPT ALL and INTERSECT ALL, which count equal rows.
fn counting_set(body: &SetExpr) -> Option<&'static str> {
    let SetExpr::SetOperation { op, set_quantifier, left, right } = body else { return None };
    let is_all = matches!(set_quantifier, SetQuantifier::All | SetQuantifier::AllByName);
    match op {
        SetOperator::Except | SetOperator::Minus if is_all => Some("EXCEPT ALL"),
        SetOperator::Intersect if is_all => Some("INTERSECT ALL"),
        _ => counting_set(left).or_else(|| counting_set(right)),
    }
}

impl Visitor for Check<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        // The planner would make a semi or an anti join of it, which does not count.
        if let Some(operator) = counting_set(&query.body) {
            let refused = self.refuse(operator, query.body.span().start);
            return refused.map_break(|error| error.with_hint("without ALL, equal rows are one; numbered by row_number() they stay apart"));
        }
        let refused = match &*query.body {
            SetExpr::Insert(_) => "INSERT within a query",
            SetExpr::Update(_) => "UPDATE within a query",
            SetExpr::Delete(_) => "DELETE within a query",
            SetExpr::Merge(_) => "MERGE within a query",
            _ if !query.locks.is_empty() => "SELECT … FOR UPDATE or FOR SHARE",
            _ => return ControlFlow::Continue(()),
        };
        match (&*query.body, self.refuse(refused, query.span().start)) {
            (SetExpr::Insert(_), ControlFlow::Break(error)) if query.with.is_some() => {
                ControlFlow::Break(error.with_hint("write INSERT INTO t WITH … SELECT …"))
            }
            (_, refused) => refused,
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        if select.into.is_some() {
            return self.refuse("SELECT INTO", select.select_token.0.span.start);
        }
        select.named_window.iter().try_for_each(|NamedWindowDefinition(_, window)| match window {
            NamedWindowExpr::NamedWindow(_) => ControlFlow::Continue(()),
            NamedWindowExpr::WindowSpec(window) => self.check_window(window),
        })
    }

    fn pre_visit_expr(&mut self, expression: &Expr) -> ControlFlow<Error> {
        match expression {
            Expr::Function(Function { over: Some(WindowType::WindowSpec(window)), .. }) => self.check_window(window),
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        match factor {
            TableFactor::Table { name, sample: Some(_), .. } => self.refuse("TABLESAMPLE", name.span().start),
            TableFactor::Table { name, with_ordinality: true, .. } => self.refuse("WITH ORDINALITY", name.span().start),
            _ => ControlFlow::Continue(()),
        }
    }
}
