//! A file is named after the one thing in it, and begins by saying what that is.

use super::assert_none;
use super::house::{SourceFile, files};

/// Names that say nothing.
const BANNED: &[&str] = &["utils", "util", "common", "types", "helpers", "helper", "misc", "core", "inner"];

/// The one table of types is a thing.
const ALLOWED: &[&str] = &["src/model/types.rs"];

#[test]
fn every_file_begins_with_its_head() {
    let headless = files(&["src", "tests"]).into_iter().filter(|file| !has_head(file));
    assert_none(headless.map(|file| format!("{}: begin with a `//!` head that says what is in the file", file.path)).collect());
}

#[test]
fn no_file_has_a_name_that_says_nothing() {
    let files = files(&["src", "tests"]);
    let banned = files.iter().filter(|file| is_banned(file));
    assert_none(banned.map(|file| format!("{}: name the file after the one thing in it", file.path)).collect());
}

fn has_head(file: &SourceFile) -> bool {
    file.text.strip_prefix("//!").is_some_and(|head| !head.lines().next().unwrap_or("").trim().is_empty())
}

fn is_banned(file: &SourceFile) -> bool {
    let mut parts = file.path.split('/').map(|part| part.trim_end_matches(".rs"));
    !ALLOWED.contains(&file.path.as_str()) && parts.any(|part| BANNED.contains(&part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_has_words() {
        assert!(has_head(&SourceFile::new("src/a.rs", "//! What it is.\n")));
        assert!(!has_head(&SourceFile::new("src/a.rs", "//!\n//! Late.\n")));
        assert!(!has_head(&SourceFile::new("src/a.rs", "\n//! Late.\n")));
    }

    #[test]
    fn folders_count_too() {
        assert!(is_banned(&SourceFile::new("src/utils/name.rs", "")));
        assert!(is_banned(&SourceFile::new("src/sql/types.rs", "")));
        assert!(!is_banned(&SourceFile::new("src/model/types.rs", "")));
    }
}
