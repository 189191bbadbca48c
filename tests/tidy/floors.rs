//! Who may use whom. A module uses what is below it, never what is above, and never a neighbour unless it says so here.

use std::collections::BTreeSet;
use std::ops::Range;

use super::assert_none;
use super::code::{identifier, is_identifier, item_end, line_of, words};
use super::house::{SourceFile, files};

/// The ground floor, as everybody above may use it; `fuzz` is there for tests alone.
const GROUND: &[&str] = &["error", "clock", "fault", "config", "model", "fuzz"];

/// Each module at the top of `src` and what it may use beside the ground floor. What is missing here is meant: connectors and formats know
/// neither SQL nor the catalog, `sql` knows no connector, nothing below `session` knows a connection.
const ABOVE_GROUND: &[(&str, &[&str])] = &[
    ("catalog", &[]),
    ("sql", &["catalog"]),
    ("formats", &[]),
    ("lake", &[]),
    ("sources", &["formats", "lake"]),
    ("sinks", &["formats", "lake"]),
    ("flow", &["catalog", "sql", "formats", "lake", "sources", "sinks"]),
    ("query", &["catalog", "sql", "formats", "lake", "sources", "sinks", "flow"]),
    ("session", &["catalog", "sql", "formats", "lake", "sources", "sinks", "flow", "query"]),
    ("server", &["catalog", "sql", "formats", "lake", "sources", "sinks", "flow", "query", "session"]),
    // A part of `main`.
    ("quickstart", &["query", "session", "server"]),
];

/// Within the ground floor.
const ON_THE_GROUND: &[(&str, &[&str])] =
    &[("error", &[]), ("clock", &[]), ("fault", &[]), ("fuzz", &[]), ("model", &["error"]), ("config", &["error", "model"])];

/// One module naming another.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Edge {
    from: String,
    to: String,
    place: String,
}

#[test]
fn every_module_uses_only_what_is_below_it() {
    let edges = files(&["src"]).iter().flat_map(edges).collect::<Vec<_>>();
    assert_none(edges.iter().filter_map(complaint).collect());
}

#[test]
fn every_module_has_a_floor() {
    let modules: BTreeSet<_> = files(&["src"]).iter().filter_map(|file| module_path(&file.path).first().cloned()).collect();
    assert_none(modules.iter().filter(|module| allowed(module).is_none()).map(|module| format!("give `{module}` a floor")).collect());
}

fn complaint(edge: &Edge) -> Option<String> {
    let may_use = allowed(&edge.from)?;
    let place = &edge.place;
    match may_use.contains(&edge.to.as_str()) {
        true => None,
        false => Some(format!("{place}: `{}` may not use `{}`; it may use {}", edge.from, edge.to, may_use.join(", "))),
    }
}

/// What a module may use. `None` for one without a floor.
fn allowed(module: &str) -> Option<Vec<&'static str>> {
    let find = |table: &[(&str, &'static [&'static str])]| table.iter().find(|(name, _)| *name == module).map(|(_, uses)| uses.to_vec());
    find(ON_THE_GROUND).or_else(|| find(ABOVE_GROUND).map(|uses| [GROUND, &uses].concat()))
}

/// The edges between modules at the top. The crate's roots, `lib.rs` and `main.rs`, stand above all.
fn edges(file: &SourceFile) -> Vec<Edge> {
    let path = module_path(&file.path);
    let Some(from) = path.first() else { return Vec::new() };
    let by_crate = words(&file.code, "crate").flat_map(|at| named_after(&file.code, at + "crate".len()));
    let inline = inline_modules(&file.code);
    let depth = |at| path.len() + inline.iter().filter(|module| module.contains(&at)).count();
    let by_super = words(&file.code, "super").flat_map(|at| named_by_super(&file.code, at, depth(at)));
    let named = by_crate.chain(by_super).filter(|(to, _)| to != from);
    named.map(|(to, at)| Edge { from: from.clone(), to, place: format!("{}:{}", file.path, line_of(&file.code, at)) }).collect()
}

/// `src/model/name.rs` → `model`, `name`; `src/lib.rs` → nothing.
fn module_path(path: &str) -> Vec<String> {
    let path = path.strip_prefix("src/").unwrap_or(path).trim_end_matches(".rs");
    path.split('/').filter(|part| !["mod", "lib", "main"].contains(part)).map(str::to_string).collect()
}

/// Where `mod x { … }` are.
fn inline_modules(code: &str) -> Vec<Range<usize>> {
    let named = words(code, "mod").filter(|at| code[at + "mod".len()..].trim_start().starts_with(is_identifier));
    named.map(|at| at..item_end(code, at)).collect()
}

/// The modules after `crate`, with the place of each: one in `crate::a::B`, several in `crate::{a::B, c}`.
fn named_after(code: &str, start: usize) -> Vec<(String, usize)> {
    let Some(rest) = code[start..].strip_prefix("::") else { return Vec::new() };
    let start = start + 2;
    match rest.strip_prefix('{') {
        None => vec![(identifier(rest).to_string(), start)],
        Some(group) => first_names(group).into_iter().map(|(name, at)| (name, start + 1 + at)).collect(),
    }
}

/// The first identifier of each entry of a `use` group.
fn first_names(group: &str) -> Vec<(String, usize)> {
    let mut names = Vec::new();
    let (mut depth, mut at_entry) = (1, true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => at_entry = true,
            _ if at_entry && is_identifier(character) => {
                names.push((identifier(&group[at..]).to_string(), at));
                at_entry = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// `super::super::x` reaches the root from a module two deep.
fn named_by_super(code: &str, at: usize, depth: usize) -> Vec<(String, usize)> {
    const STEP: &str = "super::";
    if code[..at].ends_with(STEP) {
        return Vec::new();
    }
    let mut steps = 0;
    let mut end = at;
    while code[end..].starts_with(STEP) {
        steps += 1;
        end += STEP.len();
    }
    match steps == depth {
        true => named_after(code, end - "::".len()),
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(path: &str, text: &str) -> Vec<String> {
        edges(&SourceFile::new(path, text)).into_iter().map(|edge| edge.to).collect()
    }

    #[test]
    fn sees_every_way_to_name_a_module() {
        let text = "use crate::error::Error;\nuse crate::{\n    model::{Name, SqlType},\n    clock,\n};\nfn f() { crate::sql::parse() }";
        assert_eq!(targets("src/lake/commit.rs", text), ["error", "model", "clock", "sql"]);
        assert_eq!(targets("src/lake/commit.rs", "use super::super::session::Session; use super::log;"), ["session"]);
    }

    #[test]
    fn what_is_no_use_is_not_seen() {
        let text = "// crate::sql\nconst A: &str = \"crate::sql\";\npub(crate) fn lake_crate() {}\nuse crate::lake::x;";
        assert!(targets("src/lake/commit.rs", text).is_empty());
        assert!(targets("src/main.rs", "use crate::server;").is_empty());
        assert!(targets("src/lake.rs", "mod tests { use super::log; }").is_empty());
    }

    #[test]
    fn an_edge_upwards_is_told_with_its_place() {
        let file = SourceFile::new("src/sources/kinesis/mod.rs", "//! Head.\nuse crate::lake::Table;\nuse crate::sql::Statement;");
        let complaints: Vec<_> = edges(&file).iter().filter_map(complaint).collect();
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("src/sources/kinesis/mod.rs:3: `sources` may not use `sql`"));
    }
}
