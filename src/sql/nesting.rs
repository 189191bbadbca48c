//! How deep a statement may be. Whoever plans it recurses into it, and a stack that overflows ends the server.
//!
//! What stands in parentheses is counted by the parser. Chains it reads in a loop, and what they become leans to the left and is as deep as
//! it is long: `1 + 1 + …`, `x::text::text…`, `SELECT … UNION SELECT … UNION …`, `a JOIN b JOIN …`. Chains of AND and of OR, which programs
//! write by the thousand, may be put in any order of evaluation: they become trees of even height.

use std::convert::Infallible;
use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, Query, Select, SetExpr, TableFactor, TableWithJoins, Value, Values, VisitMut, VisitorMut};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::error::{Error, Result, SqlState};

/// The threads of a server have a stack for this, also in a debug build.
const LEVELS_MAX: usize = 2000;
const TYPE_LEVELS_MAX: usize = 100;
const TYPES_OF_TYPES: [&str; 3] = ["ARRAY", "MAP", "STRUCT"];
/// Shorter chains of AND and OR are left as they were written.
const LINKS_MIN: usize = 32;

/// Evens out chains of AND and OR.
///
/// Errors: something is deeper. It has been taken out of `node` then, for dropping recurses too.
pub fn check(node: &mut impl VisitMut) -> Result<()> {
    let mut cutter = Cutter::default();
    cutter.visit(node);
    let is_deep = cutter.has_long_joins || !cutter.cut_off.is_empty();
    while let Some(part) = cutter.cut_off.pop() {
        match part {
            Part::Expr(mut expr) => cutter.visit(expr.as_mut()),
            Part::Body(mut body) => {
                cutter.cut_body(&mut body);
                cutter.visit(body.as_mut());
            }
        }
    }
    match is_deep {
        true => Err(too_deep()),
        false => Ok(()),
    }
}

/// Types nest too, and the parser does not count them: `int[][]…`, `array<array<…`. Subscripts look like the former: `x[1][1]…`.
///
/// Errors: deeper than anybody has use for.
pub fn check_types(tokens: &[TokenWithSpan]) -> Result<()> {
    let (mut pairs, mut open) = (0usize, 0usize);
    let mut before: Option<&Token> = None;
    for token in tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_))) {
        match (before, token) {
            (_, Token::LBracket | Token::Number(..)) => {}
            (Some(Token::LBracket | Token::Number(..)), Token::RBracket) => pairs += 1,
            (Some(Token::Word(word)), Token::Lt)
                if word.quote_style.is_none() && TYPES_OF_TYPES.contains(&word.value.to_uppercase().as_str()) =>
            {
                open += 1;
            }
            (_, Token::Gt) => open = open.saturating_sub(1),
            (_, Token::ShiftRight) => open = open.saturating_sub(2),
            // `map < 1` was a comparison.
            (_, Token::Word(word)) if ["AND", "OR"].contains(&word.value.to_uppercase().as_str()) => (pairs, open) = (0, 0),
            _ => pairs = 0,
        }
        if pairs > TYPE_LEVELS_MAX || open > TYPE_LEVELS_MAX {
            return Err(too_deep());
        }
        before = Some(token);
    }
    Ok(())
}

pub fn too_deep() -> Error {
    Error::syntax("the statement is nested too deeply")
        .with_state(SqlState::PROGRAM_LIMIT_EXCEEDED)
        .with_hint("a long chain of OR can be written as IN, and what is computed can be kept in a table")
}

/// Cuts off what is too deep, in pieces that are not.
#[derive(Default)]
struct Cutter {
    level: usize,
    cut_off: Vec<Part>,
    has_long_joins: bool,
}

enum Part {
    Expr(Box<Expr>),
    Body(Box<SetExpr>),
}

impl Cutter {
    fn visit(&mut self, node: &mut impl VisitMut) {
        self.level = 0;
        let ControlFlow::Continue(()) = node.visit(self);
    }

    /// UNION and its like lean to the left, and are visited without being named.
    fn cut_body(&mut self, body: &mut SetExpr) {
        let mut place = body;
        for _ in 0..LEVELS_MAX {
            match place {
                SetExpr::SetOperation { left, .. } => place = left,
                _ => return,
            }
        }
        let nothing = SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: vec![] });
        self.cut_off.push(Part::Body(Box::new(std::mem::replace(place, nothing))));
    }
}

/// Errors: so many relations that their plan is too deep.
pub fn check_joins(relations: &[TableWithJoins]) -> Result<()> {
    match are_too_many(relations) {
        true => Err(too_deep()),
        false => Ok(()),
    }
}

fn are_too_many(relations: &[TableWithJoins]) -> bool {
    relations.iter().map(|relation| 1 + relation.joins.len()).sum::<usize>() > LEVELS_MAX
}

/// `((a OR b) OR c) OR d` as `(a OR b) OR (c OR d)`, if it is long.
fn even_out(expr: &mut Expr) {
    let Expr::BinaryOp { op: op @ (BinaryOperator::And | BinaryOperator::Or), .. } = expr else { return };
    let op = op.clone();
    if links(expr, &op) < LINKS_MIN {
        return;
    }
    let mut rest = std::mem::replace(expr, Expr::Value(Value::Null.into()));
    let mut parts = vec![];
    loop {
        match rest {
            Expr::BinaryOp { left, op: of_rest, right } if of_rest == op => {
                parts.push(*right);
                rest = *left;
            }
            first => {
                parts.push(first);
                break;
            }
        }
    }
    parts.reverse();
    *expr = joined(parts, &op).expect("a chain has parts");
}

/// The length of a chain, as far as it matters.
fn links(mut expr: &Expr, op: &BinaryOperator) -> usize {
    let mut links = 0;
    while let Expr::BinaryOp { left, op: of_expr, .. } = expr
        && of_expr == op
        && links < LINKS_MIN
    {
        (expr, links) = (left, links + 1);
    }
    links
}

/// Neighbours joined to pairs, until one is left.
fn joined(mut parts: Vec<Expr>, op: &BinaryOperator) -> Option<Expr> {
    while parts.len() > 1 {
        let mut pairs = Vec::with_capacity(parts.len().div_ceil(2));
        let mut next = parts.into_iter();
        while let Some(left) = next.next() {
            pairs.push(match next.next() {
                Some(right) => Expr::BinaryOp { left: Box::new(left), op: op.clone(), right: Box::new(right) },
                None => left,
            });
        }
        parts = pairs;
    }
    parts.pop()
}

impl VisitorMut for Cutter {
    type Break = Infallible;

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Infallible> {
        even_out(expr);
        self.level += 1;
        if self.level > LEVELS_MAX {
            let nothing = Expr::Value(Value::Null.into());
            self.cut_off.push(Part::Expr(Box::new(std::mem::replace(expr, nothing))));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<Infallible> {
        self.level -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Infallible> {
        self.cut_body(&mut query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Infallible> {
        self.has_long_joins |= are_too_many(&select.from);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Infallible> {
        if let TableFactor::NestedJoin { table_with_joins, .. } = factor {
            self.has_long_joins |= are_too_many(std::slice::from_ref(table_with_joins));
        }
        ControlFlow::Continue(())
    }
}
