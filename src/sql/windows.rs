//! `tumble(relation, time_column, size [, offset])` and `hop(relation, time_column, slide, size [, offset])` in `FROM`: the relation's rows with
//! the bounds of the windows they fall in, `window_start` (in it) and `window_end` (not in it).
//!
//! Both become subqueries of projections, filters and `unnest` as soon as a query is parsed: whoever looks at a query later sees the relation
//! and no function, and whatever runs queries row by row runs these too. A row whose time is null falls in no window.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, SetExpr, Spanned, TableAlias, TableFactor, VisitMut, VisitorMut,
};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Location;

use super::dialect::LakewireDialect;
use super::intervals::Span;
use super::position;
use crate::error::{Error, Result, SqlState};
use crate::model::name::fold;

/// How many windows of one `hop` a row may fall in: each is a row of the result.
const WINDOWS_PER_ROW_MAX: i64 = 1000;

/// Rewrites all window functions of a query, or of a part of a statement. `text` is what it was parsed from.
pub fn expand(part: &mut impl VisitMut, text: &str) -> Result<()> {
    match part.visit(&mut Expand { text }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

struct Expand<'a> {
    text: &'a str,
}

impl VisitorMut for Expand<'_> {
    type Break = Error;

    /// Afterwards, so that the functions within a function's relation are rewritten already.
    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        match expanded(factor, self.text) {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(subquery)) => {
                *factor = subquery;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Tumble,
    Hop,
}

impl Function {
    fn named(name: &ObjectName) -> Option<Function> {
        let [part] = &name.0[..] else { return None };
        match fold(part.as_ident()?).as_str() {
            "tumble" => Some(Function::Tumble),
            "hop" => Some(Function::Hop),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Function::Tumble => "tumble",
            Function::Hop => "hop",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Function::Tumble => "write tumble(events, event_time, INTERVAL '5 minutes')",
            Function::Hop => "write hop(events, event_time, INTERVAL '1 minute', INTERVAL '5 minutes')",
        }
    }

    /// Intervals, the last of which, the offset, may be left out.
    fn intervals_max(self) -> usize {
        match self {
            Function::Tumble => 2,
            Function::Hop => 3,
        }
    }
}

/// A call as it was understood.
struct Windows {
    /// The name of the time column, quoted.
    time: String,
    slide: Span,
    size: Span,
    offset: Option<Span>,
}

fn expanded(factor: &TableFactor, text: &str) -> Result<Option<TableFactor>> {
    let TableFactor::Table { name, alias, args: Some(args), .. } = factor else { return Ok(None) };
    let Some(function) = Function::named(name) else { return Ok(None) };
    let place = |location: Location| match location == Location::empty() {
        true => position::position(text, name.span().start),
        false => position::position(text, location),
    };
    let wrong = |location, message: String| {
        Error::invalid(message).with_state(SqlState::UNDEFINED_FUNCTION).with_hint(function.example()).at(place(location))
    };
    let count = args.args.len();
    if !(function.intervals_max() + 1..=function.intervals_max() + 2).contains(&count) {
        return Err(wrong(name.span().start, format!("{} does not take {count} arguments", function.name())));
    }
    let mut expressions = vec![];
    for argument in &args.args {
        match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => expressions.push(expression),
            other => return Err(wrong(name.span().start, format!("{} does not take {other}", function.name()))),
        }
    }
    let (relation, time) = (expressions[0], expressions[1]);
    let relation = self::relation(relation)
        .ok_or_else(|| wrong(relation.span().start, format!("the first argument of {} must be a relation", function.name())))?;
    let time =
        column(time).ok_or_else(|| wrong(time.span().start, format!("the second argument of {} must be a column", function.name())))?;
    let mut spans = vec![];
    for expression in &expressions[2..] {
        let start = expression.span().start;
        let span = Span::of(expression).map_err(|error| error.at(place(start)))?;
        spans.push(span.ok_or_else(|| wrong(start, format!("an argument of {} must be a literal interval", function.name())))?);
    }
    let windows = Windows::new(function, time, &spans).map_err(|error| error.at(place(expressions[2].span().start)))?;
    let alias =
        alias.clone().unwrap_or_else(|| TableAlias { explicit: true, name: Ident::new(function.name()), columns: vec![], at: None });
    Ok(Some(TableFactor::Derived { lateral: false, subquery: windows.subquery(relation)?, alias: Some(alias), sample: None }))
}

