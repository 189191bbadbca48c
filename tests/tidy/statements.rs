//! A statement has the same name everywhere: the file that runs it, its page in the documentation, its test script.

use super::assert_none;
use super::house::{SourceFile, files, root};

/// One file per statement.
const STATEMENTS: &str = "src/session/run/";

#[test]
fn every_statement_is_documented_and_tested() {
    let files = files(&["src"]);
    let statements = files.iter().filter_map(statement);
    let needed = statements.flat_map(|name| [format!("docs/sql/{name}.md"), format!("tests/sql/{name}.slt")]);
    assert_none(needed.filter(|path| !root().join(path).exists()).map(|path| format!("{path} is missing")).collect());
}

fn statement(file: &SourceFile) -> Option<&str> {
    let name = file.path.strip_prefix(STATEMENTS)?;
    let is_one = !name.contains('/') && !["mod", "tests"].contains(&file.stem());
    is_one.then_some(file.stem())
}

#[test]
fn a_statement_is_a_file_of_its_own() {
    let name = |path| statement(&SourceFile::new(path, "")).map(str::to_string);
    assert_eq!(name("src/session/run/create_pipeline.rs"), Some("create_pipeline".to_string()));
    assert_eq!(name("src/session/run/mod.rs"), None);
    assert_eq!(name("src/session/mod.rs"), None);
}
