//! A statement as it is shown after something in it was given another name: what it makes, or a relation that it reads.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use sqlparser::ast::{Ident, ObjectName, Query, TableFactor, Visit, Visitor};

use super::position;
use super::reader::Reader;
use super::with_scopes::WithScopes;
use super::{Parsed, Statement, parse, split};
use crate::error::Result;
use crate::model::Name;
use crate::model::name::fold;

/// Former names, and what they are called now.
pub type Renames = BTreeMap<Name, Name>;

/// The text of a definition under new names: what it makes is called `made` now, if that is new, and relations that it reads as `read` says. Such a
/// relation keeps its former name as an alias, for columns are named after that.
///
/// Errors: the text is no definition.
pub fn renamed(text: &str, made: Option<&Name>, read: &Renames) -> Result<String> {
    let Some(Parsed { statement, .. }) = parse(text)?.pop() else { return Ok(text.to_string()) };
    let named = match &statement {
        Statement::CreateMaterializedView(view) => made.map(|new| (view.name_position, new)),
        Statement::CreatePipeline(pipeline) => made.map(|new| (pipeline.name_position, new)),
        Statement::CreateIndex(index) => read.get(&index.view.name).map(|new| (index.view.position, new)),
        _ => None,
    };
    let mut replaced: Vec<(Range<usize>, String)> = vec![];
    if let Some((position, new)) = named {
        replaced.push((name_at(text, position)?, new.quoted()));
    }
    let query = match &statement {
        Statement::CreateMaterializedView(view) => Some(&view.query),
        Statement::CreatePipeline(pipeline) => Some(&pipeline.query),
        _ => None,
    };
    if let Some(query) = query {
        let mut read = Read { text, renames: read, scopes: WithScopes::default(), replaced: vec![] };
        // The visitor never breaks.
        let _ = query.visit(&mut read);
        replaced.extend(read.replaced);
    }
    replaced.sort_by_key(|(place, _)| std::cmp::Reverse(place.start));
    let mut text = text.to_string();
    replaced.into_iter().for_each(|(place, by)| text.replace_range(place, &by));
    Ok(text)
}

/// The bytes of a name that begins at this character, with its schema.
fn name_at(text: &str, position: usize) -> Result<Range<usize>> {
    let start = text.char_indices().nth(position - 1).map_or(text.len(), |(byte, _)| byte);
    let rest = &text[start..];
    let mut reader = Reader::new(rest, split::tokens(rest)?);
    reader.qualified_name("a name")?;
    Ok(start..start + reader.byte_offset_behind())
}

struct Read<'a> {
    text: &'a str,
    renames: &'a Renames,
    scopes: WithScopes,
    replaced: Vec<(Range<usize>, String)>,
}

impl Read<'_> {
    /// Of tumble() or hop(), which were expanded: then columns are named after those.
    fn is_argument(&self, place: &Range<usize>) -> bool {
        let (before, behind) = (self.text[..place.start].trim_end(), self.text[place.end..].trim_start());
        before.ends_with('(') && behind.starts_with(',')
    }

    fn new_name(&self, written: &ObjectName) -> Option<(&Name, &Name)> {
        let name = written.0.last()?.as_ident().map(fold)?;
        self.renames.get_key_value(&Name::new(name).ok()?)
    }
}

impl Visitor for Read<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.enter(query);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, args: None, .. } = factor
            && !self.scopes.knows(name)
            && let Some((former, new)) = self.new_name(name)
            && let (Some(first), Some(last)) =
                (name.0.first().and_then(|part| part.as_ident()), name.0.last().and_then(|part| part.as_ident()))
        {
            let place = position::byte_offset(self.text, first.span.start)..position::byte_offset(self.text, last.span.end);
            let has_alias = alias.is_some() || self.is_argument(&place);
            let alias = if has_alias { String::new() } else { format!(" AS {}", former.quoted()) };
            // A WITH query of the new name would be meant without a schema.
            let schema = if self.scopes.knows(&ObjectName::from(vec![Ident::new(new.as_str())])) { "public." } else { "" };
            self.replaced.push((place, format!("{schema}{}{alias}", new.quoted())));
        }
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn a_definition_says_the_new_names_and_means_the_same() {
        let one: Renames = [(name("old"), name("New"))].into();
        let swapped: Renames = [(name("a"), name("b")), (name("b"), name("a"))].into();
        for (made, read, text, expected) in [
            (
                Some("New"),
                &one,
                "CREATE MATERIALIZED VIEW public.old AS SELECT 1 AS old FROM t",
                "CREATE MATERIALIZED VIEW \"New\" AS SELECT 1 AS old FROM t",
            ),
            (
                None,
                &one,
                "CREATE MATERIALIZED VIEW v AS SELECT old.x, o.y FROM old JOIN Old AS o ON old.k = o.k WHERE 'old' <> \"old\".z",
                "CREATE MATERIALIZED VIEW v AS SELECT old.x, o.y FROM \"New\" AS old JOIN \"New\" AS o ON old.k = o.k WHERE 'old' <> \"old\".z",
            ),
            (
                None,
                &one,
                "CREATE MATERIALIZED VIEW v AS WITH old AS (SELECT * FROM public.old) SELECT * FROM old",
                "CREATE MATERIALIZED VIEW v AS WITH old AS (SELECT * FROM \"New\" AS old) SELECT * FROM old",
            ),
            (
                None,
                &one,
                "CREATE MATERIALIZED VIEW \"é\" AS\nSELECT x FROM t\nWHERE x IN (SELECT x FROM old)",
                "CREATE MATERIALIZED VIEW \"é\" AS\nSELECT x FROM t\nWHERE x IN (SELECT x FROM \"New\" AS old)",
            ),
            (
                Some("b"),
                &swapped,
                "CREATE MATERIALIZED VIEW a AS SELECT * FROM b, a AS x",
                "CREATE MATERIALIZED VIEW b AS SELECT * FROM a AS b, b AS x",
            ),
            (None, &one, "CREATE INDEX old ON old (a)", "CREATE INDEX old ON \"New\" (a)"),
            (
                None,
                &one,
                "CREATE MATERIALIZED VIEW v AS SELECT window_start, count(*) AS n FROM tumble(old, t, INTERVAL '1 minute') GROUP BY 1",
                "CREATE MATERIALIZED VIEW v AS SELECT window_start, count(*) AS n FROM tumble(\"New\", t, INTERVAL '1 minute') GROUP BY 1",
            ),
            (
                None,
                &swapped,
                "CREATE MATERIALIZED VIEW v AS WITH b AS (SELECT 1 AS x) SELECT * FROM a, b",
                "CREATE MATERIALIZED VIEW v AS WITH b AS (SELECT 1 AS x) SELECT * FROM public.b AS a, b",
            ),
            // Pipelines and relations may have the same names.
            (
                Some("New"),
                &Renames::new(),
                "CREATE PIPELINE old AS INSERT INTO t SELECT * FROM old",
                "CREATE PIPELINE \"New\" AS INSERT INTO t SELECT * FROM old",
            ),
            (
                None,
                &one,
                "CREATE PIPELINE old AS INSERT INTO t SELECT * FROM old",
                "CREATE PIPELINE old AS INSERT INTO t SELECT * FROM \"New\" AS old",
            ),
        ] {
            assert_eq!(renamed(text, made.map(name).as_ref(), read).unwrap(), expected);
        }
    }
}