/// A name, or a query in parentheses.
fn relation(argument: &Expr) -> Option<TableFactor> {
    let name = match argument {
        Expr::Identifier(name) => ObjectName::from(vec![name.clone()]),
        Expr::CompoundIdentifier(parts) => ObjectName::from(parts.clone()),
        Expr::Subquery(query) => {
            let alias = TableAlias { explicit: true, name: Ident::new("relation"), columns: vec![], at: None };
            return Some(TableFactor::Derived { lateral: false, subquery: query.clone(), alias: Some(alias), sample: None });
        }
        _ => return None,
    };
    Some(TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    })
}

/// The column's name, quoted. It may be qualified, by the one relation there is.
fn column(argument: &Expr) -> Option<String> {
    match argument {
        Expr::Identifier(name) => Some(quoted(name)),
        Expr::CompoundIdentifier(parts) => parts.last().map(quoted),
        _ => None,
    }
}

fn quoted(name: &Ident) -> String {
    format!("\"{}\"", fold(name).replace('"', "\"\""))
}

impl Windows {
    fn new(function: Function, time: String, spans: &[Span]) -> Result<Windows> {
        let (slide, size, offset) = match (function, spans) {
            (Function::Tumble, [size, offset @ ..]) => (*size, *size, offset.first().copied()),
            (Function::Hop, [slide, size, offset @ ..]) => (*slide, *size, offset.first().copied()),
            _ => return Err(Error::internal(format!("{} was given too few intervals", function.name()))),
        };
        if !slide.is_positive() || !size.is_positive() {
            return Err(Error::invalid(format!("the intervals of {} must be positive", function.name())));
        }
        if !slide.is_like(size) || offset.is_some_and(|offset| !offset.is_like(size)) {
            return Err(Error::invalid(format!("the intervals of {} must all be in months, or all in days and less", function.name()))
                .with_detail("months have no fixed length"));
        }
        let windows = Windows { time, slide, size, offset };
        if windows.per_row() > WINDOWS_PER_ROW_MAX {
            return Err(Error::invalid(format!("{} puts each row into {} windows", function.name(), windows.per_row()))
                .with_state(SqlState::PROGRAM_LIMIT_EXCEEDED)
                .with_hint(format!("let it slide by more: {WINDOWS_PER_ROW_MAX} windows are allowed")));
        }
        Ok(windows)
    }

    /// The windows that a time may fall in. Where the slide does not divide the size some times do not fall in the earliest.
    fn per_row(&self) -> i64 {
        let (size, slide) = (self.size.length(), self.slide.length());
        size / slide + i64::from(size % slide != 0)
    }

    fn subquery(&self, relation: TableFactor) -> Result<Box<Query>> {
        let Windows { time, size, .. } = self;
        let latest = self.latest_start();
        if self.slide == self.size {
            let written =
                format!("SELECT *, {latest} AS window_start, {latest} + {size} AS window_end FROM relation WHERE {time} IS NOT NULL");
            return around(&written, relation, from_of);
        }
        let earlier = (1..self.per_row()).map(|back| format!("{latest} - {}", self.slide.times(back)));
        let starts: Vec<_> = std::iter::once(latest.clone()).chain(earlier).collect();
        let condition = match size.length() % self.slide.length() {
            0 => String::new(),
            _ => format!(" WHERE {time} < window_start + {size}"),
        };
        let written = format!(
            "SELECT *, window_start + {size} AS window_end \
             FROM (SELECT *, unnest(make_array({})) AS window_start FROM relation WHERE {time} IS NOT NULL) AS started{condition}",
            starts.join(", ")
        );
        around(&written, relation, |query| match from_of(query)? {
            TableFactor::Derived { subquery, .. } => from_of(subquery),
            _ => None,
        })
    }

    /// The start of the latest window that a time falls in, as an expression.
    fn latest_start(&self) -> String {
        let Windows { time, slide, .. } = self;
        match self.offset {
            None => format!("date_bin({slide}, {time})"),
            Some(offset) => format!("date_bin({slide}, {time}, TIMESTAMP '1970-01-01 00:00:00' + {offset})"),
        }
    }
}

/// The query as written here, over the relation that the user named.
fn around(written: &str, relation: TableFactor, place: impl Fn(&mut Query) -> Option<&mut TableFactor>) -> Result<Box<Query>> {
    let no_form = || Error::internal(format!("a window's query has no form: {written}"));
    let parsed = Parser::new(&LakewireDialect).try_with_sql(written).and_then(|mut parser| parser.parse_query());
    let mut query = parsed.map_err(|error| no_form().with_cause(error))?;
    *place(&mut query).ok_or_else(no_form)? = relation;
    Ok(query)
}

fn from_of(query: &mut Query) -> Option<&mut TableFactor> {
    match query.body.as_mut() {
        SetExpr::Select(select) => select.from.first_mut().map(|from| &mut from.relation),
        _ => None,
    }
}
