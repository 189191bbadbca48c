//! Columns that a source has only where they are named (`_offset`, `_arrival_time`, …): `*` leaves them out.
//!
//! A planner that is told of such a column gives it to every `*` too, so the query is changed before it is planned.

use std::ops::ControlFlow;

use sqlparser::ast::{
    ExcludeSelectItem, Ident, JoinConstraint, JoinOperator, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind,
    TableAlias, TableFactor, TableWithJoins, Visit, VisitMut, Visitor, VisitorMut, WildcardAdditionalOptions,
};

use super::PUBLIC_SCHEMA;
use super::identifiers::{Relation, constraint};
use super::with_scopes::WithScopes;
use crate::error::{Error, Result};
use crate::model::Name;
use crate::model::name::fold;

/// Has every `*` and `alias.*` leave out the `hidden` columns of the sources it stands for. All of `hidden` must be columns of
/// each source as the planner knows it, for a column that is not there cannot be left out either.
///
/// `*` over several relations becomes one `alias.*` for each, since the hidden columns of two sources have the same names. Where
/// `USING` or `NATURAL` merges columns that cannot be said; with two sources it is an error.
///
/// Of any relation `t.*` becomes the name that `FROM` has for it, `public.t.*`: the planner knows no other.
pub fn hide_from_wildcards(query: &mut Query, hidden: &[&str], is_source: &dyn Fn(&Name) -> bool) -> Result<()> {
    match VisitMut::visit(query, &mut Hide { hidden, is_source, scopes: WithScopes::default() }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Whether any `SELECT` in the query has a `*`.
pub fn has_wildcard(query: &Query) -> bool {
    Visit::visit(query, &mut FindWildcard).is_break()
}

struct FindWildcard;

impl Visitor for FindWildcard {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let is_wildcard = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
        match select.projection.iter().any(is_wildcard) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

struct Hide<'a> {
    hidden: &'a [&'a str],
    is_source: &'a dyn Fn(&Name) -> bool,
    scopes: WithScopes,
}

/// One relation of a `FROM`, as `*` sees it.
struct Part {
    /// What `alias.*` calls it. `None` where it cannot be called.
    qualifier: Option<ObjectName>,
    is_source: bool,
}

impl VisitorMut for Hide<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.scopes.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.scopes.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<Error> {
        match self.rewrite(select) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Hide<'_> {
    fn rewrite(&self, select: &mut Select) -> Result<()> {
        let mut parts = Vec::new();
        for from in &select.from {
            self.collect(from, &mut parts)?;
        }
        let reads_source = parts.iter().any(|part| part.is_source);
        let can_expand = parts.len() > 1 && parts.iter().all(|part| part.qualifier.is_some()) && !select.from.iter().any(merges_columns);
        let mut projection = Vec::with_capacity(select.projection.len());
        for item in std::mem::take(&mut select.projection) {
            match item {
                SelectItem::Wildcard(options) if !reads_source => projection.push(SelectItem::Wildcard(options)),
                SelectItem::Wildcard(options) if can_expand && is_plain(&options) => projection.extend(self.expand(&parts)),
                SelectItem::Wildcard(options) => projection.push(SelectItem::Wildcard(self.exclude_from_all(options, &parts)?)),
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options) => {
                    projection.push(self.qualified(name, options, &parts));
                }
                other => projection.push(other),
            }
        }
        select.projection = projection;
        Ok(())
    }

    /// All relations of a `FROM` item, in the order in which `*` gives their columns.
    fn collect(&self, from: &TableWithJoins, parts: &mut Vec<Part>) -> Result<()> {
        for factor in std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation)) {
            match factor {
                TableFactor::NestedJoin { table_with_joins, alias: None } => self.collect(table_with_joins, parts)?,
                TableFactor::Table { name, alias, args, .. } => {
                    let is_source = args.is_none() && self.means_source(name)?;
                    let qualifier = match alias {
                        Some(alias) => Some(alias_name(alias)),
                        None => args.is_none().then(|| name.clone()),
                    };
                    parts.push(Part { qualifier, is_source });
                }
                TableFactor::Derived { alias: Some(alias), .. } => {
                    parts.push(Part { qualifier: Some(alias_name(alias)), is_source: false });
                }
                _ => parts.push(Part { qualifier: None, is_source: false }),
            }
        }
        Ok(())
    }

    fn means_source(&self, name: &ObjectName) -> Result<bool> {
        let relation = Relation::new(name)?;
        let is_public = relation.schema.as_deref().is_none_or(|schema| schema == PUBLIC_SCHEMA);
        Ok(is_public && !self.scopes.knows(name) && (self.is_source)(&relation.name))
    }

    fn expand<'p>(&'p self, parts: &'p [Part]) -> impl Iterator<Item = SelectItem> + 'p {
        parts.iter().filter_map(|part| {
            let kind = SelectItemQualifiedWildcardKind::ObjectName(part.qualifier.clone()?);
            let options = WildcardAdditionalOptions::default();
            Some(SelectItem::QualifiedWildcard(kind, if part.is_source { self.exclude(options) } else { options }))
        })
    }

    fn exclude_from_all(&self, options: WildcardAdditionalOptions, parts: &[Part]) -> Result<WildcardAdditionalOptions> {
        match parts.iter().filter(|part| part.is_source).count() {
            1 => Ok(self.exclude(options)),
            _ => {
                Err(Error::unsupported(format!("* over two sources that are joined with USING, with {}, is not supported", self.hidden[0]))
                    .with_hint("join with ON, or name the columns"))
            }
        }
    }

    fn qualified(&self, name: ObjectName, options: WildcardAdditionalOptions, parts: &[Part]) -> SelectItem {
        let called = |part: &&Part| part.qualifier.as_ref().is_some_and(|qualifier| means(&name, qualifier));
        let part = parts.iter().find(called);
        let options = match part {
            Some(part) if part.is_source => self.exclude(options),
            _ => options,
        };
        let name = part.and_then(|part| part.qualifier.clone()).unwrap_or(name);
        SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), options)
    }

    /// Adds the hidden columns to those the user left out; one that is left out twice is an error to the planner.
    fn exclude(&self, mut options: WildcardAdditionalOptions) -> WildcardAdditionalOptions {
        let mut columns = match options.opt_exclude.take() {
            Some(ExcludeSelectItem::Single(column)) => vec![column],
            Some(ExcludeSelectItem::Multiple(columns)) => columns,
            None => Vec::new(),
        };
        for hidden in self.hidden {
            let is_there = columns.iter().any(|column| last_part(column).as_deref() == Some(hidden));
            if !is_there {
                columns.push(ObjectName::from(vec![Ident::with_quote('"', *hidden)]));
            }
        }
        options.opt_exclude = Some(ExcludeSelectItem::Multiple(columns));
        options
    }
}

