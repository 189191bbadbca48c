//! Logs that are mutated at random, and read: no panic, no wait without an end, no more memory than a log of this size can need. There is a
//! snapshot or an error that names the file; what no reader may care for makes no difference; nothing outside of the table is reached.
//!
//! Seconds by default; `LAKEWIRE_FUZZ_SECONDS=600 cargo test --lib lake::tests::fuzz -- --nocapture` for a long run, which also looks at
//! memory, `LAKEWIRE_FUZZ_SEED` for one that failed.

mod columns;
mod corpus;
mod mutation;
mod outside;
mod words;

use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use object_store::path::Path;

use super::maintenance::describe;
use super::*;
use crate::error::{self, Error, Kind};
use crate::fuzz::{self, Dice, Run};
use crate::lake::location;
use corpus::{APPLICATIONS, LAKE, Objects, Original, commit_version, lake_of, put};
use mutation::Mutant;

/// A failure is replayed from its round's seed.
const MUTANTS_PER_ROUND: usize = 16;
/// Of a round that takes a second or less.
const ROUND_SECONDS_MAX: u64 = 120;
/// The originals have some kilobytes, and their mutants a few megabytes at most.
const MEMORY_BYTES_MAX: u64 = 512 << 20;
/// A version in the middle of the commits after the checkpoint.
const MIDDLE: i64 = 5;

static ORIGINALS: OnceLock<Vec<Original>> = OnceLock::new();

#[test]
fn mutants_are_read_or_named() {
    let memory = peak_bytes();
    fuzz::rounds(|seed, run| {
        ended(seed)?;
        // In a short run other tests stand in the same memory.
        let taken = peak_bytes().saturating_sub(memory);
        match run == Run::Short || taken <= MEMORY_BYTES_MAX {
            true => Ok(()),
            false => Err(format!("{taken} bytes were taken")),
        }
    });
}

/// A round in a thread of its own, so that one that does not end, or panics, is told as a finding.
fn ended(seed: u64) -> Result<(), String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(round(seed)));
    match receiver.recv_timeout(Duration::from_secs(ROUND_SECONDS_MAX)) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => Err(format!("it has not ended after {ROUND_SECONDS_MAX} seconds")),
        Err(RecvTimeoutError::Disconnected) => Err("it panicked".to_string()),
    }
}

fn round(seed: u64) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let originals = ORIGINALS.get_or_init(|| runtime.block_on(corpus::originals()));
    let mut dice = Dice::new(seed);
    for _ in 0..MUTANTS_PER_ROUND {
        let original = dice.pick(originals);
        let mutant = Mutant::of(original, &mut dice);
        let is_summed_up = dice.below(4) == 0;
        let told = ToldOnPanic(original, &mutant);
        let judged = runtime.block_on(async {
            judge(original, &mutant).await?;
            if is_summed_up { outlives_its_checkpoint(original, &mutant).await } else { Ok(()) }
        });
        judged.map_err(|complaint| format!("{complaint}\n{told}"))?;
    }
    Ok(())
}

async fn judge(original: &Original, mutant: &Mutant) -> Result<(), String> {
    let lake = lake_of(&mutant.objects).await;
    let table = lake.table("t").unwrap();
    let opened = table.refresh().await;
    match &opened {
        Ok(snapshot) => is_sound(&table, snapshot)?,
        Err(error) => names_the_file(error)?,
    }
    let told = tell(&opened);
    if mutant.is_the_same {
        is_equal("what no reader may care for makes a difference", &original.description, &told)?;
    }
    is_equal("looking once more makes a difference", &told, &tell(&table.refresh().await))?;
    match mutant.differs_after(original, MIDDLE) {
        true => is_followed(mutant, &told).await,
        false => Ok(()),
    }
}

