//! The source files of the house.

use std::fs;
use std::path::{Path, PathBuf};

use super::code::{without_literals, without_tests};

pub struct SourceFile {
    /// From the root of the project, with `/`: `src/model/name.rs`.
    pub path: String,
    pub text: String,
    /// The text with comments and literals blanked.
    pub code: String,
}

impl SourceFile {
    pub fn new(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_string(), text: text.to_string(), code: without_literals(text) }
    }

    /// The code that is in the program, with `#[cfg(test)]` items blanked too. Empty for a file that is a test.
    pub fn shipped(&self) -> String {
        match self.is_test() {
            true => String::new(),
            false => without_tests(&self.code),
        }
    }

    /// `tests.rs`, and everything below a folder `tests`.
    pub fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.split('/').any(|part| part == "tests")
    }

    /// The name without folders and ending.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.strip_suffix(".rs").unwrap_or(name)
    }
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files below these folders of the project, sorted by path.
pub fn files(folders: &[&str]) -> Vec<SourceFile> {
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root().join(folder), &mut paths);
    }
    paths.sort();
    paths.iter().map(|path| SourceFile::new(&relative(path), &fs::read_to_string(path).expect("a source file is UTF-8"))).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the project's folders can be read") {
        let path = entry.expect("the project's folders can be read").path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).expect("a file of the project").to_string_lossy().replace('\\', "/")
}
