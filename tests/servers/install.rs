//! Packages, installed once per machine with the ordinary clients and kept in the user's cache.
//!
//! Several test runs may want the same package at once: a lock file lets one install, into a folder beside, which is renamed when it is
//! complete. So a folder under its final name is whole.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

const CACHE_FOLDER: &str = "lakewire-test-servers";

/// A Python environment of its own with these requirements, as its folder.
pub async fn python(name: &'static str, requirements: &'static [&'static str]) -> PathBuf {
    once(name, move |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder), "python3 (3.9 or later, with venv)");
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(python_in(folder)).args(pip).args(requirements), "pip");
    })
    .await
}

/// A folder that has the npm package under `node_modules`.
pub async fn npm(name: &'static str, requirement: String) -> PathBuf {
    once(name, move |folder| {
        fs::create_dir_all(folder).expect("the user's cache can be written");
        let install = ["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"];
        run(Command::new("npm").args(install).arg(folder).arg(requirement), "npm (with node)");
    })
    .await
}

/// The interpreter of an environment made by `python`.
pub fn python_in(folder: &Path) -> PathBuf {
    folder.join("bin/python")
}

async fn once(name: &str, install: impl FnOnce(&Path) + Send + 'static) -> PathBuf {
    let cache = cache();
    let name = name.to_string();
    tokio::task::spawn_blocking(move || install_once(&cache, &name, install)).await.expect("the installation did not panic")
}

fn install_once(cache: &Path, name: &str, install: impl FnOnce(&Path)) -> PathBuf {
    let complete = cache.join(name);
    if complete.exists() {
        return complete;
    }
    fs::create_dir_all(cache).expect("the user's cache can be written");
    let lock = File::create(cache.join(format!("{name}.lock"))).expect("the user's cache can be written");
    lock.lock().expect("the cache is on a file system with locks");
    if !complete.exists() {
        let partial = cache.join(format!("{name}.partial"));
        let _ = fs::remove_dir_all(&partial);
        install(&partial);
        fs::rename(&partial, &complete).expect("a sibling can be renamed");
    }
    complete
}

#[allow(clippy::disallowed_methods)]
fn cache() -> PathBuf {
    let cache = std::env::var("XDG_CACHE_HOME").ok().filter(|path| !path.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    cache.expect("HOME or XDG_CACHE_HOME is set").join(CACHE_FOLDER)
}

fn run(command: &mut Command, needed: &str) {
    let output = command.output().unwrap_or_else(|error| panic!("the tests need {needed}, which cannot be started: {error}"));
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{needed} failed with {}: {command:?}\n{}", output.status, String::from_utf8_lossy(&text));
}

#[test]
fn installs_once_and_only_completely() {
    let cache = tempfile::tempdir().unwrap();
    let broken = std::panic::catch_unwind(|| {
        install_once(cache.path(), "thing-1", |folder| {
            fs::create_dir(folder).unwrap();
            panic!("half way");
        })
    });
    assert!(broken.is_err() && !cache.path().join("thing-1").exists());

    let installed = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let folder = install_once(cache.path(), "thing-1", |folder| {
                    installed.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                    fs::create_dir(folder).unwrap();
                    fs::write(folder.join("it"), "whole").unwrap();
                });
                assert_eq!(fs::read_to_string(folder.join("it")).unwrap(), "whole");
            });
        }
    });
    assert_eq!(installed.into_inner(), 1);
}

#[test]
#[should_panic(expected = "the tests need unobtainium")]
fn says_what_is_missing() {
    run(&mut Command::new("/nowhere/unobtainium"), "unobtainium");
}
