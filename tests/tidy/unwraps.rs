//! The program never unwraps: an error goes to whoever can decide, and `expect` states the invariant that makes it impossible.

use super::assert_none;
use super::code::line_of;
use super::house::{SourceFile, files};

#[test]
fn nothing_is_unwrapped_outside_tests() {
    assert_none(files(&["src"]).iter().flat_map(complaints).collect());
}

fn complaints(file: &SourceFile) -> Vec<String> {
    let shipped = file.shipped();
    let unwraps = shipped.match_indices(".unwrap()").map(|(at, _)| line_of(&shipped, at));
    unwraps.map(|line| format!("{}:{line}: return the error, or `expect` the invariant", file.path)).collect()
}

#[test]
fn tests_and_text_may_say_unwrap() {
    let text =
        "//! x.unwrap()\nfn a() { b.unwrap_or(\".unwrap()\") }\n#[cfg(test)]\nmod tests { fn c() { d.unwrap() } }\nfn e() { f.unwrap() }";
    assert_eq!(complaints(&SourceFile::new("src/a.rs", text)), ["src/a.rs:5: return the error, or `expect` the invariant"]);
    assert!(complaints(&SourceFile::new("src/sql/tests.rs", "fn e() { f.unwrap() }")).is_empty());
}
