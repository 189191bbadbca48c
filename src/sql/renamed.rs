//! A statement as it is shown after something in it was given another name: what it makes, or a relation that it reads.

use std::collections::BTreeMap;
use std::ops::Range;

use sqlparser::ast::{Ident, ObjectName, ObjectNamePart};

use super::identifiers::{Mentioned, for_each_relation};
use super::position;
use super::reader::Reader;
use super::{PUBLIC_SCHEMA, Parsed, Statement, parse, split};
use crate::error::Result;
use crate::model::Name;

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
        for_each_relation(query, |mentioned| replaced.extend(replacement(text, &mentioned, read)));
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

/// What is to stand in the place of a relation's name, if it has another one now.
fn replacement(text: &str, mentioned: &Mentioned<'_>, read: &Renames) -> Option<(Range<usize>, String)> {
    let part = |part: Option<&ObjectNamePart>| part.and_then(|part| part.as_ident()).cloned();
    let (first, last) = (part(mentioned.name.0.first())?, part(mentioned.name.0.last())?);
    let (former, new) = read.get_key_value(&Name::from_ident(&last).ok()?)?;
    let place = position::byte_offset(text, first.span.start)..position::byte_offset(text, last.span.end);
    let has_alias = mentioned.has_alias || is_argument(text, &place);
    let alias = if has_alias { String::new() } else { format!(" AS {}", former.quoted()) };
    // A WITH query of the new name would be meant without a schema.
    let is_captured = mentioned.scopes.knows(&ObjectName::from(vec![Ident::with_quote('"', new.as_str())]));
    let schema = if is_captured { format!("{PUBLIC_SCHEMA}.") } else { String::new() };
    Some((place, format!("{schema}{}{alias}", new.quoted())))
}

/// Of tumble() or hop(), which were expanded: then columns are named after those.
fn is_argument(text: &str, place: &Range<usize>) -> bool {
    let (before, behind) = (text[..place.start].trim_end(), text[place.end..].trim_start());
    before.ends_with('(') && behind.starts_with(',')
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
