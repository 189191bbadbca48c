//! How long files and functions get. `too_long.txt` names those that are longer, with their length: it may only shrink.

use std::collections::BTreeMap;
use std::fs;

use super::assert_none;
use super::code::{code_lines, identifier, is_identifier, item_end, words};
use super::house::{SourceFile, files, root};

/// Lines with code, tests not counted.
const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;

const LIST: &str = "tests/tidy/too_long.txt";

/// What is too long by name (`src/a.rs`, or `src/a.rs::function`), and its lines.
type Lengths = BTreeMap<String, usize>;

#[test]
fn nothing_gets_longer() {
    let measured = files(&["src", "tests"]).iter().flat_map(too_long).collect();
    let listed = parse(&fs::read_to_string(root().join(LIST)).expect("the list exists"));
    assert_none(complaints(&measured, &listed));
}

fn complaints(measured: &Lengths, listed: &Lengths) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, lines) in measured {
        match listed.get(name) {
            None => complaints.push(format!("{name} has {lines} lines of code: take something out of it")),
            Some(limit) if lines > limit => complaints.push(format!("{name} has grown from {limit} to {lines} lines of code")),
            Some(_) => {}
        }
    }
    let healed = listed.keys().filter(|name| !measured.contains_key(*name));
    complaints.extend(healed.map(|name| format!("{name} is short enough or gone: take it off {LIST}")));
    complaints
}

fn parse(list: &str) -> Lengths {
    let entries = list.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    entries.map(|line| entry(line).unwrap_or_else(|| panic!("not `<name> <lines>` in {LIST}: {line}"))).collect()
}

fn entry(line: &str) -> Option<(String, usize)> {
    let (name, lines) = line.rsplit_once(' ')?;
    Some((name.trim().to_string(), lines.parse().ok()?))
}

fn too_long(file: &SourceFile) -> Vec<(String, usize)> {
    let functions = functions(&file.code).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX);
    let mut found: Vec<_> = functions.map(|(name, lines)| (format!("{}::{name}", file.path), lines)).collect();
    // A file of the integration tests is held to the same; one that stands beside the code it tests is not.
    let counted = if file.path.starts_with("tests/") { file.code.clone() } else { file.shipped() };
    let lines = code_lines(&counted);
    if lines > FILE_LINES_MAX {
        found.push((file.path.clone(), lines));
    }
    found
}

/// Every function with a body, and its lines.
fn functions(code: &str) -> Vec<(String, usize)> {
    let named = words(code, "fn").filter_map(|at| {
        let name = code[at + 2..].trim_start();
        name.starts_with(is_identifier).then(|| (at, identifier(name).to_string()))
    });
    let measured = named.map(|(at, name)| {
        let item = &code[at..item_end(code, at)];
        (name, item)
    });
    measured.filter(|(_, item)| item.ends_with('}')).map(|(name, item)| (name, code_lines(item))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_measured_without_comments() {
        let text = "fn short() {}\nimpl A {\n    pub fn long(\n        &self,\n    ) -> [u8; 2] {\n        // why\n\n        one();\n    }\n}\ntrait T {\n    fn none(&self);\n}\ntype F = fn(u8) -> u8;";
        let code = crate::tidy::code::without_literals(text);
        assert_eq!(functions(&code), [("short".to_string(), 1), ("long".to_string(), 5)]);
    }

    #[test]
    fn tests_beside_the_code_do_not_count() {
        let body = "    x();\n".repeat(FILE_LINES_MAX);
        let beside = SourceFile::new("src/a.rs", &format!("fn a() {{}}\n#[cfg(test)]\nmod tests {{\n{body}}}\n"));
        assert!(too_long(&beside).is_empty());
        let long = SourceFile::new("src/a.rs", &format!("fn a() {{\n{body}}}\n"));
        let names: Vec<_> = too_long(&long).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["src/a.rs::a", "src/a.rs"]);
    }

    #[test]
    fn the_list_only_shrinks() {
        let lengths = |text| parse(text);
        let listed = lengths("# a comment\nsrc/a.rs 500\nsrc/b.rs::f 80\n");
        assert!(complaints(&lengths("src/a.rs 450\nsrc/b.rs::f 80"), &listed).is_empty());
        let told = complaints(&lengths("src/a.rs 501\nsrc/c.rs 401"), &listed);
        assert_eq!(told.len(), 3, "{told:?}");
    }
}
