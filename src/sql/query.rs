//! What a query must not have: parts that write, and clauses that the planner would pass over in silence.

use std::ops::ControlFlow;

use sqlparser::ast::{Query, Select, SetExpr, Spanned, TableFactor, Visit, Visitor};
use sqlparser::tokenizer::Location;

use super::position;
use crate::error::{Error, Result};

/// Refuses, by name, what a query may say in PostgreSQL and we would not do. `text` is what the query was parsed from.
pub fn check(query: &Query, text: &str) -> Result<()> {
    match query.visit(&mut Check { text }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
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
}

impl Visitor for Check<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<Error> {
        let start = query.span().start;
        match &*query.body {
            SetExpr::Insert(_) => return self.refuse("INSERT within a query", start),
            SetExpr::Update(_) => return self.refuse("UPDATE within a query", start),
            SetExpr::Delete(_) => return self.refuse("DELETE within a query", start),
            SetExpr::Merge(_) => return self.refuse("MERGE within a query", start),
            _ => {}
        }
        match query.locks.is_empty() {
            true => ControlFlow::Continue(()),
            false => self.refuse("SELECT … FOR UPDATE or FOR SHARE", start),
        }
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<Error> {
        match &select.into {
            Some(_) => self.refuse("SELECT INTO", select.select_token.0.span.start),
            None => ControlFlow::Continue(()),
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