/// Whoever had the table open before its log became what it is, sees what one sees who opens it. An error takes nothing from them.
async fn is_followed(mutant: &Mutant, opened: &str) -> Result<(), String> {
    let is_later = |name: &String| commit_version(name) > Some(MIDDLE);
    let (later, earlier): (Objects, Objects) = mutant.objects.clone().into_iter().partition(|(name, _)| is_later(name));
    let lake = lake_of(&earlier).await;
    let table = lake.table("t").unwrap();
    let Ok(before) = table.refresh().await else { return Ok(()) };
    put(&lake, &later).await;
    is_equal("following the log makes a difference", opened, &tell(&table.refresh().await))?;
    match table.snapshot().is_some_and(|known| known.version() >= before.version()) {
        true => Ok(()),
        false => Err("an error took the snapshot away".to_string()),
    }
}

/// A table that can be read can be read once we have summed up its log. That we cannot sum it up is no finding.
async fn outlives_its_checkpoint(original: &Original, mutant: &Mutant) -> Result<(), String> {
    let lake = lake_of(&mutant.objects).await;
    let table = lake.table("t").unwrap();
    if table.refresh().await.is_err() || table.checkpoint().await.is_err() {
        return Ok(());
    }
    let reopened = Lake::with_store(lake.store().clone(), url::Url::parse(LAKE).unwrap(), lake.clock().clone()).table("t").unwrap();
    let again = reopened.refresh().await;
    match again.is_err() {
        true => Err(format!("our checkpoint made it unreadable: {}", tell(&again))),
        false if mutant.is_the_same => is_equal("a checkpoint makes a difference", &original.description, &tell(&again)),
        false => Ok(()),
    }
}

/// It is a table, whose files are in its folder.
fn is_sound(table: &Arc<Table>, snapshot: &Arc<Snapshot>) -> Result<(), String> {
    if snapshot.version().is_some() && snapshot.table_id().is_none() {
        return Err("there is a version of a table that has no metadata".to_string());
    }
    let mut files = 0;
    for chunk in snapshot.files().chunks() {
        files += chunk.len() as u64;
        (0..chunk.len()).try_for_each(|file| is_within(table, chunk.path(file)))?;
        if let Some(file) = (0..chunk.len()).find(|file| chunk.size(*file) < 0) {
            return Err(format!("{} has a size below zero", chunk.path(file)));
        }
    }
    // What a statement may ask of it next.
    snapshot.data_files().for_each(|file| drop((file.rows(), file.removed(snapshot))));
    let _ = (snapshot.last_commit(), snapshot.transaction(APPLICATIONS[0]));
    match snapshot.totals().files == files {
        true => Ok(()),
        false => Err(format!("{files} files are told as {:?}", snapshot.totals())),
    }
}

fn is_within(table: &Arc<Table>, path: &str) -> Result<(), String> {
    let below = Path::parse(path).map_err(|error| format!("{path:?} is no path: {error}"))?;
    let place = location::joined(&table.path, &below);
    let is_odd = place.parts().any(|part| [".", ".."].contains(&part.as_ref()));
    match place.prefix_matches(&table.path) && place != table.path && !is_odd {
        true => Ok(()),
        false => Err(format!("{path:?} is not within the table")),
    }
}

/// Whoever is told of it can go and look, and does not simply try again.
fn names_the_file(error: &Error) -> Result<(), String> {
    let text = error.one_line();
    if !matches!(error.kind(), Kind::Data | Kind::Unsupported) {
        return Err(format!("what is wrong with the log is told as {error:?}"));
    }
    // A gap is a file that is not there: its version is named.
    let is_gap = text.contains("/lake/t is missing");
    match text.contains("/_delta_log/") || is_gap {
        true => Ok(()),
        false => Err(format!("it is not told which file it is: {error:?}")),
    }
}

fn tell(opened: &error::Result<Arc<Snapshot>>) -> String {
    match opened {
        Ok(snapshot) => describe(snapshot, &APPLICATIONS),
        Err(error) => format!("{error:?}"),
    }
}

fn is_equal(complaint: &str, expected: &str, found: &str) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{complaint}:\n{expected}\nis not\n{found}")) }
}

/// The most that was resident; nothing where the kernel does not tell.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// Which log it was, also when nobody comes to return an error.
struct ToldOnPanic<'a>(&'a Original, &'a Mutant);

impl std::fmt::Display for ToldOnPanic<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a mutant of \"{}\", {}", self.0.name, self.1)
    }
}

impl Drop for ToldOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{self}");
        }
    }
}