/// Whether the columns of `*` are not simply those of its relations one after the other.
fn merges_columns(from: &TableWithJoins) -> bool {
    from.joins.iter().any(|join| {
        let is_nested = matches!(&join.relation, TableFactor::NestedJoin { table_with_joins, .. } if merges_columns(table_with_joins));
        let keeps_both = matches!(
            join.join_operator,
            JoinOperator::Join(_)
                | JoinOperator::Inner(_)
                | JoinOperator::Left(_)
                | JoinOperator::LeftOuter(_)
                | JoinOperator::Right(_)
                | JoinOperator::RightOuter(_)
                | JoinOperator::FullOuter(_)
                | JoinOperator::CrossJoin(_)
        );
        is_nested || !keeps_both || matches!(constraint(join), Some(JoinConstraint::Using(_) | JoinConstraint::Natural))
    })
}

/// Without clauses that are about all relations together.
fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_ilike.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none()
}

/// Whether `name.*` is about the relation that is called `qualifier`: `events` is `public.events` too.
fn means(name: &ObjectName, qualifier: &ObjectName) -> bool {
    let parts = |name: &ObjectName| name.0.iter().rev().filter_map(|part| part.as_ident()).map(fold).collect::<Vec<_>>();
    let (name, qualifier) = (parts(name), parts(qualifier));
    !name.is_empty() && name.iter().zip(&qualifier).all(|(left, right)| left == right)
}

fn last_part(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(|part| part.as_ident()).map(fold)
}

fn alias_name(alias: &TableAlias) -> ObjectName {
    ObjectName::from(vec![alias.name.clone()])
}
