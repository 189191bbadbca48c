//! The source files of the house.

use std::fs;
use std::path::{Path, PathBuf};

use super::code::{TEST_MARK, identifier, without_literals, without_tests};

pub struct SourceFile {
    /// From the root of the project, with `/`: `src/model/name.rs`.
    pub path: String,
    pub text: String,
    /// The text with comments and literals blanked.
    pub code: String,
    is_test: bool,
}

impl SourceFile {
    pub fn new(path: &str, text: &str) -> SourceFile {
        let is_test = path.ends_with("/tests.rs") || path.split('/').any(|part| part == "tests");
        SourceFile { path: path.to_string(), text: text.to_string(), code: without_literals(text), is_test }
    }

    /// The code that is in the program, with `#[cfg(test)]` items blanked too. Empty for a file that is a test.
    pub fn shipped(&self) -> String {
        match self.is_test {
            true => String::new(),
            false => without_tests(&self.code),
        }
    }

    /// The name without folders and ending.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.strip_suffix(".rs").unwrap_or(name)
    }

    /// The modules that this file declares for tests only, as paths without ending.
    fn test_modules(&self) -> Vec<String> {
        let folder = match self.path.rsplit_once('/') {
            Some((folder, "mod.rs" | "lib.rs" | "main.rs")) => folder,
            _ => self.path.trim_end_matches(".rs"),
        };
        let marked = self.code.match_indices(TEST_MARK).map(|(at, _)| self.code[at + TEST_MARK.len()..].trim_start());
        let declared = marked.filter_map(|item| {
            let name = identifier(item.strip_prefix("mod ")?);
            item["mod ".len() + name.len()..].starts_with(';').then(|| format!("{folder}/{name}"))
        });
        declared.collect()
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
    let read = |path: &PathBuf| SourceFile::new(&relative(path), &fs::read_to_string(path).expect("a source file is UTF-8"));
    let mut files: Vec<_> = paths.iter().map(read).collect();
    mark_tests(&mut files);
    files
}

/// A module that is declared under `#[cfg(test)]` is a test, and so is all below it.
fn mark_tests(files: &mut [SourceFile]) {
    let modules: Vec<_> = files.iter().flat_map(SourceFile::test_modules).collect();
    for file in files {
        let below = |module: &String| file.path.strip_prefix(module.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'));
        file.is_test |= modules.iter().any(below);
    }
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

#[test]
fn what_is_declared_for_tests_is_a_test() {
    let text = "#[cfg(test)]\nmod fake;\nmod real;\n#[cfg(test)]\nmod tests { }";
    let mut files = vec![SourceFile::new("src/a/mod.rs", text)];
    files.extend(["src/a/fake.rs", "src/a/fake/deep.rs", "src/a/faker.rs", "src/a/real.rs"].map(|path| SourceFile::new(path, "fn f() {}")));
    mark_tests(&mut files);
    let tests: Vec<_> = files.iter().filter(|file| file.shipped().is_empty()).map(|file| file.path.as_str()).collect();
    assert_eq!(tests, ["src/a/fake.rs", "src/a/fake/deep.rs"]);
}
